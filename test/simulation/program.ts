/**
 * The users of a run: fibers that open streams and call everything there is, in an order and with interruptions that the seed decides.
 */
import { Effect, Exit, Scope, Stream } from "effect"
import { Zerobus } from "effect-zerobus"
import {
  checkNothingLeft,
  closeScope,
  ingestBatch,
  ingestOne,
  type Life,
  offer,
  perhapsInterrupted,
  probe,
  recorded,
  settle,
  stage,
  type World
} from "./calls.ts"
import type { StreamPlan } from "./plan.ts"
import type { SeededRandom } from "./seededRandom.ts"

/** Runs all streams of the plan. */
export const program = (world: World): Effect.Effect<void, never, Zerobus> =>
  Effect.forEach(world.plan.streams, (plan, index) => lifeOf(world, plan, world.random.fork(`life${index}`)), {
    concurrency: "unbounded",
    discard: true
  })

const lifeOf = (world: World, plan: StreamPlan, random: SeededRandom): Effect.Effect<void, never, Zerobus> =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    yield* Effect.sleep(plan.startAt)
    const scope = yield* Scope.make()
    const current = { id: world.streams++ }
    const { options, table } = stage(world, plan, current, random)
    const opened = yield* perhapsInterrupted(
      world,
      random,
      plan.interrupts / 4,
      recorded(
        world,
        { stream: current.id, op: "createStream", settings: plan.settings },
        zerobus.createStream(table, options).pipe(Scope.provide(scope))
      )
    )
    if (Exit.isFailure(opened)) {
      yield* checkNothingLeft(world, current.id)
      return yield* Scope.close(scope, Exit.void)
    }
    let life: Life = { id: current.id, plan, stream: opened.value, acks: [], random }
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
        const recreated = yield* perhapsInterrupted(
          world,
          random,
          plan.interrupts / 4,
          recorded(
            world,
            { stream: next.id, op: "recreateStream", settings: plan.settings, from: before },
            zerobus.recreateStream(ended.stream).pipe(Scope.provide(nextScope))
          )
        )
        if (Exit.isSuccess(recreated)) life = { id: next.id, plan, stream: recreated.value, acks: [], random }
        else current.id = before
        if (random.chance(0.3)) {
          // The second time must be refused; after a failed first time it may work, so it is not tried then.
          if (Exit.isSuccess(recreated)) {
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
      if (life === ended) {
        yield* Scope.close(nextScope, Exit.void)
        return
      }
      living = nextScope
      yield* use(world, life)
    }
  })

/** Watchers and workers at the same time; ends when the workers have. */
const use = (world: World, life: Life): Effect.Effect<void, never, Zerobus> =>
  Effect.gen(function* () {
    const { history } = world
    yield* Effect.forkDetach(
      life.stream.durableOffsets.pipe(
        Stream.runForEach((offset) => Effect.sync(() => history.add({ e: "watermark", stream: life.id, offset }))),
        Effect.exit
      )
    )
    yield* Effect.forkDetach(
      life.stream.stateChanges.pipe(
        Stream.runForEach((state) => Effect.sync(() => history.add({ e: "state", stream: life.id, state })))
      )
    )
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

const step = (world: World, life: Life, random: SeededRandom): Effect.Effect<unknown, unknown> => {
  const { stream } = life
  const dice = random.float()
  if (dice < 0.4) return ingestOne(world, life, random)
  if (dice < 0.55) return ingestBatch(world, life, random)
  if (dice < 0.7) return Effect.sync(() => offer(world, life, random))
  if (dice < 0.85 && life.acks.length > 0) {
    const ack = random.pick(life.acks)
    return recorded(world, { stream: life.id, op: "await", offset: ack.offset }, ack.await, (offset) => ({
      _tag: "Offset",
      offset
    }))
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

/** The users are done: the ways to leave a stream. */
const leave = (world: World, life: Life) =>
  Effect.gen(function* () {
    const { plan, stream } = life
    const close = recorded(world, { stream: life.id, op: "close" }, stream.close)
    const { maxInflightBytes, maxInflightRecords } = plan.settings
    if (plan.leave === "flushAndClose") {
      const flushed = yield* Effect.exit(recorded(world, { stream: life.id, op: "flush" }, stream.flush))
      if (Exit.isSuccess(flushed) && maxInflightRecords <= 100 && maxInflightBytes >= 100_000_000) {
        yield* Effect.sync(() => probe(world, life, maxInflightRecords))
      }
    }
    if (plan.leave === "scope") return
    if (plan.leave === "concurrentCloses") {
      // Who gives up on closing must not take it away from the others.
      yield* Effect.all(
        [0.7, 0.3, 0].map((probability) => perhapsInterrupted(world, life.random, probability, close)),
        { concurrency: "unbounded" }
      )
    } else yield* perhapsInterrupted(world, life.random, plan.interrupts, close)
  })
