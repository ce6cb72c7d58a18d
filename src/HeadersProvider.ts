/**
 * Where the headers of a connection come from: the service that the OAuth client credentials
 * implement, and the hook for credentials of one's own.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { scrubOpaque } from "./internal/scrub.ts"
import {
  InvalidArgument,
  InvalidEndpoint,
  InvalidState,
  InvalidTable,
  InvalidToken,
  PermissionDenied,
  ProtocolViolation,
  Retryable,
  RetryableReason,
  SchemaMismatch,
  type StreamFailure,
  TlsFailure,
  Unsupported
} from "./ZerobusError.ts"

/**
 * Header names to values. `x-databricks-zerobus-table-name` is always the stream's own table, and a
 * bare token gets `Bearer` in front. Names that HTTP/2 or gRPC write themselves and values that are
 * not printable ASCII are refused.
 *
 * @since 0.1.0
 * @category models
 */
export type HeaderRecord = Readonly<Record<string, string>>

/**
 * What {@link HeadersProvider} implementations offer. As an option of a stream, it may need
 * services `R`.
 *
 * @since 0.1.0
 * @category models
 */
export interface HeadersProviderShape<out R = never> {
  /**
   * The headers for one new connection to `tableName`; asked again on every connection, so that
   * tokens are always fresh. It runs in a fiber of its own: whoever gives up on it interrupts it
   * and does not wait for its end.
   */
  readonly getHeaders: (tableName: string) => Effect.Effect<HeaderRecord, StreamFailure, R>
  /**
   * Told once per rejection that these headers were refused for `tableName`, so that the next
   * `getHeaders` brings others. A provider that has newer ones already keeps them. Without it a
   * rejection is final at once. One that throws or dies is logged and otherwise ignored; one that
   * hangs is given up after `recoveryTimeout`.
   */
  readonly invalidate?:
    | ((tableName: string, rejected: HeaderRecord) => Effect.Effect<void, never, R>)
    | undefined
  /** Whether the tokens come from another identity provider, which persistent streams refuse. */
  readonly federated?: boolean | undefined
}

/**
 * Gives the headers of every connection. `ZerobusLayer` provides one made of OAuth client
 * credentials; pass one of your own as the `headersProvider` option of a stream, or provide this
 * service to `Zerobus.layerNoDeps`.
 *
 * @since 0.1.0
 * @category services
 */
export class HeadersProvider extends Context.Service<HeadersProvider, HeadersProviderShape>()(
  "effect-zerobus/HeadersProvider"
) {
  /**
   * Makes a provider of an effect, or of a function from the table name to one. A failure that is
   * not one of the client's errors, or is one with fields of other types, or a defect, becomes
   * `Retryable` with its text, without what may be a credential: the connection is tried again
   * within the retry budget. Fail with `InvalidToken` where that does not help.
   *
   * @example
   * HeadersProvider.make({ getHeaders: Effect.succeed({ authorization: "Bearer ..." }) })
   */
  static readonly make = <R = never, R2 = never>(options: {
    readonly getHeaders:
      | Effect.Effect<HeaderRecord, unknown, R>
      | ((tableName: string) => Effect.Effect<HeaderRecord, unknown, R>)
    readonly invalidate?:
      | Effect.Effect<void, never, R2>
      | ((tableName: string, rejected: HeaderRecord) => Effect.Effect<void, never, R2>)
      | undefined
  }): HeadersProviderShape<R | R2> => {
    const { getHeaders, invalidate } = options
    return {
      getHeaders: (tableName) =>
        Effect.suspend(() => {
          const headers: unknown = Effect.isEffect(getHeaders) ? getHeaders : getHeaders(tableName)
          return Effect.isEffect(headers)
            ? (headers as Effect.Effect<HeaderRecord, unknown, R>)
            : Effect.fail(notAnEffect)
        }).pipe(Effect.mapError((error) => toStreamFailure(error))),
      ...(invalidate === undefined
        ? {}
        : {
            invalidate: (tableName: string, rejected: HeaderRecord) =>
              Effect.isEffect(invalidate) ? invalidate : invalidate(tableName, rejected)
          })
    }
  }
}

// By class, not by tag: others have errors of these names too, and theirs may quote a token. The
// fields that the engine computes with are checked as well, since the program may be JavaScript.
const isStreamFailure = (error: unknown): error is StreamFailure =>
  error instanceof Retryable
    ? isReason(error.reason) && typeof error.attempts === "number"
    : (error instanceof InvalidToken ||
        error instanceof PermissionDenied ||
        error instanceof InvalidTable ||
        error instanceof InvalidEndpoint ||
        error instanceof TlsFailure ||
        error instanceof InvalidArgument ||
        error instanceof SchemaMismatch ||
        error instanceof Unsupported ||
        error instanceof InvalidState ||
        error instanceof ProtocolViolation) &&
      typeof error.message === "string"

const isReason = (reason: unknown): boolean => {
  if (typeof reason !== "object" || reason === null) return false
  const { _tag, message, retryAfterMillis } = reason as Readonly<Record<string, unknown>>
  if (typeof _tag !== "string" || typeof message !== "string") return false
  return retryAfterMillis === undefined || typeof retryAfterMillis === "number"
}

/**
 * The failure of a provider that gives anything but an effect, which trying again does not cure.
 */
export const notAnEffect = new InvalidToken({
  message:
    "The headers provider's getHeaders must give an Effect. Wrap a promise with Effect.tryPromise."
})

/** How deep the causes of an error are read. */
const CAUSES = 5

/**
 * An error of the program as text, with its causes. Reading it runs code of the program, which may
 * throw.
 */
const textOf = (error: unknown): string => {
  const texts: Array<string> = []
  try {
    for (let current = error; current !== undefined && texts.length < CAUSES;) {
      if (typeof current !== "object" || current === null) {
        texts.push(typeof current === "function" ? "a function" : String(current))
        break
      }
      const { _tag, cause, message, name } = current as Readonly<Record<string, unknown>>
      const named = [_tag, name, "an object"].find(
        (text) => typeof text === "string" && text !== ""
      ) as string
      texts.push(typeof message === "string" && message !== "" ? `${named}: ${message}` : named)
      current = cause
    }
  } catch {
    texts.push("an error that cannot be read")
  }
  return texts.join(", caused by ")
}

/**
 * What a provider, or other code of the program that gives credentials, failed or died with, as a
 * failure of the stream. What is not one of the client's errors may be a service that is down, so
 * it is tried again; its text goes without what may be a credential. `who` names it in the message.
 */
export const toStreamFailure = (error: unknown, who = "headers provider"): StreamFailure => {
  try {
    if (isStreamFailure(error)) return error
  } catch {
    // A value whose prototype cannot be read is no error of the client.
  }
  const text = scrubOpaque(textOf(error)).replace(/\.$/, "")
  const message = `The ${who} failed: ${text}.`
  return new Retryable({
    reason: RetryableReason.TokenServiceUnavailable({ message }),
    attempts: 1
  })
}
