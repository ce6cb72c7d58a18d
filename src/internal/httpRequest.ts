/**
 * One HTTP request to the workspace: token or catalog. No redirect is followed, the body is bounded, and the TLS settings are the
 * client's own, the same as for gRPC.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { IncomingMessage } from "node:http"
import { request as plainRequest } from "node:http"
import { request as secureRequest } from "node:https"
import type { SecureContext } from "node:tls"
import { scrub } from "./scrub.ts"

/** The request failed before there was an answer, or its answer is larger than allowed. */
export class HttpFailure extends Data.TaggedError("HttpFailure")<{
  readonly message: string
  /** Node's code, such as `ECONNREFUSED`. */
  readonly code: string
  /** True for a certificate or handshake problem, which trying again does not cure. */
  readonly tls: boolean
}> {}

/** An answer with its whole body as text. */
export interface HttpAnswer {
  readonly status: number
  readonly body: string
  /** The `retry-after` header in milliseconds, when it is a number of seconds. */
  readonly retryAfterMillis: number | undefined
}

/** Sends one request; interruption aborts it. `limit` bounds the answer's body in bytes. */
export const httpRequest = (options: {
  readonly method: "GET" | "POST" | "DELETE"
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly limit: number
  readonly secureContext: SecureContext | undefined
}): Effect.Effect<HttpAnswer, HttpFailure> =>
  Effect.callback((resume) => {
    const secure = options.url.startsWith("https:")
    const fail = (error: NodeJS.ErrnoException) => {
      const code = error.code ?? "ERROR"
      const message = scrub(error.message === "" ? code : error.message)
      resume(Effect.fail(new HttpFailure({ message, code, tls: /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO)/.test(code) })))
    }
    const receive = (response: IncomingMessage) => {
      const chunks: Array<Buffer> = []
      let size = 0
      response.on("data", (chunk: Buffer) => {
        size += chunk.length
        if (size > options.limit) {
          const error: NodeJS.ErrnoException = new Error(`the answer is larger than ${options.limit} bytes`)
          error.code = "ANSWER_TOO_LARGE"
          request.destroy(error)
          fail(error)
        } else chunks.push(chunk)
      })
      response.on("error", fail)
      response.on("end", () => {
        const seconds = Number(response.headers["retry-after"])
        resume(Effect.succeed({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString("utf8"),
          retryAfterMillis: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined
        }))
      })
    }
    const settings = {
      method: options.method,
      headers: { ...options.headers, ...(options.body === undefined ? {} : { "content-length": String(Buffer.byteLength(options.body)) }) },
      // A connection per request: they are rare, and nothing is left behind when the stream ends.
      agent: false as const
    }
    const request = secure
      ? secureRequest(options.url, { ...settings, ...(options.secureContext === undefined ? {} : { secureContext: options.secureContext }) }, receive)
      : plainRequest(options.url, settings, receive)
    request.on("error", fail)
    request.end(options.body)
    return Effect.sync(() => {
      request.destroy()
    })
  })
