/**
 * The connections of a channel: refused TLS handshakes, connections that the client closes while
 * they open, unreachable endpoints.
 */
import * as Grpc from "@grpc/grpc-js"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, Schedule } from "effect"
import { HeadersProvider, Zerobus } from "effect-zerobus"
import { createServer, connect, type AddressInfo, type Socket } from "node:net"
import { createSecureContext, createServer as createTlsServer } from "node:tls"
import { RouteCredentials } from "../../../src/internal/grpc/grpcChannel.ts"
import { makeCertificates } from "../../../src/local/endpoints/certificates.ts"
import * as A from "../../support/acceptance.ts"
import { realClient } from "../../support/realClient.ts"
import { scriptedGrpc } from "../../support/scriptedGrpc.ts"
import { ScriptedServer } from "../../support/scriptedServer.ts"

describe("a refused TLS handshake", () => {
  const good = makeCertificates(["127.0.0.1"], Date.now())
  const other = makeCertificates(["127.0.0.1"], Date.now())
  const listeningWith = (pair: typeof good) =>
    Effect.acquireRelease(
      Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
        const sockets = new Set<Socket>()
        const listener = createTlsServer(
          { cert: pair.cert, key: Redacted.value(pair.key), ALPNProtocols: ["h2"] },
          () => {}
        )
        listener.on("tlsClientError", () => {})
        listener.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => {})))
        listener.listen(0, "127.0.0.1", () =>
          resume(
            Effect.succeed({
              port: (listener.address() as AddressInfo).port,
              close: () => {
                for (const socket of sockets) socket.destroy()
                listener.close()
              }
            })
          )
        )
      }),
      ({ close }) => Effect.sync(close)
    )
  const credentialsFor = (port: number, ca?: string) =>
    new RouteCredentials({
      endpoint: { secure: true, host: "127.0.0.1", port, origin: `https://127.0.0.1:${port}` },
      proxy: undefined,
      security: {
        context: createSecureContext(ca === undefined ? {} : { ca }),
        serverName: undefined
      },
      protocol: "h2"
    })
  const socketTo = (port: number) =>
    Effect.promise(
      () =>
        new Promise<Socket>((resolve) => {
          const socket = connect(port, "127.0.0.1", () => resolve(socket))
          socket.on("error", () => {})
        })
    )

  it.live("reaches the callers that waited for it", () =>
    Effect.gen(function* () {
      const { port } = yield* listeningWith(good)
      const credentials = credentialsFor(port)
      const connector = credentials._createSecureConnector()
      const socket = yield* socketTo(port)
      const attempt = yield* Effect.exit(Effect.tryPromise(() => connector.connect(socket)))
      assert.isTrue(Exit.isFailure(attempt))
      assert.deepInclude(credentials.latestFailure, {
        tls: true,
        code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
      })
    }).pipe(Effect.scoped)
  )

  it.live("is forgotten when a later handshake succeeds", () =>
    Effect.gen(function* () {
      const trusted = yield* listeningWith(good)
      const untrusted = yield* listeningWith(other)
      const credentials = credentialsFor(trusted.port, good.ca)
      const connector = credentials._createSecureConnector()
      const broken = yield* socketTo(untrusted.port)
      assert.isTrue(
        Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => connector.connect(broken))))
      )
      const socket = yield* socketTo(trusted.port)
      const connected = yield* Effect.promise(() => connector.connect(socket))
      assert.isTrue(connected.secure)
      assert.isUndefined(credentials.latestFailure)
      credentials.disconnect()
    }).pipe(Effect.scoped)
  )

  it.live("leaves no failure that a shared connection would report to the next stream", () =>
    Effect.gen(function* () {
      const { close, port } = yield* listeningWith(good)
      // Built in the scope of the test: a client whose layer has ended opens no connection.
      const client = yield* Layer.build(
        Zerobus.layer({
          serverEndpoint: `https://127.0.0.1:${port}`,
          connectionPerStream: false,
          proxy: false,
          stream: {
            headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed({}) }),
            recoverySchedule: Schedule.recurs(0)
          }
        })
      )
      const zerobus = yield* Effect.provide(Zerobus, client)
      assert.strictEqual((yield* Effect.flip(zerobus.createStream(A.table)))._tag, "TlsFailure")
      close()
      const failure = yield* Effect.flip(zerobus.createStream(A.table))
      assert.strictEqual(failure._tag === "Retryable" && failure.reason._tag, "ConnectionLost")
    }).pipe(Effect.scoped)
  )

  it.live("ends all streams that open together over one connection with the same error", () =>
    Effect.gen(function* () {
      const { cert, key } = makeCertificates(["127.0.0.1"], Date.now())
      const { port } = yield* scriptedGrpc(
        new ScriptedServer([A.silent]),
        Grpc.ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(cert), private_key: Buffer.from(Redacted.value(key)) }
        ])
      )
      const zerobus = yield* realClient(`https://127.0.0.1:${port}`, { connectionPerStream: false })
      const errors = yield* Effect.all(
        [1, 2, 3].map(() => Effect.flip(zerobus.createStream(A.table))),
        { concurrency: 3 }
      )
      assert.deepStrictEqual(
        errors.map(({ _tag }) => _tag),
        ["TlsFailure", "TlsFailure", "TlsFailure"]
      )
    })
  )
})

describe("connections", () => {
  it.live("that come about after the client gave them up are given back, not kept", () =>
    Effect.gen(function* () {
      const listener = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const listening = createServer((socket) => socket.on("error", () => {}))
          listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
        }),
        (listening) => Effect.sync(() => listening.close())
      )
      const { port } = listener.address() as AddressInfo
      for (const secure of [false, true]) {
        const endpoint = { secure, host: "127.0.0.1", port, origin: `http://127.0.0.1:${port}` }
        const credentials = new RouteCredentials({
          endpoint,
          proxy: undefined,
          security: { context: createSecureContext(), serverName: undefined },
          protocol: "h2"
        })
        const connector = credentials._createSecureConnector()
        const open = Effect.promise(
          () =>
            new Promise<Socket>((resolve) => {
              const socket = connect(port, "127.0.0.1", () => resolve(socket))
              socket.on("error", () => {})
            })
        )
        const [before, during] = [yield* open, yield* open]
        const underWay = connector.connect(during).then(
          () => "connected",
          () => "refused"
        )
        credentials.abort()
        // A handshake with a silent listener would never end.
        const late = connector.connect(before).then(
          () => "connected",
          () => "refused"
        )
        assert.deepStrictEqual(yield* Effect.promise(() => Promise.all([underWay, late])), [
          "refused",
          "refused"
        ])
        // grpc-js destroys the socket that its connector refused.
        for (const socket of [before, during]) socket.destroy()
      }
    }).pipe(Effect.scoped)
  )

  it.live("are all given up at once, also those that lost the race of several addresses", () =>
    Effect.gen(function* () {
      const listener = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const listening = createServer(() => {})
          listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
        }),
        (listening) => Effect.sync(() => listening.close())
      )
      const { port } = listener.address() as AddressInfo
      const endpoint = {
        secure: false,
        host: "127.0.0.1",
        port,
        origin: `http://127.0.0.1:${port}`
      }
      const credentials = new RouteCredentials({
        endpoint,
        proxy: undefined,
        security: undefined,
        protocol: "h2"
      })
      const connector = credentials._createSecureConnector()
      const open = Effect.promise(
        () =>
          new Promise<Socket>((resolve) => {
            const socket = connect(port, "127.0.0.1", () => resolve(socket))
          })
      )
      const sockets = [yield* open, yield* open]
      for (const socket of sockets) yield* Effect.promise(() => connector.connect(socket))
      credentials.disconnect()
      assert.deepStrictEqual(
        sockets.map((socket) => socket.destroyed),
        [true, true]
      )
    }).pipe(Effect.scoped)
  )
})

describe("an endpoint that cannot be reached", () => {
  it.live(
    "gives an error that says what to do: nothing listens there, or it does not speak TLS",
    () =>
      Effect.gen(function* () {
        const { port } = yield* scriptedGrpc(new ScriptedServer([{}]))
        const opening = (url: string) =>
          Effect.flatMap(realClient(url, { stream: { recovery: false } }), (zerobus) =>
            Effect.flip(zerobus.createStream(A.table))
          )
        const plain = A.tagged(yield* opening(`https://127.0.0.1:${port}`), "TlsFailure")
        assert.match(
          plain.message,
          /wrong version number\. The other side does not speak TLS: .*http:/
        )
        const nobody = A.tagged(yield* opening("http://127.0.0.1:1"), "Retryable")
        assert.match(
          nobody.message,
          /No connection .* could be made: .*ECONNREFUSED.*\. Check the endpoint/
        )
      })
  )
})
