/**
 * The message of a connect timeout names the stage in which the attempt hung. Each stage is a real
 * socket that stops at that point.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { HeadersProvider, Zerobus, type ZerobusOptions } from "effect-zerobus"
import * as Dns from "node:dns"
import * as Net from "node:net"
import { Worker } from "node:worker_threads"
import { RouteCredentials } from "../../../src/internal/grpc/grpcChannel.ts"
import { parseEndpoint } from "../../../src/internal/net/endpoint.ts"
import { routeTo } from "../../../src/internal/net/route.ts"
import * as A from "../../support/acceptance.ts"
import { realOptions } from "../../support/realClient.ts"
import { scriptedGrpc } from "../../support/scriptedGrpc.ts"
import { ScriptedServer } from "../../support/scriptedServer.ts"
import { tokenServer } from "../../support/tokenServer.ts"

/**
 * A way to hang: the client's settings, what it waits for, and how many attempts have reached that
 * stage.
 */
interface Hanging {
  readonly endpoint: string
  readonly options?: Partial<ZerobusOptions>
  readonly waitingFor: string
  readonly arrived: () => number
}

/** Listens on loopback. Data of a connection goes to `receive`, which may respond. */
const listener = (receive: (socket: Net.Socket, bytes: Buffer) => void) =>
  Effect.gen(function* () {
    const sockets = new Set<Net.Socket>()
    const server = Net.createServer((socket) => {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("data", (bytes: Buffer) => receive(socket, bytes))
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          server.close()
        })
    )
    return (server.address() as Net.AddressInfo).port
  })

/** A server that reads everything and sends nothing. */
const silentServer = Effect.gen(function* () {
  const heard = new Set<Net.Socket>()
  return { port: yield* listener((socket) => void heard.add(socket)), heard }
})

/** A port with a full connection queue: its thread accepts no connection. */
const fullPort = Effect.gen(function* () {
  const released = new Int32Array(new SharedArrayBuffer(4))
  const code = `
    const { parentPort, workerData } = require("node:worker_threads")
    const server = require("node:net").createServer()
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
      parentPort.postMessage(server.address().port)
      Atomics.wait(workerData, 0, 0)
      process.exit()
    })`
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() => new Worker(code, { eval: true, workerData: released })),
    (worker) =>
      Effect.promise(() => {
        Atomics.store(released, 0, 1)
        Atomics.notify(released, 0)
        return worker.terminate()
      })
  )
  const port = yield* Effect.promise(
    () => new Promise<number>((resolve) => worker.once("message", resolve))
  )
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      Array.from({ length: 16 }, () => Net.connect(port, "127.0.0.1").on("error", () => {}))
    ),
    (sockets) => Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
  )
  return port
})

const proxied = (port: number, scheme = "http") => ({
  proxy: Redacted.make(`${scheme}://127.0.0.1:${port}`)
})

const stages: Readonly<Record<string, Effect.Effect<Hanging, never, Scope.Scope>>> = {
  "the headers provider": Effect.sync(() => {
    let asked = 0
    const getHeaders = Effect.suspend(() => (asked++, Effect.never))
    const headersProvider = HeadersProvider.make({ getHeaders })
    return {
      endpoint: "http://127.0.0.1:1",
      options: { stream: { headersProvider } },
      waitingFor: "the headers provider",
      arrived: () => asked
    }
  }),
  "the token endpoint": Effect.map(tokenServer("hang"), ({ requests, url }) => ({
    endpoint: "http://127.0.0.1:1",
    options: {
      workspaceUrl: url,
      clientId: "client",
      clientSecret: Redacted.make("secret"),
      stream: { headersProvider: undefined }
    },
    waitingFor: `the token endpoint at ${url}`,
    // One request serves all streams that need the token of a table.
    arrived: () => requests.length * 2
  })),
  "name resolution": Effect.gen(function* () {
    const { lookup } = Dns.promises
    let asked = 0
    const hang = () => {
      asked++
      return new Promise(() => {})
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => Object.assign(Dns.promises, { lookup: hang })),
      () => Effect.sync(() => Object.assign(Dns.promises, { lookup }))
    )
    return {
      endpoint: "https://zerobus.example",
      waitingFor: "the address of zerobus.example (name resolution)",
      arrived: () => asked * 2
    }
  }),
  "TCP": Effect.map(fullPort, (port) => ({
    endpoint: `http://127.0.0.1:${port}`,
    waitingFor: `a TCP connection to 127.0.0.1:${port}`,
    arrived: () => 2
  })),
  "TCP to the proxy": Effect.map(fullPort, (port) => ({
    endpoint: "https://zerobus.example",
    options: proxied(port),
    waitingFor: `a TCP connection to the proxy 127.0.0.1:${port} (set by the option proxy)`,
    arrived: () => 2
  })),
  "TLS": Effect.map(silentServer, ({ heard, port }) => ({
    endpoint: `https://127.0.0.1:${port}`,
    waitingFor: `the TLS handshake with 127.0.0.1:${port}`,
    arrived: () => heard.size
  })),
  "TLS with the proxy": Effect.map(silentServer, ({ heard, port }) => ({
    endpoint: "https://zerobus.example",
    options: proxied(port, "https"),
    waitingFor: `the TLS handshake with the proxy 127.0.0.1:${port} (set by the option proxy)`,
    arrived: () => heard.size
  })),
  "CONNECT": Effect.map(silentServer, ({ heard, port }) => ({
    endpoint: "https://zerobus.example",
    options: proxied(port),
    waitingFor: `the proxy 127.0.0.1:${port} (set by the option proxy) to open a tunnel (CONNECT)`,
    arrived: () => heard.size
  })),
  "TLS through the proxy": Effect.gen(function* () {
    const asked = new Set<Net.Socket>()
    const heard = new Set<Net.Socket>()
    const port = yield* listener((socket) => {
      if (asked.has(socket)) return void heard.add(socket)
      asked.add(socket)
      socket.write("HTTP/1.1 200 OK\r\n\r\n")
    })
    return {
      endpoint: "https://zerobus.example:8443",
      options: proxied(port),
      waitingFor: "the TLS handshake with zerobus.example:8443",
      arrived: () => heard.size
    }
  }),
  "HTTP/2": Effect.map(silentServer, ({ heard, port }) => ({
    endpoint: `http://127.0.0.1:${port}`,
    waitingFor: "the server's HTTP/2 settings",
    arrived: () => heard.size
  })),
  "the answer": Effect.gen(function* () {
    const server = new ScriptedServer([{ onCreate: () => {} }])
    const { port } = yield* scriptedGrpc(server)
    return {
      endpoint: `http://127.0.0.1:${port}`,
      waitingFor: "the server's answer to the create request",
      arrived: () => server.connections.filter(({ create }) => create !== undefined).length
    }
  })
}

describe("an attempt that takes too long", () => {
  for (const connectionPerStream of [true, false]) {
    for (const [stage, hanging] of Object.entries(stages)) {
      it.effect(
        `${connectionPerStream ? "on its own connection" : "on a shared one"} names ${stage}`,
        () =>
          Effect.gen(function* () {
            const { arrived, endpoint, options, waitingFor } = yield* hanging
            const given = realOptions(endpoint, { ...options, connectionPerStream })
            const zerobus = Context.get(yield* Layer.build(Zerobus.layer(given)), Zerobus)
            const streams = yield* Effect.all(
              [1, 2].map(() => A.started(zerobus.createStream(A.table)))
            )
            // On a shared connection the create requests arrive on one of two streams each; lower
            // stages are reached once.
            const due =
              connectionPerStream || stage === "the answer" || stage === "the headers provider"
                ? 2
                : 1
            yield* A.until("all attempts have come that far", () => arrived() >= due)
            yield* A.advance(15_000)
            for (const stream of streams) {
              const { message, reason } = A.tagged(stream.error(), "Retryable")
              assert.strictEqual(reason._tag, "ConnectTimeout")
              const took = "Opening the stream took longer than 15000 ms (recoveryTimeout)"
              assert.strictEqual(message, `${took}, waiting for ${waitingFor}.`)
            }
          })
      )
    }
  }
})

describe("several attempts at once", () => {
  it.live("wait for what the one waits for that came furthest and has not ended", () =>
    Effect.gen(function* () {
      const { heard, port } = yield* silentServer
      const endpoint = yield* Effect.fromResult(
        parseEndpoint(`https://127.0.0.1:${port}`, "The endpoint")
      )
      const credentials = new RouteCredentials(yield* routeTo(endpoint, { proxy: false }, "h2"))
      const [first, second] = [
        credentials._createSecureConnector(),
        credentials._createSecureConnector()
      ]
      assert.strictEqual(credentials.waitingFor(), "the address of 127.0.0.1 (name resolution)")
      yield* Effect.promise(() => first.waitForReady())
      const socket = Net.connect(port, "127.0.0.1")
      const connecting = first.connect(socket)
      connecting.catch(() => {})
      yield* Effect.promise(() => second.waitForReady())
      yield* A.until("the handshake has begun", () => heard.size === 1)
      assert.strictEqual(credentials.waitingFor(), `the TLS handshake with 127.0.0.1:${port}`)
      socket.destroy()
      yield* Effect.promise(() => connecting.catch(() => {}))
      assert.strictEqual(credentials.waitingFor(), `a TCP connection to 127.0.0.1:${port}`)
      second.destroy()
      assert.strictEqual(credentials.waitingFor(), "the address of 127.0.0.1 (name resolution)")
    })
  )
})
