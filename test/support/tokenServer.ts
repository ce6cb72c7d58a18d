/**
 * A scripted token endpoint on loopback that records its requests.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import type { AddressInfo } from "node:net"

/** One answer: status and body, or `"hang"` for none. A string body is sent unchanged. */
export type TokenAnswer =
  | {
      readonly status?: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body: unknown
    }
  | "hang"

/** The content of a request. */
export interface TokenRequest {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: Http.IncomingHttpHeaders
  readonly form: URLSearchParams
}

export interface TokenServer {
  readonly url: string
  readonly requests: Array<TokenRequest>
  /** Answers by request number. The last one is repeated. */
  answers: ReadonlyArray<TokenAnswer>
  /** Completes when a client has closed the connection of an unanswered request. */
  readonly abandoned: Effect.Effect<void>
}

/** A token that is valid for an hour, or for `life`. */
export const minted = (
  token: string,
  life: { readonly expires_in?: unknown } = { expires_in: 3600 }
): TokenAnswer => ({
  body: { access_token: token, token_type: "Bearer", ...life }
})

export const tokenServer = (
  ...answers: ReadonlyArray<TokenAnswer>
): Effect.Effect<TokenServer, never, Scope.Scope> => serve(answers, undefined)

/** The same over TLS. */
export const secureTokenServer = (
  tls: { readonly cert: string; readonly key: string },
  ...answers: ReadonlyArray<TokenAnswer>
): Effect.Effect<TokenServer, never, Scope.Scope> => serve(answers, tls)

const serve = (
  answers: ReadonlyArray<TokenAnswer>,
  tls: { readonly cert: string; readonly key: string } | undefined
): Effect.Effect<TokenServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const requests: Array<TokenRequest> = []
    const abandoned = Deferred.makeUnsafe<void>()
    const state = { url: "", requests, answers, abandoned: Deferred.await(abandoned) }
    const handle: Http.RequestListener = (request, response) => {
      let body = ""
      request.setEncoding("utf8")
      request.on("data", (text: string) => (body += text))
      request.on("end", () => {
        const answer = state.answers[Math.min(requests.length, state.answers.length - 1)]
        requests.push({
          method: request.method,
          path: request.url,
          headers: request.headers,
          form: new URLSearchParams(body)
        })
        if (answer === undefined || answer === "hang") {
          request.socket.once("close", () => Deferred.doneUnsafe(abandoned, Exit.void))
          return
        }
        response.writeHead(answer.status ?? 200, {
          "content-type": "application/json",
          ...answer.headers
        })
        response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body))
      })
    }
    const server =
      tls === undefined ? Http.createServer(handle) : Https.createServer({ ...tls }, handle)
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.callback<void>((resume) => {
          server.closeAllConnections()
          server.close(() => resume(Effect.void))
        })
    )
    const { port } = server.address() as AddressInfo
    state.url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`
    return state
  })
