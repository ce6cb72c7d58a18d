/**
 * What the client retains: memory while the server stalls, and handles and heap over many
 * open/close cycles. `npm run faults:memory`, `npm run faults:churn -- --cycles 10000`
 */
import { Effect, References } from "effect"
import { HeadersProvider, TableProperties, Zerobus, type ZerobusOptions } from "effect-zerobus"
import { parseArgs } from "node:util"
import { startCountingServer } from "./countingServer.ts"
import { startRawServer } from "./rawHttp2Server.ts"

const MIB = 1024 * 1024
const table = TableProperties.proto("main.default.resources", Uint8Array.of(0x0a, 0x01, 0x54))

const client = (port: number, stream: ZerobusOptions["stream"] = {}) =>
  Zerobus.layer({
    serverEndpoint: `http://127.0.0.1:${port}`,
    proxy: false,
    keepalive: "off",
    stream: {
      headersProvider: HeadersProvider.make({
        getHeaders: Effect.succeed({ authorization: "Bearer resources" })
      }),
      ...stream
    }
  })

const collect = () => {
  for (let n = 0; n < 4; n++) globalThis.gc?.()
}

/**
 * Offers records to a server that has stopped reading, and reports how far the resident memory
 * grew.
 */
const stalled = (maxInflightBytes: number, records: number, bytes: number) =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(
      Effect.promise(() =>
        startRawServer(() => (connection, message) => {
          if (message !== 1) return false
          connection.socket.pause()
          return true
        })
      ),
      (server) => Effect.promise(server.close)
    )
    return yield* Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(table)
      yield* stream.ingestRecord(new Uint8Array(10))
      yield* Effect.sleep("200 millis")
      collect()
      const before = process.memoryUsage.rss()
      let most = before
      let accepted = 0
      const record = new Uint8Array(bytes)
      for (let n = 0; n < records; n++) {
        if (stream.offerUnsafe(record) !== undefined) accepted++
        if (n % 100 === 0) {
          yield* Effect.sleep("1 millis")
          most = Math.max(most, process.memoryUsage.rss())
        }
      }
      return { grown: most - before, accepted, limit: 1.2 * maxInflightBytes + 32 * MIB }
    }).pipe(
      Effect.scoped,
      Effect.provide(
        client(server.port, { maxInflightBytes, scopeCloseTimeout: 0, drainTimeout: 0 })
      )
    )
  }).pipe(Effect.scoped)

/** Opens, uses and closes streams one after another. */
const churn = (cycles: number) =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(Effect.promise(startCountingServer), ({ close }) =>
      Effect.sync(close)
    )
    return yield* Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const cycle = zerobus.withStream(table, (stream) =>
        stream.ingestRecord(Uint8Array.of(0, 0, 0, 0))
      )
      const measure = Effect.gen(function* () {
        yield* Effect.sleep("300 millis")
        collect()
        const resources = process
          .getActiveResourcesInfo()
          .filter((name) => name.startsWith("TCP") || name === "Timeout")
        return { heap: process.memoryUsage().heapUsed, handles: resources.length }
      })
      for (let n = 0; n < Math.min(500, cycles); n++) yield* cycle
      const before = yield* measure
      for (let n = 0; n < cycles; n++) yield* cycle
      const after = yield* measure
      return { before, after }
    }).pipe(Effect.provide(client(server.port)))
  }).pipe(Effect.scoped)

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    cycles: { type: "string", default: "2000" },
    limit: { type: "string", default: "64" },
    records: { type: "string", default: "20000" },
    bytes: { type: "string", default: "10240" }
  }
})
if (globalThis.gc === undefined) throw new Error("Run it with --expose-gc, as the npm scripts do.")
const quiet = Effect.provideService(References.MinimumLogLevel, "None")
let ok: boolean
if (positionals[0] === "memory") {
  const bound = Number(values.limit) * MIB
  const { accepted, grown, limit } = await Effect.runPromise(
    quiet(stalled(bound, Number(values.records), Number(values.bytes)))
  )
  ok = grown <= limit
  console.log(
    `stalled server, ${values.records} x ${values.bytes} bytes offered, maxInflightBytes ` +
      `${values.limit} MiB: ${accepted} accepted, ` +
      `memory grew by ${(grown / MIB).toFixed(1)} MiB (limit ${(limit / MIB).toFixed(1)} MiB)`
  )
} else {
  const { after, before } = await Effect.runPromise(quiet(churn(Number(values.cycles))))
  const growth = after.heap / before.heap - 1
  ok = growth <= 0.05 && after.handles <= before.handles
  console.log(
    `${values.cycles} open/close cycles: heap ${(before.heap / MIB).toFixed(1)} -> ` +
      `${(after.heap / MIB).toFixed(1)} MiB ` +
      `(${(growth * 100).toFixed(1)} %), sockets and timers ${before.handles} -> ${after.handles}`
  )
}
console.log(ok ? "1 passed, 0 failed" : "0 passed, 1 failed")
process.exit(ok ? 0 : 1)
