/**
 * One measurement of a stream with lanes, in a separate process: `load.ts ORDER`, in JSON. It
 * prints its result as one line of JSON.
 *
 * Each record begins with its key and its number among the records of that key, 32 bits each, so
 * that the sink can check their order.
 */
import { Effect, References } from "effect"
import { HeadersProvider, TableProperties, Zerobus } from "effect-zerobus"

/** What to measure. */
export interface LoadOrder {
  readonly port: number
  readonly lanes: number
  readonly keyed: boolean
  /** Bytes of a record. */
  readonly bytes: number
  /** How long records are ingested, in milliseconds. */
  readonly millis: number
}

/** What was measured. */
export interface Loaded {
  readonly records: number
  /** Records per second from the end of the warm-up until all are durable. */
  readonly rate: number
  /** Microseconds of processor time for a record. */
  readonly cpu: number
  /** The peak of resident memory, in MiB. */
  readonly memory: number
}

/**
 * Keys that records use in turn, of 16 bits. With this many, lanes get about the same number of
 * keys. With 1,000 keys the fullest of 16 lanes would have 1.25 times the average, and would limit
 * the total rate.
 */
const KEYS = 50_000
/** The limited lanes accept this many records in less than a second. */
const WINDOW = 200_000
const WARM_UP = 1500
/** The number of records between two reads of the clock. */
const STRIDE = 128

const { bytes, keyed, lanes, millis, port } = JSON.parse(process.argv[2]!) as LoadOrder
const table = TableProperties.proto("main.default.benchmark", Uint8Array.of(0x0a, 0x01, 0x54))

const record = new Uint8Array(bytes).fill(0x61)
const view = new DataView(record.buffer)
const keyOf = (one: Uint8Array): number => one[0]! | (one[1]! << 8)
let count = 0
/** The next record, in the same memory: the stream has encoded it when the call returns. */
const next = (): Uint8Array => {
  view.setUint32(0, count % KEYS, true)
  view.setUint32(4, Math.floor(count / KEYS), true)
  count++
  return record
}

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  const stream = yield* zerobus.createStream(table, {
    lanes,
    maxInflightRecords: WINDOW,
    scopeCloseTimeout: 0,
    ...(keyed ? { laneKey: keyOf } : {})
  })
  const ingestFor = Effect.fnUntraced(function* (duration: number) {
    const until = performance.now() + duration
    while (performance.now() < until) {
      for (let n = 0; n < STRIDE; n++) yield* stream.ingestRecord(next())
    }
  })
  yield* ingestFor(WARM_UP)
  // Records in flight from the warm-up would count as time without records.
  yield* stream.flush
  const cpuBefore = process.cpuUsage()
  const [started, before] = [performance.now(), count]
  yield* ingestFor(millis)
  yield* stream.flush
  const seconds = (performance.now() - started) / 1000
  const { system, user } = process.cpuUsage(cpuBefore)
  const records = count - before
  yield* stream.close
  const memory = process.resourceUsage().maxRSS / 1024
  return {
    records,
    rate: records / seconds,
    cpu: (system + user) / records,
    memory
  } satisfies Loaded
}).pipe(
  Effect.scoped,
  Effect.provide(
    Zerobus.layer({
      serverEndpoint: `http://127.0.0.1:${port}`,
      stream: {
        headersProvider: HeadersProvider.make({
          getHeaders: Effect.succeed({ authorization: "Bearer benchmark" })
        })
      }
    })
  ),
  Effect.provideService(References.MinimumLogLevel, "Error")
)

console.log(JSON.stringify(await Effect.runPromise(program)))
