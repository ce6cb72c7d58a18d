/**
 * One measurement of `bench:pool`, in a separate process: records of many tables through a pool, or
 * of few tables through one stream each. It ends when all records are durable.
 */
import { Effect, Exit, Scope } from "effect"
import {
  HeadersProvider,
  type RecordAck,
  StreamPool,
  TableProperties,
  Zerobus
} from "effect-zerobus"
import { byteRecords, descriptor } from "../clients/client.ts"

/** What to measure. */
export interface PoolOrder {
  readonly way: "pool" | "fixed"
  readonly port: number
  readonly records: number
  readonly tables: number
  readonly open: number
  /** Whether all streams share one connection. */
  readonly shared: boolean
  readonly seed: number
}

/** The result of a measurement. */
export interface PoolLoaded {
  /** From the first call to the last acknowledgement, in milliseconds. */
  readonly millis: number
  /** Until the last call had returned, in milliseconds. */
  readonly ingested: number
  /** Processor time of the process during the measurement, in seconds. */
  readonly cpu: number
  /**
   * The longest time from the call of a table's last record to its acknowledgement, in
   * milliseconds.
   */
  readonly slowest: number
  readonly rss: number
  /** Records that were returned; a pool that loses and fails nothing returns none. */
  readonly returned: number
}

/** The table of each record: the n-th table gets records in proportion to 1/n. */
const zipf = (records: number, tables: number, seed: number): Uint16Array => {
  const shares: Array<number> = []
  let sum = 0
  for (let n = 1; n <= tables; n++) shares.push((sum += 1 / n))
  let state = seed
  return Uint16Array.from({ length: records }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const at = (state / 2 ** 32) * sum
    let low = 0
    let high = tables - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (shares[middle]! < at) low = middle + 1
      else high = middle
    }
    return low
  })
}

const run = Effect.fnUntraced(function* ({ open, records: count, seed, tables, way }: PoolOrder) {
  const records = byteRecords(100)
  const used = way === "pool" ? tables : open
  const properties = Array.from({ length: used }, (_, n) =>
    TableProperties.proto(`main.default.t${n}`, descriptor)
  )
  const order = zipf(count, used, seed)
  const latest: Array<{ readonly ack: RecordAck; readonly at: number } | undefined> =
    properties.map(() => undefined)
  let returned = 0
  const onUnacked = ({ records }: { readonly records: ReadonlyArray<unknown> }) =>
    Effect.sync(() => (returned += records.length))
  const zerobus = yield* Zerobus
  let started = 0
  let ingested = 0
  let cpuBefore = process.cpuUsage()
  const begin = (): void => {
    cpuBefore = process.cpuUsage()
    started = performance.now()
  }
  let slowest = 0
  const settle = Effect.forEach(
    latest,
    (one) =>
      one === undefined
        ? Effect.void
        : Effect.map(
            one.ack.await,
            () => void (slowest = Math.max(slowest, performance.now() - one.at))
          ),
    { concurrency: "unbounded", discard: true }
  )
  if (way === "pool") {
    const pool = yield* StreamPool.make({
      maxOpen: open,
      idleTimeToLive: "1 minute",
      stream: { onUnacked }
    })
    begin()
    for (let n = 0; n < count; n++) {
      const table = order[n]!
      const ack = yield* pool.ingest(properties[table]!, records[n % records.length]!)
      latest[table] = { ack, at: performance.now() }
    }
    ingested = performance.now()
    yield* settle
    yield* pool.flush
  } else {
    const streams = yield* Effect.forEach(
      properties,
      (table) => zerobus.createStream(table, { onUnacked }),
      {
        concurrency: "unbounded"
      }
    )
    begin()
    for (let n = 0; n < count; n++) {
      const table = order[n]!
      const ack = yield* streams[table]!.ingestRecord(records[n % records.length]!)
      latest[table] = { ack, at: performance.now() }
    }
    ingested = performance.now()
    yield* settle
    yield* Effect.forEach(streams, (stream) => stream.flush, {
      concurrency: "unbounded",
      discard: true
    })
  }
  const { system, user } = process.cpuUsage(cpuBefore)
  return {
    millis: performance.now() - started,
    ingested: ingested - started,
    cpu: (system + user) / 1e6,
    slowest,
    rss: process.memoryUsage.rss(),
    returned
  } satisfies PoolLoaded
})

try {
  const order = JSON.parse(process.argv[2] ?? "{}") as PoolOrder
  const client = Zerobus.layer({
    serverEndpoint: `http://127.0.0.1:${order.port}`,
    connectionPerStream: !order.shared,
    stream: {
      headersProvider: HeadersProvider.make({
        getHeaders: Effect.succeed({ authorization: "Bearer benchmark" })
      })
    }
  })
  // The result is sent before the streams are closed, which is not measured.
  const measured = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const loaded = yield* Effect.provideService(run(order), Scope.Scope, scope)
    yield* Effect.sync(() => process.send?.(loaded))
    yield* Scope.close(scope, Exit.void)
  })
  await Effect.runPromise(Effect.provide(measured, client))
  process.on("disconnect", () => process.exit(0))
} catch (error) {
  process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}
