/**
 * Interrupts every call at every point: before each operation of its fiber, and before each turn of
 * the event loop while it runs. After each interruption the stream must continue normally: the
 * history passes the checker, the whole capacity is free, a later close ends, and no fiber, timer
 * or connection is left.
 */
import { Effect, Exit, Fiber, Scope } from "effect"
import { Zerobus } from "effect-zerobus"
import {
  checkNothingLeft,
  closeScope,
  hasOpened,
  ingestBatch,
  ingestOne,
  type Life,
  offer,
  probe,
  recorded,
  settle,
  stage,
  type World
} from "./calls.ts"
import { sinkLife, type Striking, withStreamLife } from "./faces.ts"
import type { Outcome, StreamSettings } from "./history.ts"
import { checkLanes } from "./lanes/laneRules.ts"
import type { Plan, StreamPlan } from "./plan.ts"
import { makeRandom } from "./seededRandom.ts"
import { type RunResult, simulate, type SoleWorld } from "./simulation.ts"

const oneLane: StreamSettings = {
  maxInflightRecords: 3,
  maxInflightBytes: 134_217_728,
  recovery: true,
  recoveryTimeout: 5_000,
  recoveryBackoff: 10,
  recoveryRetries: 2,
  serverLackOfAckTimeout: 20_000,
  flushTimeout: 10_000,
  drainTimeout: 50,
  scopeCloseTimeout: 0
}

const streamPlanOf = (lanes: number): StreamPlan => ({
  format: "proto",
  startAt: 0,
  settings: lanes === 1 ? oneLane : { ...oneLane, lanes, keys: 2 * lanes },
  options: lanes === 1 ? oneLane : { ...oneLane, lanes },
  workers: 1,
  operations: 0,
  pace: 0,
  interrupts: 0,
  leave: "close",
  recreates: 0,
  invalidates: true
})

/**
 * Variant 0 is a quiet world; the others differ in pace and in the order of fibers, and lose a
 * connection at some moment.
 */
const planOf = (variant: number, lanes: number): Plan => {
  const random = makeRandom(`variant/${variant}`)
  const quiet = variant === 0
  return {
    generation: 1,
    profile: quiet ? "calm" : "lossy",
    schedule: quiet
      ? { shuffle: 0, yields: 0 }
      : { shuffle: random.pick([0, 0.5]), yields: random.pick([0, 0.1]) },
    horizon: 1_000,
    latency: [1, quiet ? 2 : random.between(1, 6)],
    window: quiet ? 2 : random.pick([1, 2, 16]),
    sentLag: quiet ? 1 : random.pick([0, 1, 5]),
    fsync: [2, 2],
    ackInterval: 0,
    streamLife: Infinity,
    closeGrace: 0,
    readDelay: 0,
    maxUndurableBytes: 1_000_000,
    tokenLife: Infinity,
    tokenFailures: 0,
    poison: false,
    faults: quiet ? [] : [{ at: random.between(3, 25), kind: "cut", sees: "both", otherAfter: 0 }],
    streams: [streamPlanOf(lanes)]
  }
}

/** Runs users in the world of a variant, whose streams have this many lanes. */
const run = (
  name: string,
  variant: number,
  lanes: number,
  users: (world: SoleWorld, streamPlan: StreamPlan) => Effect.Effect<void, never, Zerobus>
): RunResult => {
  const plan = planOf(variant, lanes)
  const seed = `interruption ${variant} ${name}`
  return simulate(
    seed,
    plan,
    (world) => users(world, plan.streams[0]!),
    undefined,
    lanes === 1 ? undefined : checkLanes
  )
}

type Where = { readonly by: "operation" | "turn"; readonly at: number }

/**
 * Runs the call and interrupts it at the given point, after it calls `before`; counts its points.
 */
const interrupted = <A, E, R>(
  world: SoleWorld,
  where: Where | undefined,
  counts: { operations: number; turns: number },
  call: Effect.Effect<A, E, R>,
  before: () => void = () => {}
) =>
  Effect.gen(function* () {
    const { time } = world
    const fiber = yield* Effect.forkChild(call)
    const strike = () => {
      if (fiber.pollUnsafe() !== undefined) return
      before()
      fiber.interruptUnsafe()
    }
    let operations = 0
    let turns = 0
    time.onOperation = (current) => {
      if (current !== fiber || fiber.pollUnsafe() !== undefined) return false
      const due = where?.by === "operation" && where.at === operations
      operations++
      if (due) time.soon(strike)
      return due
    }
    time.onTask = () => {
      if (fiber.pollUnsafe() !== undefined) return
      if (where?.by === "turn" && where.at === turns) strike()
      turns++
    }
    const exit = yield* Fiber.await(fiber)
    time.onOperation = undefined
    time.onTask = undefined
    counts.operations = operations
    counts.turns = turns
    return exit
  })

type Scenario = (world: World, life: Life) => Effect.Effect<unknown, unknown, Zerobus>

const fill = (world: World, life: Life) =>
  Effect.sync(() => {
    for (let i = 0; i < 5 && offer(world, life, life.random); i++);
  })

const close = (world: World, life: Life) =>
  recorded(world, { stream: life.id, op: "close" }, life.stream.close)
const flush = (world: World, life: Life) =>
  recorded(world, { stream: life.id, op: "flush" }, life.stream.flush)

/** The interrupted call, in each situation. */
const scenarios: Record<
  string,
  { readonly before?: Scenario; readonly call: Scenario; readonly closes?: boolean }
> = {
  "ingestRecord with room": { call: (world, life) => ingestOne(world, life, life.random) },
  "ingestRecord waiting for room": {
    before: fill,
    call: (world, life) => ingestOne(world, life, life.random)
  },
  "ingestRecords with room": {
    call: (world, life) => ingestBatch(world, life, makeRandom("batch"))
  },
  "ingestRecords waiting for room": {
    before: fill,
    call: (world, life) => ingestBatch(world, life, makeRandom("batch"))
  },
  "flush": { before: fill, call: flush },
  "awaiting an acknowledgement": {
    before: fill,
    call: (world, life) => {
      const ack = life.acks[1]!
      return recorded(
        world,
        { stream: life.id, op: "await", offset: ack.offset },
        ack.await,
        (offset) => ({
          _tag: "Offset",
          offset
        })
      )
    }
  },
  "waitForOffset": {
    before: fill,
    call: (world, life) =>
      recorded(
        world,
        { stream: life.id, op: "waitForOffset", offset: 2 },
        life.stream.waitForOffset(2 as never),
        (offset) => ({ _tag: "Offset", offset })
      )
  },
  "close": { before: fill, call: close, closes: true },
  "close while another one runs": {
    before: (world, life) =>
      Effect.andThen(fill(world, life), Effect.forkDetach(Effect.exit(close(world, life)))),
    call: close,
    closes: true
  }
}

/** One run with one interruption. */
const runCall = (
  variant: number,
  lanes: number,
  name: string,
  where: Where | undefined,
  counts: { operations: number; turns: number }
) => {
  const scenario = scenarios[name]!
  return run(name, variant, lanes, (world, streamPlan) =>
    Effect.gen(function* () {
      const { settings } = streamPlan
      const zerobus = yield* Zerobus
      const scope = yield* Scope.make()
      const current = { id: world.streams++ }
      const { options, table } = stage(world, streamPlan, current, world.random)
      const stream = yield* Effect.orDie(
        recorded(
          world,
          { stream: current.id, op: "createStream", settings },
          zerobus.createStream(table, options).pipe(Scope.provide(scope))
        )
      )
      const life: Life = {
        id: current.id,
        plan: streamPlan,
        stream,
        acks: [],
        readers: [],
        random: makeRandom("records")
      }
      if (scenario.before !== undefined) yield* Effect.exit(scenario.before(world, life))
      yield* interrupted(world, where, counts, scenario.call(world, life))
      if (scenario.closes !== true) {
        // Everything still works, and the whole capacity is available.
        yield* Effect.exit(ingestOne(world, life, life.random))
        yield* Effect.orDie(flush(world, life))
        yield* Effect.sync(() => probe(world, life, settings.maxInflightRecords))
      }
      yield* Effect.exit(close(world, life))
      yield* closeScope(world, life, scope)
      yield* settle(world, life)
    })
  )
}

/**
 * Opening is interrupted. A stream that is not open yet is gone while the caller's scope is still
 * open, and records that a recreate had taken over can be taken again.
 */
const runOpening = (
  variant: number,
  lanes: number,
  again: boolean,
  where: Where | undefined,
  counts: { operations: number; turns: number }
) =>
  run(`of opening ${again}`, variant, lanes, (world, streamPlan) =>
    Effect.gen(function* () {
      const { settings } = streamPlan
      const zerobus = yield* Zerobus
      const random = makeRandom("records")
      const current = { id: world.streams++ }
      const { options, table } = stage(world, streamPlan, current, random)
      /** The stream, even if the caller was interrupted right after it received it. */
      let made: Life | undefined
      const keep = (stream: Life["stream"]): Outcome => {
        made = { id: current.id, plan: streamPlan, stream, acks: [], readers: [], random }
        return { _tag: "Done" }
      }
      const create = (scope: Scope.Scope) =>
        recorded(
          world,
          { stream: current.id, op: "createStream", settings },
          zerobus.createStream(table, options).pipe(Scope.provide(scope)),
          keep
        )
      const scope = yield* Scope.make()
      if (!again) yield* interrupted(world, where, counts, create(scope))
      else {
        yield* Effect.orDie(create(scope))
        const first = made!
        yield* fill(world, first)
        // Too quick for the records to become durable, so they are left unacknowledged.
        yield* closeScope(world, first, scope)
        yield* settle(world, first)
        made = undefined
        const recreate = Effect.suspend(() => {
          current.id = world.streams++
          return recorded(
            world,
            { stream: current.id, op: "recreateStream", settings, from: first.id },
            zerobus.recreateStream(first.stream).pipe(Scope.provide(second)),
            keep
          )
        })
        const second = yield* Scope.make()
        yield* interrupted(world, where, counts, recreate)
        if (made === undefined) {
          yield* checkNothingLeft(world, current.id)
          const exit = yield* Effect.exit(recreate)
          // Only an open stream that belongs to the scope may have kept the records.
          if (Exit.isFailure(exit) && !hasOpened(world, current.id - 1)) {
            world.history.add({ e: "broken", what: "an interrupted recreate has lost the records" })
          }
        }
        if (made !== undefined) return yield* finish(world, made, second)
        return yield* Scope.close(second, Exit.void)
      }
      if (made !== undefined) return yield* finish(world, made, scope)
      yield* checkNothingLeft(world, current.id)
      yield* Scope.close(scope, Exit.void)
    })
  )

const finish = (world: World, life: Life, scope: Scope.Closeable) =>
  Effect.gen(function* () {
    yield* Effect.exit(ingestOne(world, life, life.random))
    yield* Effect.exit(flush(world, life))
    yield* Effect.exit(close(world, life))
    yield* closeScope(world, life, scope)
    yield* settle(world, life)
  })

/**
 * The calls that open a stream, use it and close it. Wherever they are interrupted, nothing of
 * their stream is left.
 */
const wholes: Record<
  string,
  (world: World, plan: StreamPlan, strike: Striking) => Effect.Effect<void, never, Zerobus>
> = {
  withStream: (world, plan, strike) =>
    withStreamLife(
      world,
      plan,
      makeRandom("whole"),
      (life) =>
        Effect.gen(function* () {
          yield* fill(world, life)
          yield* Effect.exit(ingestOne(world, life, life.random))
          yield* Effect.exit(flush(world, life))
          yield* fill(world, life)
        }),
      strike
    ),
  sink: (world, plan, strike) => sinkLife(world, plan, makeRandom("whole"), strike)
}

const runWhole = (
  variant: number,
  lanes: number,
  name: string,
  where: Where | undefined,
  counts: { operations: number; turns: number }
) =>
  run(`of ${name}`, variant, lanes, (world, streamPlan) =>
    wholes[name]!(world, { ...streamPlan, operations: 6 }, (effect, before) =>
      interrupted(world, where, counts, effect, before)
    )
  )

/** The calls that can be swept. */
export const calls: ReadonlyArray<string> = [
  ...Object.keys(scenarios),
  ...Object.keys(wholes),
  "createStream",
  "recreateStream"
]

/**
 * Interrupts one call at every point. Returns the number of points, and what went wrong at which.
 */
export const sweep = (
  variant: number,
  name: string,
  lanes = 1
): { readonly points: number; readonly violations: ReadonlyArray<string> } => {
  const runAt = (where: Where | undefined, counts: { operations: number; turns: number }) =>
    name in scenarios
      ? runCall(variant, lanes, name, where, counts)
      : name in wholes
        ? runWhole(variant, lanes, name, where, counts)
        : runOpening(variant, lanes, name === "recreateStream", where, counts)
  const counts = { operations: 0, turns: 0 }
  const violations = runAt(undefined, counts).violations.map(
    (violation) => `not interrupted: ${violation}`
  )
  const points: ReadonlyArray<Where> = [
    ...Array.from({ length: counts.operations }, (_, at) => ({ by: "operation", at }) as const),
    ...Array.from({ length: counts.turns }, (_, at) => ({ by: "turn", at }) as const)
  ]
  for (const where of points) {
    for (const violation of runAt(where, { operations: 0, turns: 0 }).violations) {
      violations.push(`variant ${variant}, interrupted at ${where.by} ${where.at}: ${violation}`)
    }
  }
  return { points: points.length, violations }
}
