/**
 * A token endpoint and a tables API on a free port, scripted by the test. It records all requests.
 */
import { Effect } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** The answer to a request. */
export interface Answer {
  readonly status: number
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A running server. `tables` maps the path after `/tables/` to an answer. */
export interface CatalogServer {
  readonly url: string
  readonly requests: ReadonlyArray<{
    readonly method: string
    readonly url: string
    readonly authorization: string
    readonly body: string
  }>
  token: Answer
  readonly tables: Map<string, Answer | "never">
}

const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = ""
  for await (const chunk of request) text += String(chunk)
  return text
}

/** Starts a server for the scope of the test. */
export const catalogServer = Effect.acquireRelease(
  Effect.callback<{ readonly server: CatalogServer; readonly stop: () => void }>((resume) => {
    const requests: Array<CatalogServer["requests"][number]> = []
    const state = {
      url: "",
      requests,
      token: {
        status: 200,
        body: JSON.stringify({ access_token: "plain-token", expires_in: 3600 })
      } as Answer,
      tables: new Map<string, Answer | "never">()
    }
    const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const body = await textOf(request)
      const url = request.url ?? ""
      requests.push({
        method: request.method ?? "",
        url,
        authorization: request.headers.authorization ?? "",
        body
      })
      const path = /^\/api\/2\.1\/unity-catalog\/tables\/([^/?]+)$/.exec(url)?.[1]
      const answer =
        url === "/oidc/v1/token"
          ? state.token
          : path === undefined
            ? undefined
            : state.tables.get(path)
      if (answer === "never") return
      response.writeHead(
        answer?.status ?? 404,
        answer?.headers ?? { "content-type": "application/json" }
      )
      response.end(
        answer?.body ??
          JSON.stringify({ error_code: "TABLE_DOES_NOT_EXIST", message: "no such table" })
      )
    }
    const http = createServer((request, response) => void handle(request, response))
    http.listen(0, "127.0.0.1", () => {
      state.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
      resume(
        Effect.succeed({
          server: state,
          stop: () => {
            http.closeAllConnections()
            http.close()
          }
        })
      )
    })
  }),
  ({ stop }) => Effect.sync(stop)
).pipe(Effect.map(({ server }) => server))
