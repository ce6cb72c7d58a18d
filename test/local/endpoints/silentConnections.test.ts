/** Connections to the gRPC endpoint whose other end disappeared without closing them. */
import { assert, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import { serveGrpc } from "../../../src/local/endpoints/grpcService.ts"
import { makeServerCounters } from "../../../src/local/endpoints/serverCounters.ts"
import { makeMemoryTableStore } from "../../../src/local/store/memoryTableStore.ts"
import { defaultLimits, makeStreamHub } from "../../../src/local/stream/streamHost.ts"
import { makeTimers } from "../../../src/local/timers.ts"

const server = (keepalive: { readonly time: number; readonly timeout: number }) =>
  Effect.gen(function* () {
    const streams = makeStreamHub({
      store: yield* makeMemoryTableStore,
      timers: makeTimers(yield* Clock.Clock),
      limits: defaultLimits,
      observe: () => makeServerCounters().observer,
      auditBytes: 0
    })
    return yield* serveGrpc({
      host: "127.0.0.1",
      port: 0,
      streams,
      auth: undefined,
      keepalive,
      connectionFaults: () => []
    })
  })

const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
])

/**
 * Connects, sends these bytes, reads without ever replying, and resolves when the server closes the
 * connection.
 */
const silent = (port: number, bytes: Uint8Array) =>
  Effect.callback<void>((resume) => {
    const socket = Net.connect(port, "127.0.0.1", () => socket.write(bytes))
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.void))
    socket.resume()
    return Effect.sync(() => socket.destroy())
  })

it.live("connections that never speak, and those that fall silent, are closed", () =>
  Effect.gen(function* () {
    const { port } = yield* server({ time: 50, timeout: 50 })
    yield* silent(port, Buffer.alloc(0))
    yield* silent(port, preface)
  })
)

it.live("connections that answer pings stay open", () =>
  Effect.gen(function* () {
    const { port } = yield* server({ time: 20, timeout: 20_000 })
    const client = Http2.connect(`http://127.0.0.1:${port}`)
    yield* Effect.callback<void>((resume) => {
      let pings = 0
      client.on("ping", () => void (++pings === 5 && resume(Effect.void)))
    })
    assert.isFalse(client.closed || client.destroyed)
    client.destroy()
  })
)
