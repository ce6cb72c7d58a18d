/**
 * One HTTP request to the workspace, for tokens or the catalog. Redirects are not followed, the
 * body is bounded, and the connection uses the client's own TLS and proxy settings, the same as for
 * gRPC.
 */
import * as Effect from "effect/Effect"
import { type IncomingMessage, request as httpRequestOf } from "node:http"
import { connect, ConnectFailure, type Route } from "./connector.ts"
import { retryAfterMillis } from "./retryAfter.ts"
import { scrub } from "../scrub.ts"

/** A response with its whole body as text. */
export interface HttpAnswer {
  readonly status: number
  readonly body: string
  /** The `retry-after` header, if it is a number of seconds or a future date. */
  readonly retryAfterMillis: number | undefined
}

/** One request to `path` of the route's endpoint. */
export interface HttpRequest {
  readonly route: Route
  readonly method: "GET" | "POST" | "PATCH" | "DELETE"
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  /** The most bytes of the response body. */
  readonly limit: number
}

/** Sends one request. Interruption aborts it. */
export const httpRequest = (options: HttpRequest): Effect.Effect<HttpAnswer, ConnectFailure> =>
  Effect.callback((resume, signal) => {
    const { body, headers, limit, method, path, route } = options
    const fail = (error: unknown) => {
      if (error instanceof ConnectFailure) return resume(Effect.fail(error))
      const { code = "ERROR", message } = error as NodeJS.ErrnoException
      return resume(
        Effect.fail(
          new ConnectFailure({ message: scrub(message === "" ? code : message), code, tls: false })
        )
      )
    }
    const receive = (response: IncomingMessage) => {
      const chunks: Array<Buffer> = []
      let size = 0
      response.on("data", (chunk: Buffer) => {
        size += chunk.length
        chunks.push(chunk)
        if (size <= limit) return
        const tooLarge = new ConnectFailure({
          message: `the answer is larger than ${limit} bytes`,
          code: "ANSWER_TOO_LARGE",
          tls: false
        })
        response.destroy(tooLarge)
        fail(tooLarge)
      })
      response.on("error", fail)
      response.on("end", () => {
        resume(
          Effect.clockWith((clock) =>
            Effect.succeed({
              status: response.statusCode ?? 0,
              body: Buffer.concat(chunks).toString("utf8"),
              retryAfterMillis: retryAfterMillis(response.headers, clock.currentTimeMillisUnsafe())
            })
          )
        )
      })
    }
    connect(route, signal).then((socket) => {
      if (signal.aborted) return void socket.destroy()
      const request = httpRequestOf(
        {
          method,
          path,
          host: route.endpoint.host,
          port: route.endpoint.port,
          headers: {
            ...headers,
            connection: "close",
            ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) })
          },
          createConnection: () => socket
        },
        receive
      )
      signal.addEventListener("abort", () => request.destroy(), { once: true })
      request.on("error", fail)
      request.end(body)
    }, fail)
  })
