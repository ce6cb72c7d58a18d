/**
 * Serves an `effect/http` handler on a Node HTTP server with tight limits, as a scoped resource.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import type { AddressInfo } from "node:net"
import type { ServerCertificates } from "../local/endpoints/certificates.ts"
import { PortUnavailable } from "../local/endpoints/listener.ts"

/** Time limits of connections, in milliseconds. */
interface Limits {
  /** For all headers of a request, counted from the connection or from the previous answer. */
  readonly headersTimeout: number
  /** For a whole request with its body. */
  readonly requestTimeout: number
  /** Interval for checking these limits. */
  readonly connectionsCheckingInterval: number
}

const usualLimits: Limits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5000
}

/** Serves until the scope closes. Returns the port. Fails with `PortUnavailable`. */
export const serveHttp = Effect.fnUntraced(function* (options: {
  readonly host: string
  readonly port: number
  /** Key and certificate, both PEM. Default: plaintext. */
  readonly tls?: ServerCertificates | undefined
  readonly limits?: Limits | undefined
  readonly app: Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    never,
    HttpServerRequest.HttpServerRequest
  >
}): Effect.fn.Return<{ readonly port: number }, PortUnavailable, Scope.Scope> {
  const { app, host, port, tls } = options
  const limits = {
    maxHeaderSize: 16 * 1024,
    keepAliveTimeout: 5000,
    ...(options.limits ?? usualLimits)
  }
  const node: Http.Server =
    tls === undefined
      ? Http.createServer(limits)
      : Https.createServer({
          ...limits,
          key: Redacted.value(tls.key),
          cert: tls.cert,
          minVersion: "TLSv1.2"
        })
  node.maxConnections = 512
  const server = yield* NodeHttpServer.make(() => node, {
    host,
    port,
    disablePreemptiveShutdown: true
  }).pipe(
    Effect.mapError(({ cause }) => {
      const code =
        typeof cause === "object" && cause !== null && "code" in cause
          ? String(cause.code)
          : "unknown"
      return new PortUnavailable({ host, port, code })
    })
  )
  // Keep-alive connections would delay the end of the scope.
  yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
  const closing = Deferred.makeUnsafe<HttpServerResponse.HttpServerResponse>()
  let running = 0
  const answered = Effect.raceFirst(app, Deferred.await(closing)).pipe(
    Effect.onExit(() => Effect.sync(() => running--))
  )
  yield* HttpServer.serveEffect(
    Effect.suspend(() => {
      running++
      return answered
    })
  ).pipe(Effect.provideService(HttpServer.HttpServer, server))
  // Runs first when the scope closes: requests in progress are answered with 503, even those that
  // would never have been answered.
  yield* Effect.addFinalizer(() =>
    Deferred.succeed(
      closing,
      HttpServerResponse.empty({ status: 503, headers: { connection: "close" } })
    ).pipe(
      Effect.andThen(Effect.yieldNow),
      Effect.repeat({ until: () => running === 0, times: 100 })
    )
  )
  return { port: (node.address() as AddressInfo).port }
})
