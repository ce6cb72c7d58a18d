/**
 * Cuts connections at every byte position, in both directions, by FIN, RST and black hole, over real gRPC on TCP, and counts what
 * was lost. `npm run faults:bytes -- --positions 20000 --seed 1`
 *
 * Several streams run at once. Each connection of a stream is cut at the next position of the sweep; the stream keeps a window of
 * records in flight, so that every connection replays before it goes on. In the end every record must be durable, in order.
 */
import { Effect, Exit, Option, Redacted, Schedule, type Scope } from "effect"
import { HeadersProvider, TableProperties, Zerobus } from "effect-zerobus"
import { References } from "effect"
import { parseArgs } from "node:util"
import { type CountingServer, startCountingServer } from "./countingServer.ts"
import { type Cut, type FaultProxy, startFaultProxy } from "./faultProxy.ts"

/** Bytes of a whole session that are swept from the client, and from the server. */
const SWEPT = { up: 20_480, down: 640 }
const RECORD_BYTES = 480
/** Each session replays this many records at least, which is more than `SWEPT.up` on the wire. */
const WINDOW = 48
/** One in so many cuts is a black hole, which takes a timeout to notice. */
const BLACK_HOLE_EVERY = 50

export interface SweepResult {
  readonly positions: number
  readonly connections: number
  readonly records: number
  readonly duplicates: number
  readonly problems: ReadonlyArray<string>
}

/** The cuts of a sweep, spread evenly over both directions and starting somewhere that depends on the seed. */
export const cutsOf = (positions: number, seed: number): ReadonlyArray<Cut> => {
  const cuts: Array<Cut> = []
  const down = Math.min(SWEPT.down * 4, Math.ceil(positions / 8))
  for (let n = 0; n < positions; n++) {
    const direction = n < down ? "down" : "up"
    const within = SWEPT[direction]
    const count = direction === "down" ? down : positions - down
    const index = direction === "down" ? n : n - down
    // Every position in turn when there are enough cuts, else evenly spaced ones.
    const afterBytes = (seed + (count >= within ? index : Math.floor((index * within) / count))) % within
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

const record = (number: number): Uint8Array => {
  const bytes = Buffer.alloc(RECORD_BYTES, 0x61)
  bytes.writeUInt32BE(number)
  return bytes
}

/** Any descriptor will do: the counting server does not look inside. */
const descriptor = Uint8Array.of(0x0a, 0x01, 0x54)

/** Far longer than any cut takes to be noticed and mended, and than the flush after the last one may. */
const PATIENCE = "60 seconds"

/** Ends when none of the cuts was used for a while: a sweep that hangs must say so, however long a whole one takes. */
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
  name: string,
  cuts: Array<Cut>,
  problems: Array<string>
): Effect.Effect<{ readonly connections: number; readonly records: number }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const proxy: FaultProxy = yield* Effect.acquireRelease(
      Effect.promise(() => startFaultProxy(server.port, () => cuts.pop())),
      (proxy) => Effect.promise(proxy.close)
    )
    const table = TableProperties.proto(`main.cuts.${name}`, descriptor)
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
            recoveryTimeout: "250 millis",
            serverLackOfAckTimeout: "250 millis",
            drainTimeout: "50 millis",
            recoverySchedule: Schedule.forever,
            flushTimeout: "30 seconds",
            headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed({ authorization: "Bearer cuts" }) })
          }
        })
      ),
      Effect.exit
    )
    const result = yield* Effect.raceFirst(Effect.asSome(program), Effect.as(stands(cuts), Option.none()))
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
    if (counted.durable !== exit.value)
      problems.push(`${name}: ${exit.value} records acknowledged, ${counted.durable} durable`)
    problems.push(...counted.violations.map((violation) => `${name}: ${violation}`))
    return { connections: proxy.connections, records: exit.value }
  })

/** Runs a sweep over so many streams at once. */
export const sweep = (positions: number, seed: number, streams: number): Effect.Effect<SweepResult> =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(Effect.promise(startCountingServer), ({ close }) => Effect.sync(close))
    const problems: Array<string> = []
    const shares: Array<Array<Cut>> = Array.from({ length: streams }, () => [])
    cutsOf(positions, seed).forEach((cut, index) => shares[index % streams]!.push(cut))
    const results = yield* Effect.forEach(
      shares,
      (cuts, index) => streamThroughCuts(server, `stream_${index}`, cuts, problems),
      { concurrency: "unbounded" }
    )
    const duplicates = shares.reduce((sum, _, index) => sum + server.counted(`main.cuts.stream_${index}`).duplicates, 0)
    const connections = results.reduce((sum, { connections }) => sum + connections, 0)
    // Only what was in flight when a connection was cut may come twice.
    if (duplicates > connections * WINDOW) problems.push(`${duplicates} duplicates over ${connections} connections`)
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
      seed: { type: "string", default: "1" },
      streams: { type: "string", default: "16" }
    }
  })
  const started = performance.now()
  const result = await Effect.runPromise(sweep(Number(values.positions), Number(values.seed), Number(values.streams)))
  const seconds = (performance.now() - started) / 1000
  for (const problem of result.problems.slice(0, 20)) console.error(problem)
  console.log(
    `${result.positions} positions over ${result.connections} connections in ${seconds.toFixed(1)} s: ${result.records} records durable, ` +
      `${result.duplicates} sent twice, seed ${values.seed}`
  )
  const failed = result.problems.length
  console.log(`${failed === 0 ? result.positions : Math.max(0, result.positions - failed)} passed, ${failed} failed`)
  process.exit(failed === 0 ? 0 : 1)
}
