/**
 * Cuts connections at every byte position, in both directions, by FIN, RST and black hole, over
 * real gRPC on TCP, and counts lost records, for streams of records and of Arrow batches. `npm run
 * faults:bytes -- --positions 20000 --arrow 2000 --seed 1`
 *
 * Several streams run at once. Each connection of a stream is cut at the next position of the
 * sweep. The stream keeps a window of records in flight, so every connection first replays them. At
 * the end every record must be durable, in order.
 */
import { Effect, Exit, Option, Redacted, Schedule, type Scope } from "effect"
import { HeadersProvider, TableProperties, Zerobus } from "effect-zerobus"
import { ArrowTable } from "effect-zerobus/arrow"
import * as Arrow from "apache-arrow"
import { References } from "effect"
import { parseArgs } from "node:util"
import { type CountingServer, startCountingServer } from "./countingServer.ts"
import { type Cut, type FaultProxy, startFaultProxy } from "./faultProxy.ts"

/** Bytes of a whole session to sweep, from the client and from the server. */
const SWEPT = { up: 20_480, down: 640 }
const RECORD_BYTES = 480
/**
 * The minimum number of records that each session replays; they take more than `SWEPT.up` bytes on
 * the wire.
 */
const WINDOW = 48
/** One cut in this many is a black hole, which takes a timeout to detect. */
const BLACK_HOLE_EVERY = 50

export interface SweepResult {
  readonly positions: number
  readonly connections: number
  readonly records: number
  readonly duplicates: number
  readonly problems: ReadonlyArray<string>
}

/** The cuts of a sweep, spread evenly over both directions. The seed decides the first position. */
export const cutsOf = (positions: number, seed: number): ReadonlyArray<Cut> => {
  const cuts: Array<Cut> = []
  const down = Math.min(SWEPT.down * 4, Math.ceil(positions / 8))
  for (let n = 0; n < positions; n++) {
    const direction = n < down ? "down" : "up"
    const within = SWEPT[direction]
    const count = direction === "down" ? down : positions - down
    const index = direction === "down" ? n : n - down
    // Consecutive positions if there are enough cuts, evenly spaced ones otherwise.
    const afterBytes =
      (seed + (count >= within ? index : Math.floor((index * within) / count))) % within
    const how =
      n % BLACK_HOLE_EVERY === 0
        ? "blackhole"
        : Math.floor(n / (count >= within ? within : 1)) % 2 === 0
          ? "fin"
          : "rst"
    cuts.push({ direction, afterBytes, how })
  }
  return cuts
}

/** What a stream sends, by record form. */
interface Form {
  readonly table: (name: string) => TableProperties.TableProperties<any>
  /** The n-th record of a stream. */
  readonly record: (n: number) => unknown
  /** How many items the server counts per record. */
  readonly counts: number
}

/** Any descriptor will do: the counting server does not read it. */
const descriptor = Uint8Array.of(0x0a, 0x01, 0x54)

const records: Form = {
  table: (name) => TableProperties.proto(name, descriptor),
  record: (number) => {
    const bytes = Buffer.alloc(RECORD_BYTES, 0x61)
    bytes.writeUInt32BE(number)
    return bytes
  },
  counts: 1
}

/** Rows of the batches of one record; each batch is a separate frame. */
const BATCHES = [3, 2]
const ROWS = 5

const arrowSchema = new Arrow.Schema([
  new Arrow.Field("n", new Arrow.Int32(), false),
  new Arrow.Field("text", new Arrow.LargeUtf8(), true)
])

const arrowBatch = (first: number, rows: number): Arrow.RecordBatch => {
  const numbers = Array.from({ length: rows }, (_, row) => first + row)
  const texts = numbers.map((n) => `row ${n}`)
  return new Arrow.RecordBatch(
    arrowSchema,
    Arrow.makeData({
      type: new Arrow.Struct(arrowSchema.fields),
      length: rows,
      nullCount: 0,
      children: [
        Arrow.makeData({ type: new Arrow.Int32(), data: Int32Array.from(numbers) }),
        Arrow.vectorFromArray(texts, new Arrow.LargeUtf8()).data[0]!
      ]
    })
  )
}

const arrow: Form = {
  table: (name) => ArrowTable.make(name, arrowSchema),
  record: (number) => {
    let first = number * ROWS
    const batches = BATCHES.map((rows) => arrowBatch((first += rows) - rows, rows))
    return new Arrow.Table(arrowSchema, batches)
  },
  counts: ROWS
}

const forms = { records, arrow }

/**
 * Far longer than it takes to detect any cut and recover from it, and than the flush after the last
 * cut may take.
 */
const PATIENCE = "60 seconds"

/**
 * Fails if no cut was used for a while. A sweep that hangs must be reported, however long a
 * complete sweep takes.
 */
const stands = (cuts: ReadonlyArray<Cut>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const left = cuts.length
    return Effect.delay(
      Effect.suspend(() => (cuts.length === left ? Effect.void : stands(cuts))),
      PATIENCE
    )
  })

const streamThroughCuts = (
  server: CountingServer,
  { counts, record, table: tableOf }: Form,
  name: string,
  cuts: Array<Cut>,
  problems: Array<string>
): Effect.Effect<{ readonly connections: number; readonly records: number }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const proxy: FaultProxy = yield* Effect.acquireRelease(
      Effect.promise(() =>
        startFaultProxy(
          server.port,
          () => cuts.pop(),
          () => server.counted(`main.cuts.${name}`).stop?.()
        )
      ),
      (proxy) => Effect.promise(proxy.close)
    )
    const table = tableOf(`main.cuts.${name}`)
    const headers = {
      "authorization": "Bearer cuts",
      "x-databricks-zerobus-table-name": table.tableName
    }
    const program = Effect.gen(function* () {
      const zerobus = yield* Zerobus
      return yield* zerobus.withStream(table, (stream) =>
        Effect.gen(function* () {
          let sent = 0
          while (cuts.length > 0) {
            yield* stream.ingestRecord(record(sent++))
          }
          yield* stream.flush
          return sent
        })
      )
    }).pipe(
      Effect.provide(
        Zerobus.layer({
          serverEndpoint: `http://127.0.0.1:${proxy.port}`,
          clientSecret: Redacted.make("unused"),
          proxy: false,
          stream: {
            maxInflightRecords: WINDOW,
            batching: "off",
            // Long enough that a busy machine does not run into them without a fault.
            recoveryTimeout: "1 second",
            serverLackOfAckTimeout: "1 second",
            drainTimeout: "50 millis",
            recoverySchedule: Schedule.forever,
            flushTimeout: "2 minutes",
            headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed(headers) })
          }
        })
      ),
      Effect.exit
    )
    const result = yield* Effect.raceFirst(
      Effect.asSome(program),
      Effect.as(stands(cuts), Option.none())
    )
    if (Option.isNone(result)) {
      problems.push(`${name}: hangs with ${cuts.length} cuts left`)
      return { connections: proxy.connections, records: 0 }
    }
    const exit = result.value
    if (Exit.isFailure(exit)) {
      problems.push(`${name}: ${String(exit.cause)}`)
      return { connections: proxy.connections, records: 0 }
    }
    const counted = server.counted(table.tableName)
    const acknowledged = exit.value * counts
    if (counted.durable !== acknowledged)
      problems.push(`${name}: ${acknowledged} records acknowledged, ${counted.durable} durable`)
    problems.push(...counted.violations.map((violation) => `${name}: ${violation}`))
    return { connections: proxy.connections, records: acknowledged }
  })

/** Runs a sweep over several streams at once. With Arrow batches it counts rows. */
export const sweep = (
  positions: number,
  seed: number,
  streams: number,
  name: keyof typeof forms = "records"
): Effect.Effect<SweepResult> =>
  Effect.gen(function* () {
    const form = forms[name]
    const server = yield* Effect.acquireRelease(Effect.promise(startCountingServer), ({ close }) =>
      Effect.sync(close)
    )
    const problems: Array<string> = []
    const shares: Array<Array<Cut>> = Array.from({ length: streams }, () => [])
    cutsOf(positions, seed).forEach((cut, index) => shares[index % streams]!.push(cut))
    const results = yield* Effect.forEach(
      shares,
      (cuts, index) => streamThroughCuts(server, form, `stream_${index}`, cuts, problems),
      { concurrency: "unbounded" }
    )
    const duplicates = shares.reduce(
      (sum, _, index) => sum + server.counted(`main.cuts.stream_${index}`).duplicates,
      0
    )
    const connections = results.reduce((sum, { connections }) => sum + connections, 0)
    // Only records that were in flight when a connection was cut may be duplicated.
    if (duplicates > connections * WINDOW * form.counts)
      problems.push(`${duplicates} duplicates over ${connections} connections`)
    return {
      positions,
      connections,
      records: results.reduce((sum, { records }) => sum + records, 0),
      duplicates,
      problems
    }
  }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None"))

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      positions: { type: "string", default: "20000" },
      arrow: { type: "string", default: "2000" },
      seed: { type: "string", default: "1" },
      streams: { type: "string", default: "16" }
    }
  })
  let passed = 0
  let failed = 0
  for (const [name, text] of [
    ["records", values.positions],
    ["arrow", values.arrow]
  ] as const) {
    const positions = Number(text)
    if (positions === 0) continue
    const started = performance.now()
    const result = await Effect.runPromise(
      sweep(positions, Number(values.seed), Number(values.streams), name)
    )
    const seconds = (performance.now() - started) / 1000
    for (const problem of result.problems.slice(0, 20)) console.error(problem)
    console.log(
      `${result.positions} positions over ${result.connections} connections in ` +
        `${seconds.toFixed(1)} s: ${result.records} ${name === "arrow" ? "rows" : "records"} ` +
        `durable, ` +
        `${result.duplicates} sent twice, seed ${values.seed}`
    )
    failed += result.problems.length
    passed += Math.max(0, positions - result.problems.length)
  }
  console.log(`${passed} passed, ${failed} failed`)
  process.exit(failed === 0 ? 0 : 1)
}
