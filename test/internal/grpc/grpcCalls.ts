/**
 * Calls over the real transport to servers that end them badly, and how grpc-js and the transport
 * report the end.
 */
import * as Grpc from "@grpc/grpc-js"
import { Context, Effect, Layer, Queue, Redacted, References } from "effect"
import {
  GrpcTransport,
  Transport,
  type TransportFailure,
  type ZerobusOptions
} from "effect-zerobus"
import { createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { createServer as createTlsServer } from "node:tls"
import type { ServerCertificates } from "../../../src/local/endpoints/certificates.ts"
import { type RawFault, startRawServer } from "../../faults/rawHttp2Server.ts"

/** A call in grpc-js. */
export type Call = Grpc.ClientDuplexStream<Buffer, Buffer>

/** How a call ended: grpc-js's text, and the transport's failure. */
export interface Ended {
  readonly details: string
  readonly failure: TransportFailure
}

/** Contained in the headers and the request of every call. It must not appear in any text. */
export const CANARY = "canary-5f1c"

interface CallOptions extends Partial<ZerobusOptions> {
  readonly headers?: Readonly<Record<string, string>>
  /** Called with the call when a response has arrived. */
  readonly onResponse?: (call: Call) => void
}

/** Makes one call with one request; it must end with a failure. */
export const endOfCall = (
  serverEndpoint: string,
  { headers, onResponse, ...options }: CallOptions = {}
): Effect.Effect<Ended> =>
  Effect.gen(function* () {
    let details: string | undefined
    let made: Call | undefined
    const { makeBidiStreamRequest } = Grpc.Client.prototype
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        Grpc.Client.prototype.makeBidiStreamRequest = function (
          this: Grpc.Client,
          ...given: Array<unknown>
        ) {
          const call: Call = Reflect.apply(makeBidiStreamRequest, this, given)
          made = call.once("status", (status) => (details = status.details))
          return call
        } as typeof makeBidiStreamRequest
      }),
      () =>
        Effect.sync(() => {
          Grpc.Client.prototype.makeBidiStreamRequest = makeBidiStreamRequest
        })
    )
    const layer = GrpcTransport.layer({ serverEndpoint, proxy: false, ...options })
    const { open } = Context.get(yield* Layer.build(layer), Transport)
    const call = yield* open({ authorization: `Bearer ${CANARY}`, ...headers })
    call.sendUnsafe(Buffer.from(CANARY))
    const failure = yield* Queue.take(call.responses).pipe(
      Effect.tap(() => Effect.sync(() => onResponse?.(made!))),
      Effect.forever,
      Effect.flip
    )
    if (failure._tag === "Done" || details === undefined)
      return yield* Effect.die("the call ended with OK")
    return { details, failure }
  }).pipe(Effect.scoped, Effect.orDie, Effect.provideService(References.MinimumLogLevel, "None"))

/** Runs `act` once, when the `at`-th message has arrived; -1 is the request's headers. */
export const once =
  (at: number, act: (connection: Parameters<RawFault>[0]) => void): RawFault =>
  (connection, message) => {
    if (message !== at) return false
    act(connection)
    return true
  }

/** A call to a server that speaks HTTP/2 up to a fault. */
export const faulty = (
  fault: RawFault,
  options?: CallOptions,
  onPing?: Parameters<typeof startRawServer>[1]
): Effect.Effect<Ended> =>
  Effect.acquireUseRelease(
    Effect.promise(() => startRawServer(() => fault, onPing)),
    ({ port }) => endOfCall(`http://127.0.0.1:${port}`, options),
    ({ close }) => Effect.promise(close)
  )

/** A call to a listener that runs this for each connection. It uses TLS if it has certificates. */
export const listening = (
  scheme: "http" | "https",
  greet: (socket: Socket) => void,
  certificates?: ServerCertificates,
  options?: CallOptions
): Effect.Effect<Ended> =>
  Effect.acquireUseRelease(
    Effect.callback<{ readonly server: Server; readonly sockets: Set<Socket> }>((resume) => {
      const sockets = new Set<Socket>()
      const server =
        certificates === undefined
          ? createServer(greet)
          : createTlsServer(
              {
                cert: certificates.cert,
                key: Redacted.value(certificates.key),
                ALPNProtocols: ["h2"]
              },
              greet
            )
      server.on("tlsClientError", () => {})
      server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => {})))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, sockets })))
    }),
    ({ server }) =>
      endOfCall(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`, options),
    ({ server, sockets }) =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
  )
