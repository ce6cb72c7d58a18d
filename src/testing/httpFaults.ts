/**
 * Faults of the token endpoint and the catalog, for `ZerobusLocal.injectHttp`. They strike the next
 * requests in the order in which they were injected. Part of `Faults`.
 */
import * as Duration from "effect/Duration"
import type { HttpFault, HttpPart } from "../local/faults/httpScript.ts"

export type { HttpFault, HttpPart } from "../local/faults/httpScript.ts"

/**
 * The next requests to the token endpoint or the catalog get this status. `body` is the text of the
 * answer, an empty JSON object by default.
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
 * The next requests to the token endpoint or the catalog are answered later.
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
 * The next requests to the token endpoint or the catalog are never answered.
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
 * The next requests to the token endpoint or the catalog are answered well, so that the faults
 * injected after this one strike later.
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
 * The next tokens are good for so long, instead of the server's `tokenLife`.
 *
 * @since 0.1.0
 * @category HTTP faults
 */
export const tokenLife = (duration: Duration.Input, times?: number): HttpFault => ({
  at: "token",
  times,
  action: { _tag: "TokenLife", millis: Duration.toMillis(Duration.fromInputUnsafe(duration)) }
})
