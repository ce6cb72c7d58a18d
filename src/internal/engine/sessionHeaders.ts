/**
 * The border to the headers provider, which is user code: it may throw, die or return anything. The
 * engine gets a typed failure, or headers that are checked and completed. HTTP/2 on Node sends CR,
 * LF and code points above U+00FF without refusing them. So values that are not printable ASCII are
 * refused here.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  type HeaderRecord,
  type HeadersProviderShape,
  notAnEffect,
  toStreamFailure
} from "../../HeadersProvider.ts"
import { InvalidArgument, InvalidToken, Retryable, type StreamFailure } from "../../ZerobusError.ts"
import { holdsSecret, scrub } from "../scrub.ts"
import { apart } from "../userCode/apart.ts"
import { thrownKind } from "../userCode/wake.ts"

// What gRPC allows in metadata. HTTP allows more.
const headerName = /^[0-9a-z_.-]+$/
const headerValue = /^[\x20-\x7e]*$/
// Headers that HTTP/2 and gRPC set themselves, or cannot carry as text.
const ofTransport =
  /^(?:grpc-.*|.*-bin|connection|keep-alive|proxy-connection|transfer-encoding|upgrade|te|host|content-type|content-length|http2-settings|user-agent|accept-encoding)$/
const scheme = /^[A-Za-z][A-Za-z0-9+\-.]*\s+\S/

const TABLE_HEADER = "x-databricks-zerobus-table-name"
const MAX_TOKEN_LENGTH = 16 * 1024

/**
 * The provider with its services provided and its bugs turned into failures. What `getHeaders`
 * throws or dies with is retried like its own failures. An `invalidate` that throws or dies is
 * logged and otherwise ignored: the refusal that caused the call decides.
 */
export const guarded = <R>(
  provider: HeadersProviderShape<R>,
  services: Context.Context<R>
): HeadersProviderShape => {
  const invalidate = invalidateOf(provider)
  const getHeaders: HeadersProviderShape["getHeaders"] = (tableName) =>
    effectOf(() => provider.getHeaders(tableName), services, Effect.fail(notAnEffect)).pipe(
      Effect.map(copyOf),
      Effect.catchCause((cause) => Effect.fail(failureOf(cause)))
    )
  const federated = isFederated(provider) ? { federated: true } : {}
  if (invalidate === undefined) return { getHeaders, ...federated }
  return {
    getHeaders,
    ...federated,
    invalidate: (tableName, rejected) =>
      effectOf(
        () => invalidate.call(provider, tableName, rejected),
        services,
        Effect.die(new TypeError("not an effect"))
      ).pipe(
        Effect.catchCause((cause) =>
          Effect.logWarning(
            "The headers provider could not invalidate credentials that were refused",
            {
              cause: kindOf(cause)
            }
          )
        )
      )
  }
}

/** The provider's `invalidate`; `undefined` when reading it throws. */
const invalidateOf = <R>(
  provider: HeadersProviderShape<R>
): HeadersProviderShape<R>["invalidate"] => {
  try {
    return provider.invalidate
  } catch {
    return undefined
  }
}

/** Whether the provider is marked as federated; false when reading that throws. */
const isFederated = <R>(provider: HeadersProviderShape<R>): boolean => {
  try {
    return provider.federated === true
  } catch {
    return false
  }
}

/**
 * Runs the user's function. A value that is not an effect would end the fiber that runs it, and its
 * waiters would not notice.
 */
const effectOf = <A, E, R>(
  give: () => Effect.Effect<A, E, R>,
  services: Context.Context<R>,
  otherwise: Effect.Effect<never, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const given: unknown = give()
    return Effect.isEffect(given)
      ? apart(Effect.provideContext(given as Effect.Effect<A, E, R>, services))
      : otherwise
  })

/** Converts what a provider ended with to a failure of the stream. */
const failureOf = ({ reasons }: Cause.Cause<StreamFailure>): StreamFailure => {
  const reason = reasons.find(Cause.isFailReason) ?? reasons.find(Cause.isDieReason)
  return toStreamFailure(
    reason === undefined
      ? "it was interrupted"
      : Cause.isFailReason(reason)
        ? reason.error
        : reason.defect
  )
}

/** Removes the credentials of the previous session, which a text of the program may contain. */
export const withoutCredentials = (
  failure: StreamFailure,
  headers: HeaderRecord
): StreamFailure => {
  const secrets = secretsIn(headers)
  if (failure._tag !== "Retryable" || !holdsSecret(failure.reason.message, secrets)) return failure
  const message = scrub(failure.reason.message, secrets)
  return new Retryable({ reason: { ...failure.reason, message }, attempts: failure.attempts })
}

/**
 * Copies the user's object once, where its bugs are caught: it may be a proxy, or have getters that
 * throw.
 */
const copyOf = (given: HeaderRecord): HeaderRecord =>
  typeof given === "object" && given !== null ? Object.fromEntries(Object.entries(given)) : given

/**
 * Quotes a header name for a message. A program that swaps name and value has a token as the name.
 */
const quoted = (name: string): string =>
  /^[a-z][a-z0-9-]{0,31}$/.test(name) ? JSON.stringify(name) : "(not a plain name)"

/** The kind of a bug, without its text, which may quote a token. */
const kindOf = (cause: Cause.Cause<unknown>): string => {
  const reason = cause.reasons[0]
  if (reason === undefined || Cause.isInterruptReason(reason)) return "interrupted"
  return thrownKind(Cause.isDieReason(reason) ? reason.defect : reason.error)
}

/**
 * The headers of one session to `tableName`: names in lower case, a bare token prefixed with
 * `Bearer`, the table's own name.
 */
export const sessionHeaders = (
  given: HeaderRecord,
  tableName: string
): Result.Result<HeaderRecord, InvalidArgument | InvalidToken> => {
  const headers: Record<string, string> = {}
  if (typeof given !== "object" || given === null) {
    const message = "The headers provider must return an object of header names and values."
    return Result.fail(new InvalidArgument({ message, path: ["headersProvider"] }))
  }
  for (const [key, value] of Object.entries(given)) {
    const name = key.toLowerCase()
    const isToken = name === "authorization"
    if (typeof value !== "string" || !headerValue.test(value) || value.length > MAX_TOKEN_LENGTH) {
      return Result.fail(
        isToken
          ? new InvalidToken({
              message: "The token is not a legal header value: printable ASCII, at most 16 KiB."
            })
          : new InvalidArgument({
              message: `The value of header ${quoted(name)} must be printable ASCII.`,
              path: ["headersProvider"]
            })
      )
    }
    if (!headerName.test(name)) {
      return Result.fail(
        new InvalidArgument({
          message:
            `${quoted(name)} is not a legal header name: letters, digits, "-", "_" and ` +
            `"." only.`,
          path: ["headersProvider"]
        })
      )
    }
    if (ofTransport.test(name)) {
      const message =
        `The header ${quoted(name)} is set by the transport. ` +
        "Remove it from the headers provider."
      return Result.fail(new InvalidArgument({ message, path: ["headersProvider"] }))
    }
    if (!isToken) headers[name] = value
    else if (value.trim() !== "")
      headers[name] = scheme.test(value.trim()) ? value.trim() : `Bearer ${value.trim()}`
  }
  headers[TABLE_HEADER] = tableName
  return Result.succeed(headers)
}

/**
 * The secret parts of a session's headers: every value but the table's name; of a token, the part
 * after its scheme.
 */
export const secretsIn = (headers: HeaderRecord): ReadonlyArray<string> =>
  Object.entries(headers)
    .filter(([name]) => name !== TABLE_HEADER)
    .map(([name, value]) =>
      name === "authorization" ? value.replace(/^\S+\s+/, "") : value.trim()
    )
