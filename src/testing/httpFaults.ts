/**
 * Faults of the token endpoint and the catalog, for `ZerobusLocal.injectHttp`. They apply to the
 * next requests in the order of their injection. Part of `Faults`.
 */
import * as Duration from "effect/Duration"
import type { HttpFault, HttpPart } from "../local/faults/httpScript.ts"

export type { HttpFault, HttpPart } from "../local/faults/httpScript.ts"

/**
 * Answers the next requests to the token endpoint or the catalog with this status. `body` is the
 * response text, an empty JSON object by default.
 *
 * @since 0.1.0
 * @category HTTP faults
 */
export const httpStatus = (
  at: HttpPart,
  status: number,
  options: {
    readonly body?: string | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
    readonly times?: number | undefined
  } = {}
): HttpFault => ({
  at,
  times: options.times,
  action: { _tag: "Answer", status, body: options.body ?? "{}", headers: options.headers }
})

/**
 * Delays the answers to the next requests to the token endpoint or the catalog.
 *
 * @since 0.1.0
 * @category HTTP faults
 */
export const httpDelay = (at: HttpPart, duration: Duration.Input, times?: number): HttpFault => ({
  at,
  times,
  action: { _tag: "Delay", millis: Duration.toMillis(Duration.fromInputUnsafe(duration)) }
})

/**
 * Never answers the next requests to the token endpoint or the catalog.
 *
 * @since 0.1.0
 * @category HTTP faults
 */
export const httpHang = (at: HttpPart, times?: number): HttpFault => ({
  at,
  times,
  action: { _tag: "Hang" }
})

/**
 * Answers the next requests to the token endpoint or the catalog normally, so that faults injected
 * after this one apply later.
 *
 * @since 0.1.0
 * @category HTTP faults
 */
export const httpOk = (at: HttpPart, times?: number): HttpFault => ({
  at,
  times,
  action: { _tag: "Pass" }
})

/**
 * The next tokens expire after this duration, instead of the server's `tokenLife`.
 *
 * @since 0.1.0
 * @category HTTP faults
 */
export const tokenLife = (duration: Duration.Input, times?: number): HttpFault => ({
  at: "token",
  times,
  action: { _tag: "TokenLife", millis: Duration.toMillis(Duration.fromInputUnsafe(duration)) }
})
