/**
 * Serves an `effect/http` handler on a Node HTTP server with tight limits, as a scoped resource.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { PortUnavailable } from "../local/listener.ts"

/** Serves until the scope closes; returns the port. Fails with `PortUnavailable`. */
export const serveHttp = Effect.fnUntraced(function* (options: {
  readonly host: string
  readonly port: number
  readonly app: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest>
}): Effect.fn.Return<{ readonly port: number }, PortUnavailable, Scope.Scope> {
  const { app, host, port } = options
  const node = createServer({
    maxHeaderSize: 16 * 1024,
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    keepAliveTimeout: 5_000
  })
  node.maxConnections = 512
  const server = yield* NodeHttpServer.make(() => node, { host, port, gracefulShutdownTimeout: "1 second" }).pipe(
    Effect.mapError(({ cause }) => {
      const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "unknown"
      return new PortUnavailable({ host, port, code })
    })
  )
  // Idle connections of clients that keep them alive would hold up the end of the scope.
  yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
  yield* HttpServer.serveEffect(app).pipe(Effect.provideService(HttpServer.HttpServer, server))
  return { port: (node.address() as AddressInfo).port }
})
