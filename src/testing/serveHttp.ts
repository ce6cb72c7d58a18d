/**
 * Serves an `effect/http` handler on a Node HTTP server with tight limits, as a scoped resource.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import type { AddressInfo } from "node:net"
import type { ServerCertificates } from "../local/certificates.ts"
import { PortUnavailable } from "../local/listener.ts"

/** Serves until the scope closes; returns the port. Fails with `PortUnavailable`. */
export const serveHttp = Effect.fnUntraced(function* (options: {
  readonly host: string
  readonly port: number
  /** Key and certificate, both PEM; plaintext when left out. */
  readonly tls?: ServerCertificates | undefined
  readonly app: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest>
}): Effect.fn.Return<{ readonly port: number }, PortUnavailable, Scope.Scope> {
  const { app, host, port, tls } = options
  const limits = { maxHeaderSize: 16 * 1024, headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 5_000 }
  const node: Http.Server =
    tls === undefined
      ? Http.createServer(limits)
      : Https.createServer({ ...limits, key: Redacted.value(tls.key), cert: tls.cert, minVersion: "TLSv1.2" })
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
