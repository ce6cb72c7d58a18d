/**
 * The headers of connections: a service that is implemented with OAuth client credentials, and that
 * programs can replace with other credentials.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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
 * Header names and values. `x-databricks-zerobus-table-name` is always set to the stream's table,
 * and `Bearer` is added before a bare token. Header names that HTTP/2 or gRPC set themselves, and
 * values that are not printable ASCII, are refused.
 *
 * @since 0.1.0
 * @category models
 */
export type HeaderRecord = Readonly<Record<string, string>>

/**
 * The methods of a {@link HeadersProvider}. As an option of a stream, it may need services `R`.
 *
 * @since 0.1.0
 * @category models
 */
export interface HeadersProviderShape<out R = never> {
  /**
   * Returns the headers for one new connection to `tableName`. It runs for every connection, so
   * that tokens are always fresh. It runs in a separate fiber. A caller that stops waiting
   * interrupts it and does not wait for its end.
   */
  readonly getHeaders: (tableName: string) => Effect.Effect<HeaderRecord, StreamFailure, R>
  /**
   * Called once when the server has refused these headers for `tableName`, so that the next
   * `getHeaders` returns others. A provider that already has newer headers keeps them. Without this
   * method, a rejection is final. If it throws or dies, this is logged and otherwise ignored. If it
   * hangs, it is interrupted after `recoveryTimeout`.
   */
  readonly invalidate?:
    | ((tableName: string, rejected: HeaderRecord) => Effect.Effect<void, never, R>)
    | undefined
  /** Whether the tokens come from another identity provider. Persistent streams refuse them. */
  readonly federated?: boolean | undefined
}

/**
 * Options of a custom headers provider. Its effects may need services.
 *
 * @since 0.2.0
 * @category configuration
 */
export interface HeadersProviderOptions<out R = never, out R2 = never> {
  /**
   * An effect that returns the headers of a new connection, or a function from the table's name to
   * one.
   */
  readonly getHeaders:
    | Effect.Effect<HeaderRecord, unknown, R>
    | ((tableName: string) => Effect.Effect<HeaderRecord, unknown, R>)
  /** Runs when headers were rejected, to get different ones. Default: a rejection is final. */
  readonly invalidate?:
    | Effect.Effect<void, never, R2>
    | ((tableName: string, rejected: HeaderRecord) => Effect.Effect<void, never, R2>)
    | undefined
}

/**
 * Provides the headers of every connection. `ZerobusLayer` includes one for OAuth client
 * credentials. To use another one, pass it as the `headersProvider` option of a stream, or provide
 * this service to `Zerobus.layerNoDeps`.
 *
 * @since 0.1.0
 * @category services
 */
export class HeadersProvider extends Context.Service<HeadersProvider, HeadersProviderShape>()(
  "effect-zerobus/HeadersProvider"
) {
  /**
   * Creates a provider from an effect, or from a function of the table name. A defect, or a failure
   * that is not a valid error of the client, becomes `Retryable` with its text; possible
   * credentials are removed from the text. The connection is retried within the retry budget. Fail
   * with `InvalidToken` when a retry cannot help.
   *
   * @example
   * HeadersProvider.make({ getHeaders: Effect.succeed({ authorization: "Bearer ..." }) })
   */
  static readonly make = <R = never, R2 = never>(
    options: HeadersProviderOptions<R, R2>
  ): HeadersProviderShape<R | R2> => {
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

  /**
   * A custom provider as a layer, for `Zerobus.layerNoDeps`. Takes the options of {@link make}. Its
   * effects use the services of the layer.
   *
   * @example
   * const Client = Zerobus.layerNoDeps.pipe(
   *   Layer.provide([
   *     GrpcTransport.layer({ serverEndpoint }),
   *     HeadersProvider.layer({ getHeaders: Effect.succeed({ authorization: "Bearer ..." }) })
   *   ])
   * )
   */
  static readonly layer = <R = never, R2 = never>(
    options: HeadersProviderOptions<R, R2>
  ): Layer.Layer<HeadersProvider, never, R | R2> =>
    Layer.effect(
      HeadersProvider,
      Effect.contextWith((services: Context.Context<R | R2>) => {
        const { getHeaders, invalidate } = HeadersProvider.make(options)
        return Effect.succeed({
          getHeaders: (tableName: string) => Effect.provideContext(getHeaders(tableName), services),
          ...(invalidate === undefined
            ? {}
            : {
                invalidate: (tableName: string, rejected: HeaderRecord) =>
                  Effect.provideContext(invalidate(tableName, rejected), services)
              })
        })
      })
    )
}

// Checks the class, not the tag: other libraries have errors with these tags too, and their
// messages may quote a token. The fields that the engine uses are checked as well, because the
// program may be JavaScript.
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

/** The failure of a provider that does not return an effect. A retry cannot help. */
export const notAnEffect = new InvalidToken({
  message:
    "The headers provider's getHeaders must return an Effect. Wrap a promise with " +
    "Effect.tryPromise."
})

/** Most nested causes of an error that are read. */
const CAUSES = 5

/**
 * Text of a program's error, with its causes. Reading it may run the program's getters, which may
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
 * Converts a failure or defect of a provider, or of other code that supplies credentials, to a
 * failure of the stream. An error that is not the client's may come from a service that is down, so
 * it is retryable. Possible credentials are removed from its text. `who` names the source in the
 * message.
 */
export const toStreamFailure = (error: unknown, who = "headers provider"): StreamFailure => {
  try {
    if (isStreamFailure(error)) return error
  } catch {
    // A value whose prototype cannot be read is not an error of the client.
  }
  const text = scrubOpaque(textOf(error)).replace(/\.$/, "")
  const message = `The ${who} failed: ${text}.`
  return new Retryable({
    reason: RetryableReason.TokenServiceUnavailable({ message }),
    attempts: 1
  })
}
