/**
 * One measurement of a client with a spool, or without one, in a separate process: `load.ts ORDER`,
 * in JSON. It prints its result as one line of JSON. After a `fill` it waits to be killed.
 */
import { Effect, Fiber, References, Stream } from "effect"
import {
  HeadersProvider,
  Spool,
  TableProperties,
  Zerobus,
  type ZerobusStream
} from "effect-zerobus"
import { closeSync, fdatasync, openSync, writeSync } from "node:fs"
import { promisify } from "node:util"
import { percentile } from "../figures.ts"

/** What to measure. */
export interface LoadOrder {
  /**
   * `ingest`: records per second, and processor time. `lone`: single calls one after another.
   * `fill`: records while no server is running. `drain`: sends the records in the spool. `open`:
   * how long opening takes.
   */
  readonly task: "ingest" | "lone" | "fill" | "drain" | "open"
  readonly port: number
  /** The folder of the spool; without it there is no spool. */
  readonly folder?: string | undefined
  readonly bytes: number
  readonly records: number
  /** The stream's option; its default if omitted. */
  readonly maxInflightBytes?: number | undefined
  /**
   * How records are ingested: a sink with chunks of 4,096, 16 callers with batches of 100, or 1,024
   * callers with single records.
   */
  readonly by?: "sink" | "batches" | "fibers" | undefined
}

/** The result; its figures depend on the task. */
export interface Loaded {
  /** Seconds until all records were on disk, or durable without a spool. */
  readonly seconds: number
  /** Seconds until the stream was open. */
  readonly opening: number
  /** Microseconds of processor time per record, until all records were durable. */
  readonly cpu: number
  /** The peak of resident memory above that of the process before its first stream, in MiB. */
  readonly grown: number
  /**
   * Median milliseconds of a single call, and of a write with `fdatasync` of the same bytes in
   * between.
   */
  readonly call?: number | undefined
  readonly disk?: number | undefined
}

const MIB = 1024 * 1024
const CHUNK = 4_096
const {
  by = "sink",
  bytes,
  folder,
  maxInflightBytes,
  port,
  records,
  task
} = JSON.parse(process.argv[2]!) as LoadOrder
const record = new Uint8Array(bytes).fill(0x61)
const table = TableProperties.proto("main.default.benchmark", Uint8Array.of(0x0a, 0x01, 0x54))
const synced = promisify(fdatasync)

const times = (count: number, run: Effect.Effect<unknown, any>): Effect.Effect<void, any> =>
  Effect.gen(function* () {
    for (let n = 0; n < count; n++) yield* run
  })

const callers = (count: number, each: Effect.Effect<void, any>): Effect.Effect<void, any> =>
  Effect.forEach(Array.from({ length: count }), () => each, {
    concurrency: "unbounded",
    discard: true
  })

/** Ingests all records. A sink ends when they are durable, the others when they are on disk. */
const ingestAll = (stream: ZerobusStream<Uint8Array>): Effect.Effect<unknown, any> => {
  const chunk = Array.from({ length: CHUNK }, () => record)
  if (by === "sink") {
    const chunks = Array.from({ length: Math.ceil(records / CHUNK) }, () => chunk)
    return Stream.run(Stream.fromArrays(...chunks), stream.toSink)
  }
  return by === "batches"
    ? callers(16, times(records / 1_600, stream.ingestRecords(chunk.slice(0, 100))))
    : callers(1_024, times(records / 1_024, stream.ingestRecord(record)))
}

/** Succeeds once `offsets` records of a stream with a spool are on disk. */
const persisted = (stream: ZerobusStream<Uint8Array>, offsets: number): Effect.Effect<void, any> =>
  Effect.gen(function* () {
    while ((yield* Spool.progress(stream)).nextOffset < offsets) yield* Effect.sleep(1)
    yield* Spool.notePosition(stream, new Uint8Array(0))
  })

/** Single calls, and writes of a file on the same disk in between. */
const alternate = (stream: ZerobusStream<Uint8Array>) =>
  Effect.promise(async () => {
    const file = openSync(`${folder}.disk`, "w")
    const [calls, writes]: [Array<number>, Array<number>] = [[], []]
    for (let n = 0; n < records; n++) {
      let started = performance.now()
      writeSync(file, record)
      await synced(file)
      writes.push(performance.now() - started)
      started = performance.now()
      await Effect.runPromise(stream.ingestRecord(record))
      calls.push(performance.now() - started)
    }
    closeSync(file)
    return { call: percentile(calls, 0.5), disk: percentile(writes, 0.5) }
  })

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  globalThis.gc?.()
  const before = process.memoryUsage.rss()
  let most = before
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 10)
  watch.unref()
  const cpuBefore = process.cpuUsage()
  const started = performance.now()
  const stream = yield* zerobus.createStream(table, {
    scopeCloseTimeout: 0,
    flushTimeout: "20 minutes",
    maxInflightBytes,
    ...(folder === undefined
      ? {}
      : { spool: Spool.directory(folder, { maxBytes: 20 * 1024 * MIB }) })
  })
  const opened = performance.now()
  const first = folder === undefined ? 0 : (yield* Spool.progress(stream)).nextOffset
  let lone: Partial<Loaded> = {}
  let seconds: number | undefined
  if (task === "lone") lone = yield* alternate(stream)
  else if (task !== "drain" && task !== "open") {
    const ingesting = yield* Effect.forkScoped(ingestAll(stream))
    if (folder !== undefined) {
      const offsets =
        by === "batches"
          ? records / 100
          : by === "sink"
            ? Math.ceil(records / CHUNK) * CHUNK
            : records
      yield* persisted(stream, first + Math.floor(offsets))
      seconds = (performance.now() - opened) / 1000
    }
    if (task === "ingest") yield* Fiber.join(ingesting)
  }
  if (task === "ingest" || task === "drain") yield* stream.flush
  const { system, user } = process.cpuUsage(cpuBefore)
  const loaded: Loaded = {
    seconds: seconds ?? (performance.now() - opened) / 1000,
    opening: (opened - started) / 1000,
    cpu: (user + system) / records,
    grown: (most - before) / MIB,
    ...lone
  }
  console.log(JSON.stringify(loaded))
  if (task === "fill") yield* Effect.never
}).pipe(
  Effect.scoped,
  Effect.provide(
    Zerobus.layer({
      serverEndpoint: `http://127.0.0.1:${port}`,
      proxy: false,
      stream: {
        headersProvider: HeadersProvider.make({
          getHeaders: Effect.succeed({ authorization: "Bearer spool" })
        })
      }
    })
  ),
  Effect.provideService(References.MinimumLogLevel, "None")
)

await Effect.runPromise(program)
process.exit(0)
