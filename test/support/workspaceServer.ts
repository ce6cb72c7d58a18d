/**
 * A workspace over TLS with its own name, in front of a local server's HTTP port. It passes
 * requests on, or misbehaves.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Http from "node:http"
import * as Https from "node:https"
import type { AddressInfo } from "node:net"

/** Answers a request instead of the server behind it. */
export type Misbehaviour = (request: Http.IncomingMessage, response: Http.ServerResponse) => void

export interface WorkspaceServer {
  readonly port: number
  /** Method and path of each request, in order. */
  readonly requests: Array<string>
  /** The handlers of token requests and table requests. `undefined` passes them on. */
  tokens: Misbehaviour | undefined
  tables: Misbehaviour | undefined
}

const tokenPath = "/oidc/v1/token"

/** Serves on a free loopback port. Requests are passed on to the URL `behind`. */
export const workspaceServer = (
  tls: { readonly cert: string; readonly key: string; readonly ca: string },
  behind: string
): Effect.Effect<WorkspaceServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const state: { -readonly [K in keyof WorkspaceServer]: WorkspaceServer[K] } = {
      port: 0,
      requests: [],
      tokens: undefined,
      tables: undefined
    }
    const passOn: Misbehaviour = (request, response) => {
      const { headers, method, url = "/" } = request
      const onward = Https.request(
        new URL(url, behind),
        { method: method!, headers: { ...headers, host: new URL(behind).host }, ca: tls.ca },
        (answer) => {
          response.writeHead(answer.statusCode!, answer.headers)
          answer.pipe(response)
        }
      )
      onward.on("error", () => response.destroy())
      request.pipe(onward)
    }
    const server = Https.createServer({ cert: tls.cert, key: tls.key }, (request, response) => {
      response.on("error", () => {})
      state.requests.push(`${request.method} ${request.url}`)
      const misbehave = request.url === tokenPath ? state.tokens : state.tables
      ;(misbehave ?? passOn)(request, response)
    })
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
    state.port = (server.address() as AddressInfo).port
    return state
  })

/** A JSON answer. */
export const answer =
  (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Misbehaviour =>
  (request, response) => {
    request.resume()
    response.writeHead(status, { "content-type": "application/json", ...headers })
    response.end(typeof body === "string" ? body : JSON.stringify(body))
  }

/** An endless answer. */
export const endless: Misbehaviour = (request, response) => {
  request.resume()
  const more = () => {
    while (!response.destroyed && response.write("x".repeat(65_536)));
    if (!response.destroyed) response.once("drain", more)
  }
  more()
}
