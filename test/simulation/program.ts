/**
 * The users of a run: fibers that open streams and make calls of every kind, in an order and with
 * interruptions that the seed decides.
 */
import { Effect, Exit, Scheduler, Scope, Stream } from "effect"
import { Zerobus } from "effect-zerobus"
import {
  checkNothingLeft,
  closeScope,
  hasOpened,
  ingestBatch,
  ingestMisfit,
  ingestOne,
  type Life,
  offer,
  offerMisfit,
  perhapsInterrupted,
  probe,
  recorded,
  settle,
  stage,
  type World
} from "./calls.ts"
import { runToSink, sinkLife, withStreamLife } from "./faces.ts"
import type { Outcome } from "./history.ts"
import type { StreamPlan } from "./plan.ts"
import { awaitReaders, startReaders } from "./readers.ts"
import type { SeededRandom } from "./seededRandom.ts"

/** Runs all streams of the plan. */
export const program = (world: World): Effect.Effect<void, never, Zerobus> =>
  Effect.forEach(
    world.plan.streams,
    (plan, index) => lifeOf(world, plan, world.random.fork(`life${index}`)),
    {
      concurrency: "unbounded",
      discard: true
    }
  )

const lifeOf = (
  world: World,
  plan: StreamPlan,
  random: SeededRandom
): Effect.Effect<void, never, Zerobus> => {
  switch (plan.wider?.face) {
    case "withStream":
      return Effect.andThen(
        Effect.sleep(plan.startAt),
        withStreamLife(world, plan, random, (life) =>
          Effect.andThen(use(world, life), flushAndProbe(world, life))
        )
      )
    case "sink":
      return Effect.andThen(Effect.sleep(plan.startAt), sinkLife(world, plan, random))
    default:
      return ownLife(world, plan, random)
  }
}

/** Keeps the stream of a caller that is interrupted right after it received it. */
const keeper = () => {
  let stream: Life["stream"] | undefined
  const keep = (given: Life["stream"]): Outcome => {
    stream = given
    return { _tag: "Done" }
  }
  return { keep, kept: () => stream }
}

/** Opens with `createStream`, uses, leaves, and recreates. */
const ownLife = (
  world: World,
  plan: StreamPlan,
  random: SeededRandom
): Effect.Effect<void, never, Zerobus> =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    // Without a timer, streams due at the same moment start together.
    if (plan.startAt > 0 || plan.wider === undefined) yield* Effect.sleep(plan.startAt)
    const scope = yield* Scope.make()
    const current = { id: world.streams++ }
    const { options, table } = stage(world, plan, current, random)
    const created = keeper()
    const scheduling = world.hostility.scheduler(yield* Scheduler.Scheduler)
    yield* perhapsInterrupted(
      world,
      random,
      plan.interrupts / 4,
      recorded(
        world,
        { stream: current.id, op: "createStream", settings: plan.settings },
        zerobus
          .createStream(table, options)
          .pipe(
            Scope.provide(scope),
            Effect.provideService(Scheduler.Scheduler, scheduling.scheduler)
          ),
        created.keep
      )
    )
    const first = created.kept()
    scheduling.arm()
    if (first === undefined) {
      yield* checkNothingLeft(world, current.id)
      return yield* Scope.close(scope, Exit.void)
    }
    let life: Life = { id: current.id, plan, stream: first, acks: [], readers: [], random }
    let living = scope
    yield* use(world, life)
    for (let round = 0; ; round++) {
      const early = random.chance(0.5)
      yield* leave(world, life)
      if (!early) yield* closeScope(world, life, living)
      yield* settle(world, life)
      const ended = life
      const again = round < plan.recreates
      const next = { id: world.streams++ }
      const nextScope = yield* Scope.make()
      if (again) {
        const before = current.id
        current.id = next.id
        const recreated = keeper()
        yield* perhapsInterrupted(
          world,
          random,
          plan.interrupts / 4,
          recorded(
            world,
            { stream: next.id, op: "recreateStream", settings: plan.settings, from: before },
            zerobus.recreateStream(ended.stream).pipe(Scope.provide(nextScope)),
            recreated.keep
          )
        )
        const stream = recreated.kept()
        if (stream !== undefined)
          life = { id: next.id, plan, stream, acks: [], readers: [], random }
        // A stream that had opened when its caller was interrupted belongs to the scope and lives
        // until the scope closes.
        else if (!hasOpened(world, next.id)) current.id = before
        if (random.chance(0.3)) {
          // The second recreate must be refused; after a failed first one it may work, so it is not
          // tried then.
          if (stream !== undefined) {
            yield* Effect.exit(
              recorded(
                world,
                { stream: ended.id, op: "recreateAgain" },
                Effect.scoped(zerobus.recreateStream(ended.stream))
              )
            )
          }
        }
      }
      if (early) yield* closeScope(world, ended, living)
      yield* settle(world, ended)
      if (plan.wider !== undefined) yield* awaitReaders(ended)
      if (life === ended) {
        yield* Scope.close(nextScope, Exit.void)
        return
      }
      living = nextScope
      yield* use(world, life)
    }
  })

/** Watchers and workers at the same time. Ends when the workers have ended. */
const use = (world: World, life: Life): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { history } = world
    const { callbacks = 0 } = life.plan.wider ?? {}
    if (life.plan.wider !== undefined) yield* startReaders(world, life)
    else {
      yield* Effect.forkDetach(
        life.stream.durableOffsets.pipe(
          Stream.runForEach((offset) =>
            Effect.sync(() => history.add({ e: "watermark", stream: life.id, reader: 0, offset }))
          ),
          Effect.exit
        )
      )
      yield* Effect.forkDetach(
        life.stream.stateChanges.pipe(
          Stream.runForEach((state) =>
            Effect.sync(() => history.add({ e: "state", stream: life.id, reader: 0, state }))
          )
        )
      )
    }
    for (let i = 0; i < callbacks; i++) {
      const own = life.random.fork(`callback${i}`)
      world.time.after(own.int(life.plan.pace * life.plan.operations + 10), () =>
        offer(world, life, own)
      )
    }
    yield* Effect.forEach(
      Array.from({ length: life.plan.workers }, (_, index) => index),
      (index) => worker(world, life, life.random.fork(`worker${index}`)),
      { concurrency: "unbounded", discard: true }
    )
  })

const worker = Effect.fnUntraced(function* (world: World, life: Life, random: SeededRandom) {
  const { interrupts, operations, pace } = life.plan
  for (let i = 0; i < operations; i++) {
    if (pace > 0 && random.chance(0.5)) yield* Effect.sleep(random.int(pace))
    yield* perhapsInterrupted(world, random, interrupts, step(world, life, random))
  }
})

/** One call of a user, or a pause. */
export const step = (
  world: World,
  life: Life,
  random: SeededRandom
): Effect.Effect<unknown, unknown> => {
  const { stream } = life
  const { wider } = life.plan
  if (wider !== undefined && random.chance(wider.steps)) return widerStep(world, life, random)
  const dice = random.float()
  if (dice < 0.4) return ingestOne(world, life, random)
  if (dice < 0.55) return ingestBatch(world, life, random)
  if (dice < 0.7) return Effect.sync(() => offer(world, life, random))
  if (dice < 0.85 && life.acks.length > 0) {
    const ack = random.pick(life.acks)
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
  if (dice < 0.9) {
    const offset = random.int(life.acks.length + 3)
    return recorded(
      world,
      { stream: life.id, op: "waitForOffset", offset },
      stream.waitForOffset(offset as never),
      (value) => ({ _tag: "Offset", offset: value })
    )
  }
  if (dice < 0.96) return recorded(world, { stream: life.id, op: "flush" }, stream.flush)
  if (dice < 0.97) return recorded(world, { stream: life.id, op: "close" }, stream.close)
  if (dice < 0.985) {
    return recorded(world, { stream: life.id, op: "unackedWhileOpen" }, stream.getUnackedRecords)
  }
  return Effect.sleep(random.int(500))
}

/** Calls added in the second generation. */
const widerStep = (
  world: World,
  life: Life,
  random: SeededRandom
): Effect.Effect<unknown, unknown> => {
  const { stream } = life
  const dice = random.float()
  if (dice < 0.3) return ingestMisfit(world, life, random)
  if (dice < 0.4) return Effect.sync(() => offerMisfit(world, life))
  if (dice < 0.7) return runToSink(world, life, random)
  if (dice < 0.8) {
    // Several calls of one user at a time.
    return Effect.all(
      [
        ingestOne(world, life, random),
        ingestBatch(world, life, random),
        ingestOne(world, life, random)
      ],
      {
        concurrency: "unbounded"
      }
    )
  }
  if (dice < 0.9) return Effect.andThen(ingestOne(world, life, random), Effect.yieldNow)
  return recorded(world, { stream: life.id, op: "unackedWhileOpen" }, stream.getUnackedBatches)
}

/**
 * Whether the room of a stream can be counted by filling it, without another user filling it at the
 * same time.
 */
const hasCountableRoom = ({ settings, wider }: StreamPlan): boolean =>
  settings.maxInflightRecords <= 100 &&
  settings.maxInflightBytes >= 100_000_000 &&
  (wider?.callbacks ?? 0) === 0

/** With everything durable, the whole room is free. */
const flushAndProbe = (world: World, life: Life) =>
  Effect.gen(function* () {
    if (life.plan.leave !== "flushAndClose") return
    const flushed = yield* Effect.exit(
      recorded(world, { stream: life.id, op: "flush" }, life.stream.flush)
    )
    if (Exit.isFailure(flushed) || !hasCountableRoom(life.plan)) return
    yield* Effect.sync(() => probe(world, life, life.plan.settings.maxInflightRecords))
  })

/** The users have finished: the ways to leave a stream. */
const leave = (world: World, life: Life) =>
  Effect.gen(function* () {
    const { plan, stream } = life
    const close = recorded(world, { stream: life.id, op: "close" }, stream.close)
    const { maxInflightRecords } = plan.settings
    if (plan.leave === "flushAndClose") {
      const flushed = yield* Effect.exit(
        recorded(world, { stream: life.id, op: "flush" }, stream.flush)
      )
      if (Exit.isSuccess(flushed) && hasCountableRoom(plan)) {
        yield* Effect.sync(() => probe(world, life, maxInflightRecords))
      }
    }
    if (plan.leave === "scope") return
    if (plan.leave === "concurrentCloses") {
      // A caller that gives up on closing must not stop the close for the others.
      yield* Effect.all(
        [0.7, 0.3, 0].map((probability) =>
          perhapsInterrupted(world, life.random, probability, close)
        ),
        { concurrency: "unbounded" }
      )
    } else yield* perhapsInterrupted(world, life.random, plan.interrupts, close)
  })
