/**
 * One run of many days of virtual time, at a low rate: connections rotate every hour, tokens expire
 * every hour, and a fault occurs every half hour. Streams live for hours, days, or the whole time,
 * and a user who loses one continues with another. All rules apply to the whole run. After the
 * first days nothing may grow: the heap, the buffers, the timers, the stored tokens, the metrics.
 */
import * as V8 from "node:v8"
import * as Vm from "node:vm"
import { Effect, Exit, Metric, Scope, Stream } from "effect"
import { Zerobus } from "effect-zerobus"
import { PackedEvents } from "./archive.ts"
import {
  closeScope,
  type Life,
  perhapsInterrupted,
  recorded,
  settle,
  stage,
  type World
} from "./calls.ts"
import type { HistoryEvent } from "./history.ts"
import { type Format, makeFaults, type Plan, type StreamPlan } from "./plan.ts"
import { step } from "./program.ts"
import { awaitReaders, startReaders } from "./readers.ts"
import { makeRandom, type SeededRandom } from "./seededRandom.ts"
import { simulate, type SoleWorld } from "./simulation.ts"

const hour = 3_600_000
const day = 24 * hour

const streamOptions = {
  maxInflightRecords: 100,
  maxInflightBytes: 1_000_000,
  recovery: true,
  recoveryTimeout: 15_000,
  recoveryBackoff: 2_000,
  recoveryRetries: 20,
  serverLackOfAckTimeout: 60_000,
  flushTimeout: 300_000,
  drainTimeout: 500,
  scopeCloseTimeout: 30_000
}

/** The mean time between two calls of a user, in milliseconds. */
const pace = 4 * 60_000

const userOf = (format: Format): StreamPlan => ({
  format,
  startAt: 0,
  options: streamOptions,
  settings: streamOptions,
  workers: 1,
  operations: 0,
  pace: 0,
  interrupts: 0.05,
  leave: "close",
  recreates: 0,
  invalidates: true,
  wider: { face: "createStream", policy: undefined, readers: 1, callbacks: 0, steps: 0.1, fails: 0 }
})

const planOf = (seed: string, days: number): Plan => {
  const random = makeRandom(`${seed}/soak`)
  const horizon = days * day
  const faults = Array.from({ length: days * 48 }, (_, n) => {
    const [fault] = makeFaults(random.fork(`fault${n}`), "mixed", 1)
    return { ...fault!, at: (n + random.float()) * (hour / 2) }
  })
  return {
    generation: 2,
    soak: true,
    profile: "mixed",
    horizon,
    schedule: { shuffle: 0.1, yields: 0.01 },
    latency: [1, 40],
    window: 16,
    sentLag: 0,
    fsync: [0, 20],
    ackInterval: 5,
    streamLife: hour,
    closeGrace: 5_000,
    readDelay: 0,
    maxUndurableBytes: 1_000_000,
    tokenLife: hour,
    tokenFailures: 0,
    tokens: {
      life: hour,
      lead: 300_000,
      latency: [5, 2_000],
      failures: 0.02,
      hangs: 0.005,
      down: [0, 0]
    },
    poison: false,
    faults,
    streams: [userOf("typed"), userOf("json"), userOf("proto"), userOf("schema")]
  }
}

/** A user: one stream after another, until the days are over. */
const user = (
  world: World,
  plan: StreamPlan,
  random: SeededRandom
): Effect.Effect<void, never, Zerobus> =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const { history, plan: whole, time } = world
    let before: Life | undefined
    while (time.now < whole.horizon) {
      const current = { id: world.streams++ }
      const scope = yield* Scope.make()
      const { options, table } = stage(world, plan, current, random)
      // The records that the last stream left are handed on, together with its provider, which
      // serves the new stream from now on.
      const call = before === undefined ? "createStream" : "recreateStream"
      const opening =
        before === undefined
          ? zerobus.createStream(table, options)
          : zerobus.recreateStream(before.stream)
      if (before !== undefined) names.get(before)!.id = current.id
      const from = before === undefined ? {} : { from: before.id }
      const opened = yield* Effect.exit(
        recorded(
          world,
          { stream: current.id, op: call, settings: plan.settings, ...from },
          opening.pipe(Scope.provide(scope))
        )
      )
      if (Exit.isFailure(opened)) {
        yield* Scope.close(scope, Exit.void)
        if (before !== undefined) names.get(before)!.id = before.id
        yield* Effect.sleep(60_000)
        continue
      }
      const life: Life = {
        id: current.id,
        plan,
        stream: opened.value,
        acks: [],
        readers: [],
        random
      }
      names.set(life, before === undefined ? current : names.get(before)!)
      yield* startReaders(world, life)
      yield* live(
        world,
        life,
        Math.min(whole.horizon, time.now + random.pick([2 * hour, 12 * hour, 5 * day, Infinity]))
      )
      const exit = yield* Effect.exit(
        recorded(world, { stream: life.id, op: "close" }, life.stream.close)
      )
      yield* settle(world, life)
      yield* closeScope(world, life, scope)
      yield* awaitReaders(life)
      // A stream that ended well leaves nothing to take over.
      before = Exit.isFailure(exit) ? life : undefined
      history.add({ e: "fault", what: `a stream ends ${Exit.isFailure(exit) ? "badly" : "well"}` })
    }
    if (before !== undefined) return
  })

/** The stream that the provider of a life serves; recreated streams keep their provider. */
const names = new WeakMap<Life, { id: number }>()

/** Makes calls now and then, until the time is over or the stream has ended. */
const live = (world: World, life: Life, until: number) =>
  Effect.gen(function* () {
    const { random } = life
    let over = false
    const watching = life.stream.stateChanges.pipe(
      Stream.runForEach((state) =>
        Effect.sync(() => {
          over = state === "closed" || state === "failed"
        })
      )
    )
    const calling = Effect.gen(function* () {
      while (!over && world.time.now < until) {
        yield* Effect.sleep(random.int(2 * pace))
        yield* perhapsInterrupted(world, random, life.plan.interrupts, step(world, life, random))
        life.acks.splice(0, life.acks.length - 50)
      }
    })
    yield* Effect.raceFirst(calling, watching)
  })

/** The measurements at the end of a day. */
interface Sample {
  readonly day: number
  readonly heap: number
  readonly buffers: number
  readonly timers: number
  readonly fibers: number
  readonly tokens: number
  readonly metrics: number
}

const collectGarbage = (): (() => void) => {
  V8.setFlagsFromString("--expose-gc")
  return Vm.runInNewContext("gc") as () => void
}

/** The permitted difference between the first third of the days and the last, beyond chance. */
const allowed: Record<Exclude<keyof Sample, "day">, number> = {
  heap: 512 * 1024,
  buffers: 4 * 1024 * 1024,
  timers: 100,
  fibers: 20,
  tokens: 20,
  metrics: 5
}

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/**
 * Compares the beginning with the end. The first days do not count, since caches and pools fill
 * then.
 */
const checkGrowth = (samples: ReadonlyArray<Sample>): ReadonlyArray<string> => {
  const third = Math.max(1, Math.floor(samples.length / 3))
  return (Object.keys(allowed) as Array<keyof typeof allowed>).flatMap((what) => {
    const [early, late] = [samples.slice(third, 2 * third), samples.slice(-third)].map((part) =>
      median(part.map((sample) => sample[what]))
    )
    if (samples.length < 6 || late! <= early! + allowed[what]) return []
    return [
      `growth: ${what} went from ${early} to ${late} between the second third of the days and ` +
        `the last`
    ]
  })
}

/**
 * The time from an ingest call to the durable record: the median in the first third and in the
 * last, in milliseconds.
 */
const durableAfter = (
  events: ReadonlyArray<HistoryEvent>,
  horizon: number
): readonly [number, number] => {
  const begun = new Map<number, number>()
  const parts: [Array<number>, Array<number>] = [[], []]
  for (const event of events) {
    if (event.e === "call") for (const record of event.records ?? []) begun.set(record, event.t)
    if (event.e !== "durable") continue
    for (const record of event.records) {
      const from = begun.get(record)
      if (from === undefined) continue
      begun.delete(record)
      if (from < horizon / 3) parts[0].push(event.t - from)
      else if (from > (horizon / 3) * 2) parts[1].push(event.t - from)
    }
  }
  return [median(parts[0]), median(parts[1])]
}

const mebibytes = (bytes: number): string => (bytes / 1024 / 1024).toFixed(2)

/** Runs `days` days; `say` receives a line per day. */
export const soak = (
  seed: string,
  days: number,
  say: (line: string) => void
): {
  readonly checks: number
  readonly lines: ReadonlyArray<string>
  readonly violations: ReadonlyArray<string>
} => {
  const began = performance.now()
  const plan = planOf(seed, days)
  const archive = new PackedEvents()
  const gc = collectGarbage()
  const samples: Array<Sample> = []
  const sample = (world: SoleWorld, n: number) => {
    gc()
    const { arrayBuffers, heapUsed } = process.memoryUsage()
    const taken: Sample = {
      day: n,
      heap: heapUsed,
      buffers: arrayBuffers - archive.reserved - world.records.reserved,
      timers: world.time.timers,
      fibers: world.time.fibers,
      tokens: world.tokens.size,
      metrics: Metric.snapshotUnsafe(world.time.context()).length
    }
    samples.push(taken)
    say(
      `day ${n}: heap ${mebibytes(taken.heap)} MiB, buffers ${mebibytes(taken.buffers)} MiB, ` +
        `${taken.timers} timers, ` +
        `${taken.fibers} fibers, ${taken.tokens} tokens, ${taken.metrics} metrics, ` +
        `${world.streams} streams so far`
    )
  }
  const users = (world: World) =>
    Effect.forEach(plan.streams, (one, n) => user(world, one, world.random.fork(`user${n}`)), {
      concurrency: "unbounded",
      discard: true
    })
  const { hash, history, statistics, violations } = simulate(`${seed}/soak`, plan, users, {
    archive,
    begun: (world) => {
      for (let n = 1; n <= days; n++) world.time.after(n * day - 1, () => sample(world, n))
    }
  })
  const { events } = history
  const [early, late] = durableAfter(events, plan.horizon)
  const drift =
    late > 1.5 * early + 10
      ? [
          `drift: records were durable after ${early} ms in the first third, after ${late} ms ` +
            `in the last`
        ]
      : []
  const count = (test: (event: HistoryEvent) => boolean) => events.filter(test).length
  const rotations = count((event) => event.e === "response" && event.text.closeAfter !== undefined)
  const faults = count((event) => event.e === "fault" && !event.what.startsWith("a stream ends"))
  const badly = count((event) => event.e === "fault" && event.what === "a stream ends badly")
  return {
    checks: days,
    lines: [
      `${days} days: ${events.length} events, ${statistics.records} records, ` +
        `${statistics.durable} durable, ${statistics.duplicates} duplicates`,
      `${statistics.connections} connections, ${rotations} rotations announced, ${faults} ` +
        `faults, ${badly} streams ended badly`,
      `${statistics.mints} tokens minted, ${statistics.expiries} refused as expired; records ` +
        `durable after ${early.toFixed(0)} ms in the first third, ${late.toFixed(0)} ms in the ` +
        `last`,
      `trace ${hash}, ${((performance.now() - began) / 1000).toFixed(1)} s`
    ],
    violations: [...violations, ...checkGrowth(samples), ...drift]
  }
}
