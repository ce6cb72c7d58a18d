/**
 * Measures the cost of refused records, over real gRPC on TCP, and checks that they affect no other
 * records. `npm run faults:refusals -- --records 1000000 --rounds 100 --seconds 60 --seed 1`
 *
 * | part | does |
 * | --- | --- |
 * | `one` | one bad record among many at full speed, at a random place (in both manners) |
 * | `steady` | acknowledgements after 150 ms, 10,000 records a second, one in 10,000 is bad |
 * | `many` | one record in a hundred is bad |
 * | `all` | every record is bad |
 *
 * Manners: the server acknowledges the records before the bad one first, or refuses at once.
 */
import { Cause, Effect, Exit, References, type Scope } from "effect"
import {
  HeadersProvider,
  type StreamConfigurationOptions,
  TableProperties,
  Zerobus
} from "effect-zerobus"
import { parseArgs } from "node:util"
import { seeded } from "../support/randomTables.ts"
import {
  type Manner,
  numberIn,
  recordOf,
  type RefusingServer,
  type RefusingTable,
  startRefusingServer
} from "./refusingServer.ts"

/** One run with bad records. */
export interface Run {
  readonly manner: Manner
  readonly records: number
  readonly bad: (number: number) => boolean
  /** Records per second; full speed by default. */
  readonly rate?: number
  readonly options?: StreamConfigurationOptions<Uint8Array>
}

/** The result of a run. */
export interface Outcome {
  readonly exit: Exit.Exit<void, unknown>
  readonly table: RefusingTable
  /** In the order of the calls of `onRefused`. */
  readonly refused: ReadonlyArray<number>
  /** Milliseconds from the ingest call to `onRefused`, for each refused record. */
  readonly delays: ReadonlyArray<number>
  /** Connections after the first one. */
  readonly extra: number
  /** Records accepted and not acknowledged at the first refusal. */
  readonly inFlight: number
  /** The longest ingest call, in milliseconds. */
  readonly longestCall: number
  readonly seconds: number
  /** What is wrong with the run, whatever its parameters. */
  readonly problems: ReadonlyArray<string>
}

/** Any descriptor will do: the server does not read it. */
const descriptor = Uint8Array.of(0x0a, 0x01, 0x54)

let tables = 0

/**
 * Ingests records and checks the rules of every run: nothing lost, nothing twice in `onRefused`,
 * everything in order.
 */
export const run = (
  server: RefusingServer,
  given: Run
): Effect.Effect<Outcome, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { bad, manner, rate, records } = given
    const properties = TableProperties.proto(`main.refusals.run_${tables++}`, descriptor)
    const table = server.table(properties.tableName, manner)
    const refused: Array<number> = []
    const delays: Array<number> = []
    const calledAt = new Map<number, number>()
    const problems: Array<string> = []
    let accepted = 0
    let inFlight = 0
    let longestCall = 0
    table.onFirstRefusal = () => (inFlight = accepted - table.acknowledged)
    const started = performance.now()
    const exit = yield* Effect.flatMap(Zerobus, (zerobus) =>
      zerobus.withStream(
        properties,
        {
          onRefused: ({ offset, payloads }) =>
            Effect.sync(() => {
              const number = numberIn(payloads[0]!)
              if (payloads.length !== 1 || offset !== number)
                problems.push(`offset ${offset} was given to record ${number}`)
              refused.push(number)
              delays.push(performance.now() - calledAt.get(number)!)
            }),
          flushTimeout: "20 minutes",
          ...given.options
        },
        (stream) =>
          Effect.gen(function* () {
            for (let number = 0; number < records; number++) {
              const isBad = bad(number)
              const due =
                rate === undefined ? 0 : started + (number * 1000) / rate - performance.now()
              if (due > 1) yield* Effect.sleep(due)
              const before = isBad || rate !== undefined ? performance.now() : 0
              if (isBad) calledAt.set(number, before)
              yield* stream.ingestRecord(recordOf(number, isBad))
              accepted++
              if (rate !== undefined)
                longestCall = Math.max(longestCall, performance.now() - before)
            }
            yield* stream.flush
          })
      )
    ).pipe(
      Effect.provide(
        Zerobus.layer({
          serverEndpoint: `http://127.0.0.1:${server.port}`,
          proxy: false,
          stream: {
            headersProvider: HeadersProvider.make({
              getHeaders: Effect.succeed({ authorization: "Bearer refusals" })
            })
          }
        })
      ),
      Effect.exit
    )
    problems.push(...table.violations)
    for (const [index, number] of refused.entries()) {
      if (!bad(number)) problems.push(`good record ${number} was given to onRefused`)
      if (index > 0 && number <= refused[index - 1]!)
        problems.push(`${number} was refused after ${refused[index - 1]}`)
    }
    for (const number of table.skipped)
      if (!bad(number)) problems.push(`record ${number} was lost or overtaken`)
    const seconds = (performance.now() - started) / 1000
    return {
      exit,
      table,
      refused,
      delays,
      extra: table.sessions - 1,
      inFlight,
      longestCall,
      seconds,
      problems
    }
  })

/** What is wrong with a run of `bad` bad records that must end successfully. */
export const problemsOf = (given: Run, outcome: Outcome, bad: number): ReadonlyArray<string> => {
  const { exit, refused, table } = outcome
  const problems = [...outcome.problems]
  if (Exit.isFailure(exit)) problems.push(`the stream failed: ${String(Cause.squash(exit.cause))}`)
  if (refused.length !== bad)
    problems.push(`${refused.length} of ${bad} bad records were given to onRefused`)
  if (table.durable !== given.records - bad) problems.push(`${table.durable} records are durable`)
  return problems
}

/** A line of the report, and the problems found. */
export interface Part {
  readonly lines: ReadonlyArray<string>
  readonly problems: ReadonlyArray<string>
  /** The number of runs. */
  readonly count: number
}

/** The maximum number of records in one message: 20 bytes of content and two of framing each. */
const RECORDS_OF_A_MESSAGE = Math.ceil(262_144 / 22)

const rate = (outcomes: ReadonlyArray<Outcome>): string => {
  const records = outcomes.reduce((sum, { table }) => sum + table.durable, 0)
  const seconds = outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0)
  return `${(records / seconds / 1e6).toFixed(2)} million records/s`
}
const most = (values: ReadonlyArray<number>): number =>
  values.reduce((most, value) => Math.max(most, value), 0)
const tally = (values: ReadonlyArray<number>): string =>
  [...new Set(values)]
    .sort((a, b) => a - b)
    .map((value) => `${value} (${values.filter((one) => one === value).length}x)`)
    .join(", ")

/**
 * One bad record at a random place in each run, repeated for the given rounds or until the time is
 * over.
 */
export const one = (
  server: RefusingServer,
  records: number,
  rounds: number,
  seed: number,
  acknowledges: "first" | "later",
  until = Infinity
): Effect.Effect<Part> =>
  Effect.gen(function* () {
    const random = seeded(seed)
    const outcomes: Array<Outcome> = []
    const problems: Array<string> = []
    for (let round = 0; round < rounds && performance.now() < until; round++) {
      const place = Math.floor(random() * records)
      const manner: Manner =
        acknowledges === "first"
          ? { ackAfter: 0, refuses: "in order", unacknowledged: "durable" }
          : {
              ackAfter: 1 + Math.floor(random() * 50),
              refuses: "at once",
              unacknowledged: round % 2 === 0 ? "durable" : "lost"
            }
      const given: Run = { manner, records, bad: (number) => number === place }
      const outcome = yield* Effect.scoped(run(server, given))
      const wrong = [...problemsOf(given, outcome, 1)]
      const { duplicates } = outcome.table
      // Normally three connections. The first record of a piece is sent once more if nothing became
      // durable since the previous refusal.
      const extras = acknowledges === "first" ? 4 : 6
      const bound = acknowledges === "first" ? RECORDS_OF_A_MESSAGE : outcome.inFlight
      if (outcome.extra > extras) wrong.push(`${outcome.extra} extra connections`)
      if (duplicates > bound) wrong.push(`${duplicates} duplicates, ${outcome.inFlight} in flight`)
      problems.push(
        ...wrong.map((text) => `record ${place} of ${records}, ${JSON.stringify(manner)}: ${text}`)
      )
      outcomes.push(outcome)
    }
    const shares = outcomes.map(({ inFlight, table }) => table.duplicates / Math.max(1, inFlight))
    return {
      count: outcomes.length,
      problems,
      lines: [
        `one bad record among ${records.toLocaleString("en")}, ${outcomes.length} times, ` +
          `acknowledged ${acknowledges}: ${rate(outcomes)}`,
        `  extra connections ${tally(outcomes.map(({ extra }) => extra))}`,
        `  duplicates at most ${most(outcomes.map(({ table }) => table.duplicates))}, or ` +
          `${(100 * most(shares)).toFixed(0)} % of those in flight`
      ]
    }
  })

/** 10,000 records per second for some time, one in 10,000 bad, acknowledged after 150 ms. */
export const steady = (
  server: RefusingServer,
  seconds: number,
  seed: number,
  refuses: Manner["refuses"]
): Effect.Effect<Part> =>
  Effect.gen(function* () {
    const random = seeded(seed)
    const records = seconds * 10_000
    const places = new Set(
      Array.from({ length: Math.round(records / 10_000) }, () => Math.floor(random() * records))
    )
    const given: Run = {
      manner: { ackAfter: 150, refuses, unacknowledged: "durable" },
      records,
      bad: (number) => places.has(number),
      rate: 10_000
    }
    const outcome = yield* Effect.scoped(run(server, given))
    const problems = [...problemsOf(given, outcome, places.size)]
    const { delays, extra, longestCall, table } = outcome
    if (most(delays) > 10_000) problems.push(`a bad record took ${most(delays).toFixed(0)} ms`)
    if (longestCall > 1_000) problems.push(`an ingest call took ${longestCall.toFixed(0)} ms`)
    const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length
    return {
      count: 1,
      problems: problems.map((text) => `steady, refused ${refuses}: ${text}`),
      lines: [
        `10,000 records/s for ${seconds} s, acknowledged after 150 ms, ${places.size} bad, ` +
          `refused ${refuses}`,
        `  in onRefused after ${(mean / 1000).toFixed(1)} s, at most ` +
          `${(most(delays) / 1000).toFixed(1)} s; longest ingest call ${longestCall.toFixed(0)} ms`,
        `  extra connections ${extra}, ${(extra / places.size).toFixed(1)} for each; duplicates ` +
          `${table.duplicates}`
      ]
    }
  })

/** One in a hundred records is bad, at random places. */
export const many = (
  server: RefusingServer,
  records: number,
  seed: number,
  manner: Manner
): Effect.Effect<Part> =>
  Effect.gen(function* () {
    const random = seeded(seed)
    const places = new Set<number>()
    while (places.size < records / 100) places.add(Math.floor(random() * records))
    const given: Run = { manner, records, bad: (number) => places.has(number) }
    const outcome = yield* Effect.scoped(run(server, given))
    return {
      count: 1,
      problems: problemsOf(given, outcome, places.size),
      lines: [
        `${places.size.toLocaleString("en")} bad among ${records.toLocaleString("en")}, ` +
          `acknowledged after ${manner.ackAfter} ms, refused ${manner.refuses}`,
        `  ${outcome.table.durable} durable, ${outcome.refused.length} in onRefused, in order; ` +
          `${outcome.seconds.toFixed(1)} s`,
        `  extra connections ${outcome.extra}, ${(outcome.extra / places.size).toFixed(1)} for ` +
          `each; duplicates ${outcome.table.duplicates}`
      ]
    }
  })

/** Every record is bad: the stream must end when the refusal budget is spent. */
export const all = (
  server: RefusingServer,
  records: number,
  manner: Manner,
  maxRefusals = 100
): Effect.Effect<Part> =>
  Effect.gen(function* () {
    const given: Run = { manner, records, bad: () => true, options: { maxRefusals } }
    const outcome = yield* Effect.scoped(run(server, given))
    const { exit, extra, refused, seconds, table } = outcome
    const problems = [...outcome.problems]
    const error = Exit.isFailure(exit)
      ? exit.cause.reasons.find(Cause.isFailReason)?.error
      : undefined
    const tag = (error as { readonly _tag?: string } | undefined)?._tag
    if (tag !== "InvalidArgument") problems.push(`the stream ended with ${String(tag)}`)
    if (refused.length !== maxRefusals)
      problems.push(`${refused.length} records were given to onRefused`)
    if (table.durable !== 0) problems.push(`${table.durable} records are durable`)
    if (extra > 5 * maxRefusals) problems.push(`${extra} extra connections`)
    return {
      count: 1,
      problems,
      lines: [
        `all of ${records.toLocaleString("en")} bad, acknowledged after ${manner.ackAfter} ms, ` +
          `refused ${manner.refuses}`,
        `  ended with ${String(tag)} after ${refused.length} refusals, ${extra} extra ` +
          `connections, ${seconds.toFixed(1)} s`
      ]
    }
  })

const MANNERS: ReadonlyArray<Manner> = [
  { ackAfter: 0, refuses: "in order", unacknowledged: "durable" },
  { ackAfter: 10, refuses: "at once", unacknowledged: "durable" }
]

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      records: { type: "string", default: "100000" },
      rounds: { type: "string", default: "5" },
      minutes: { type: "string", default: "15" },
      seconds: { type: "string", default: "10" },
      bad: { type: "string", default: "10000" },
      seed: { type: "string", default: "1" },
      only: { type: "string", default: "one,steady,many,all" }
    }
  })
  const [records, rounds, minutes, seconds, among, seed] = [
    values.records,
    values.rounds,
    values.minutes,
    values.seconds,
    values.bad,
    values.seed
  ].map(Number) as [number, number, number, number, number, number]
  const share = (minutes * 60_000) / 2
  const server = await startRefusingServer()
  const parts: Readonly<Record<string, ReadonlyArray<() => Effect.Effect<Part>>>> = {
    one: (["first", "later"] as const).map(
      (acknowledges) => () =>
        one(server, records, rounds, seed, acknowledges, performance.now() + share)
    ),
    steady: (["at once", "in order"] as const).map(
      (refuses) => () => steady(server, seconds, seed, refuses)
    ),
    many: MANNERS.map((manner) => () => many(server, among, seed, manner)),
    all: MANNERS.map((manner) => () => all(server, among, manner))
  }
  let count = 0
  let failed = 0
  for (const name of values.only.split(",")) {
    for (const part of parts[name] ?? []) {
      const {
        count: runs,
        lines,
        problems
      } = await Effect.runPromise(
        part().pipe(Effect.provideService(References.MinimumLogLevel, "None"))
      )
      count += runs
      failed += Math.min(runs, problems.length)
      for (const problem of problems.slice(0, 20)) console.error(problem)
      for (const line of lines) console.log(line)
    }
  }
  server.close()
  console.log(`${count - failed} checks passed, ${failed} failed`)
  process.exit(failed === 0 && count > 0 ? 0 : 1)
}
