/**
 * The OAuth grants by which a token is requested: a service principal's secret, or the token of
 * another identity provider (RFC 8693).
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { toStreamFailure } from "../../HeadersProvider.ts"
import type { FederatedCredentials } from "../../ZerobusOptions.ts"
import { InvalidToken, Retryable, RetryableReason, type StreamFailure } from "../../ZerobusError.ts"
import { apart } from "../userCode/apart.ts"
import { readSubjectToken } from "./subjectTokenFile.ts"

/** The credentials of a request to the token endpoint. */
export interface Grant {
  readonly form: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  /** Removed from messages. */
  readonly secrets: ReadonlyArray<string>
  /** What to check when the endpoint refuses it. */
  readonly advice: string
  /** The longest life of the granted token, in milliseconds; `undefined` for no bound. */
  readonly lifeMillis: number | undefined
}

/** The grant of a service principal with a secret. */
export const clientGrant = (
  clientId: string,
  clientSecret: Redacted.Redacted<string>
): Effect.Effect<Grant, StreamFailure> =>
  Effect.sync(() => {
    const secret = Redacted.value(clientSecret)
    const basic = Buffer.from(`${clientId}:${secret}`, "utf8").toString("base64")
    return {
      form: { grant_type: "client_credentials" },
      headers: { authorization: `Basic ${basic}` },
      secrets: [secret, basic],
      advice: "Check the client id, the secret and the principal's privileges.",
      lifeMillis: undefined
    }
  })

/** How long a supplier of subject tokens may take, in milliseconds. */
const supplierLimit = 30_000
const longestToken = 16 * 1024

const unavailable = (message: string) =>
  new Retryable({ reason: RetryableReason.TokenServiceUnavailable({ message }), attempts: 1 })

/**
 * The grant of token exchange. The subject token is read again each time. Without one, the failure
 * is that of its supplier.
 */
export const exchangeGrant = ({
  clientId,
  subjectToken,
  subjectTokenFile
}: FederatedCredentials): Effect.Effect<Grant, StreamFailure> =>
  Effect.gen(function* () {
    const given = yield* subjectTokenFile === undefined
      ? supplied(subjectToken!)
      : readSubjectToken(subjectTokenFile)
    const token = yield* textOf(given)
    const lifeMillis = lifeLeft(token, yield* Clock.currentTimeMillis)
    // An endpoint would refuse the expired token permanently, while the next attempt may read its
    // successor.
    if (lifeMillis === 0) {
      return yield* unavailable(
        "The subject token is past its end (exp). Supply a valid one, and check this " +
          "machine's clock."
      )
    }
    return {
      form: {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token: token,
        subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
        ...(clientId === undefined ? {} : { client_id: clientId })
      },
      headers: {},
      secrets: [token, encodeURIComponent(token)],
      advice:
        "Check the federation policy: issuer, audience and subject of the token, and the " +
        "principal's privileges.",
      lifeMillis
    }
  })

/**
 * Runs the supplier, which is user code. Its failures and defects become failures of the stream.
 */
const supplied = (
  subjectToken: Effect.Effect<Redacted.Redacted<string>, unknown>
): Effect.Effect<unknown, StreamFailure> =>
  apart(subjectToken).pipe(
    Effect.mapError((error) => toStreamFailure(error, "supplier of the subject token")),
    Effect.catchDefect((defect) =>
      Effect.fail(toStreamFailure(defect, "supplier of the subject token"))
    ),
    Effect.timeoutOrElse({
      duration: supplierLimit,
      orElse: () =>
        Effect.fail(
          unavailable(`The supplier of the subject token took longer than ${supplierLimit} ms.`)
        )
    })
  )

const textOf = (given: unknown): Effect.Effect<string, InvalidToken> => {
  const refuse = (what: string) =>
    Effect.fail(new InvalidToken({ message: `The subject token ${what}.` }))
  if (!Redacted.isRedacted(given))
    return refuse("must be a text that is wrapped with Redacted.make")
  const text: unknown = Redacted.value(given)
  if (typeof text !== "string") return refuse("must be a text that is wrapped with Redacted.make")
  // Files end with a line feed.
  const token = text.trim()
  if (token === "") return refuse("is empty")
  return /^[\x21-\x7e]+$/.test(token) && token.length <= longestToken
    ? Effect.succeed(token)
    : refuse(`must be printable ASCII without blanks, at most ${longestToken} characters`)
}

/**
 * The remaining life of a JWT by its claim `exp`. The claim is not verified here: the token
 * endpoint does that. `undefined` for a token without that claim, and for one that is not a JWT.
 */
export const lifeLeft = (token: string, now: number): number | undefined => {
  const payload = token.split(".")[1]
  if (payload === undefined) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"))
    const exp = (claims as { readonly exp?: unknown } | null)?.exp
    return typeof exp === "number" && exp >= 0 ? Math.max(0, exp * 1000 - now) : undefined
  } catch {
    return undefined
  }
}
