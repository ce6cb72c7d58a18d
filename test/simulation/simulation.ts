/**
 * One run: builds the world of a seed, runs it to its end, and lets the checker check the history.
 */
import { Effect, Exit, Layer } from "effect"
import { HeadersProvider, InvalidToken, Zerobus } from "effect-zerobus"
import { check } from "./checker.ts"
import { type Archive, History, type HistoryEvent } from "./history.ts"
import { Network } from "./network.ts"
import { type Generation, makePlan, type Plan } from "./plan.ts"
import type { World } from "./calls.ts"
import { program } from "./program.ts"
import { Records } from "./records.ts"
import { Hostility } from "./hostile.ts"
import { makeRandom } from "./seededRandom.ts"
import { Server } from "./server.ts"
import { Store } from "./store.ts"
import { type Credentials, Tokens } from "./tokens.ts"
import { TokenService } from "./tokenService.ts"
import { VirtualTime } from "./virtualTime.ts"

/** The result of a run. */
export interface RunResult {
  readonly seed: string
  readonly plan: Plan
  readonly history: History
  readonly hash: string
  /** One sentence each; empty if every rule held. */
  readonly violations: ReadonlyArray<string>
  readonly statistics: Statistics
}

export interface Statistics {
  readonly records: number
  readonly durable: number
  readonly duplicates: number
  readonly connections: number
  /** Tokens minted, and connections refused because their token had expired. */
  readonly mints: number
  readonly expiries: number
  readonly virtualMillis: number
}

/** Runs one seed, with a plan of the given generation. */
export const runSeed = (seed: string, generation: Generation = 5): RunResult =>
  simulate(seed, makePlan(seed, generation), program)

/** The world of a run's single process. */
export interface SoleWorld extends World {
  readonly time: VirtualTime
}

/**
 * Additions for a run of many days: nothing may accumulate in the world, and the run is measured
 * now and then.
 */
export interface LongRun {
  readonly archive: Archive
  readonly begun: (world: SoleWorld) => void
}

/** Checks a history. `keyOf` returns the number that determines a record's key. */
type Judge = (
  events: ReadonlyArray<HistoryEvent>,
  profile: Plan["profile"],
  keyOf: (record: number) => number
) => ReadonlyArray<string>

/** Reads payloads. */
export type Payloads = Pick<Records, "recogniseAll">

/**
 * The checker's violations. A history that it cannot read counts as one, so that the run is
 * reported.
 */
const judged = (judge: Judge, ...history: Parameters<Judge>): ReadonlyArray<string> => {
  try {
    return judge(...history)
  } catch (error) {
    return [`the checker failed: ${error instanceof Error ? error.stack : String(error)}`]
  }
}

/** Runs a program in the world of a plan. */
export const simulate = (
  seed: string,
  plan: Plan,
  users: (world: SoleWorld) => Effect.Effect<void, never, Zerobus>,
  long?: LongRun,
  judge: Judge = check,
  records: Payloads = new Records()
): RunResult => {
  const random = makeRandom(`${seed}/run`)
  const time = new VirtualTime(random.fork("schedule"), plan.schedule)
  const history = new History(time, long?.archive)
  if (long !== undefined) time.maxTasks = Infinity
  const network = new Network({ time, history, plan, records, random: random.fork("network") })
  const store = new Store({
    time,
    history,
    records,
    random: random.fork("store"),
    fsync: plan.fsync,
    poison: plan.poison
  })
  const tokens =
    plan.tokens === undefined
      ? new Tokens(time, history, plan)
      : new TokenService({
          time,
          history,
          plan,
          tokens: plan.tokens,
          random: random.fork("tokenService")
        })
  const hostility = new Hostility(random.fork("hostility"), plan.hostile)
  const server = new Server({
    time,
    history,
    network,
    store,
    plan,
    random: random.fork("server"),
    expired: tokens.expired
  })
  const world: SoleWorld = {
    time,
    history,
    records: records instanceof Records ? records : new Records(),
    random: random.fork("users"),
    plan,
    hostility,
    tokens,
    strike: (fault) => server.strike(fault),
    streams: 0,
    readers: 0
  }

  const noHeaders = Layer.succeed(HeadersProvider, {
    getHeaders: () =>
      Effect.fail(
        new InvalidToken({ message: "Every simulated stream has a provider of its own." })
      )
  })
  const client = Zerobus.layerNoDeps.pipe(
    Layer.provide([noHeaders, network.layer((link, headers) => server.accept(link, headers))])
  )
  server.start()
  long?.begun(world)
  const context = hostility.services(time.context())
  const { main, terminated } = hostility.during(() => {
    const main = Effect.runForkWith(context)(Effect.provide(users(world), client))
    return { main, terminated: time.run(() => main.pollUnsafe() !== undefined) }
  })
  const exit = main.pollUnsafe()
  const violations: Array<string> = []
  if (!terminated)
    violations.push("LIVE: the run did not come to an end (more than 1,000,000 turns)")
  else if (exit === undefined) violations.push("LIVE: the program is stuck: nothing can wake it")
  else if (Exit.isFailure(exit)) violations.push(`the program died: ${String(exit.cause)}`)
  // Watchers end by themselves once their stream has ended.
  if (exit !== undefined) {
    tokens.stop()
    hostility.during(() => time.drain())
  }
  history.add({
    e: "left",
    fibers: time.fibers,
    sleeps: time.sleeps,
    open: network.openConnections,
    unfinished: 0
  })
  for (const error of hostility.foreign) violations.push(`defect: the client reported ${error}`)
  // The history of a run in an endless loop is too long to be checked.
  const { events } = history
  if (terminated)
    violations.push(...judged(judge, events, plan.profile, (record) => world.records.keyOf(record)))
  const statistics = statisticsOf(events, network.links.length, tokens, time.now)
  return { seed, plan, history, hash: history.hash, violations, statistics }
}

/** Counts events of a run. */
export const statisticsOf = (
  events: ReadonlyArray<HistoryEvent>,
  connections: number,
  { expiries, mints }: Pick<Credentials, "mints" | "expiries">,
  virtualMillis: number
): Statistics => {
  const durable = events.flatMap((event) => (event.e === "durable" ? event.records : []))
  return {
    records: events.reduce(
      (sum, event) => sum + (event.e === "call" ? (event.records?.length ?? 0) : 0),
      0
    ),
    durable: new Set(durable).size,
    duplicates: durable.length - new Set(durable).size,
    connections,
    mints,
    expiries,
    virtualMillis
  }
}
