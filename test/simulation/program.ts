/**
 * The users of a run: fibers that open streams and call everything there is, in an order and with interruptions that the seed decides.
 */
import { Effect, Exit, Fiber, Scope, Stream } from "effect"
import { type RecordAck, TableProperties, Zerobus, type ZerobusStream } from "effect-zerobus"
import type { History, Outcome } from "./history.ts"
import { interruptedOutcome, outcomeOf } from "./outcomes.ts"
import type { Plan, StreamPlan } from "./plan.ts"
import type { Records } from "./records.ts"
import type { SeededRandom } from "./seededRandom.ts"
import type { Tokens } from "./tokens.ts"
import type { VirtualTime } from "./virtualTime.ts"

const tableName = "main.default.simulated"

/** What the users share. */
export interface World {
  readonly time: VirtualTime
  readonly history: History
  readonly records: Records
  readonly random: SeededRandom
  readonly plan: Plan
  readonly tokens: Tokens
  streams: number
}

/** A stream and what its users know of it. */
interface Life {
  readonly id: number
  readonly plan: StreamPlan
  readonly stream: ZerobusStream<any>
  readonly acks: Array<RecordAck>
  readonly random: SeededRandom
}

/** Runs all streams of the plan. */
export const program = (world: World): Effect.Effect<void, never, Zerobus> =>
  Effect.forEach(world.plan.streams, (plan, index) => lifeOf(world, plan, world.random.fork(`life${index}`)), {
    concurrency: "unbounded",
    discard: true
  })

const recorded = <A, E, R>(
  world: World,
  fields: Parameters<History["call"]>[0],
  effect: Effect.Effect<A, E, R>,
  describe: (value: A) => Outcome = () => ({ _tag: "Done" })
): Effect.Effect<A, E, R> =>
  // Whoever is interrupted after the call was noted must have its end noted, too.
  Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      const id = world.history.call(fields)
      return Effect.onExit(restore(effect), (exit) =>
        Effect.sync(() => world.history.add({ e: "return", id, outcome: outcomeOf(exit, describe) }))
      )
    })
  )

/** Runs the effect in a fiber of its own, and interrupts it at some moment when chance has it so. */
const perhapsInterrupted = <A, E, R>(
  { time }: World,
  random: SeededRandom,
  probability: number,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.gen(function* () {
    if (!random.chance(probability)) return yield* Effect.exit(effect)
    const fiber = yield* Effect.forkChild(effect, { startImmediately: random.chance(0.5) })
    if (random.chance(0.6)) {
      const hop = (left: number): void => {
        if (left === 0) fiber.interruptUnsafe()
        else time.soon(() => hop(left - 1))
      }
      hop(random.int(random.pick([3, 12])))
    } else time.after(random.pick([0, 1, 30, 2_000]), () => fiber.interruptUnsafe())
    return yield* Fiber.await(fiber)
  })

const lifeOf = (world: World, plan: StreamPlan, random: SeededRandom): Effect.Effect<void, never, Zerobus> =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    yield* Effect.sleep(plan.startAt)
    const { history } = world
    const scope = yield* Scope.make()
    const current = { id: world.streams++ }
    const provider = world.tokens.provider(current, plan.invalidates, random.fork("tokens"))
    const table: TableProperties.TableProperties<any> =
      plan.format === "json"
        ? TableProperties.json(tableName)
        : TableProperties.proto(tableName, Uint8Array.of(0x0a, 0x01, 0x78))
    const options = {
      ...plan.options,
      headersProvider: provider,
      onUnacked: (unacked: { readonly records: ReadonlyArray<any>; readonly cause: { readonly _tag: string } }) =>
        Effect.sync(() =>
          history.add({
            e: "unacked",
            stream: current.id,
            records: unacked.records.map((record) => world.records.recognise(record)),
            cause: unacked.cause._tag
          })
        )
    }
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

/** After a failed or interrupted open nothing may go on in the background, although the scope is still open. */
const checkNothingLeft = (world: World, stream: number) =>
  Effect.sync(() => {
    const open = world.history.events
      .filter((event) => event.e === "open" && event.stream === stream)
      .map((event) => (event as { conn: number }).conn)
    const released = new Set(
      world.history.events.filter((event) => event.e === "released").map((event) => (event as { conn: number }).conn)
    )
    const left = open.filter((conn) => !released.has(conn))
    if (left.length > 0)
      world.history.add({
        e: "broken",
        what: `createStream of stream ${stream} gave up and left connection ${left.join(", ")} open`
      })
  })

const closeScope = (world: World, life: Life, scope: Scope.Closeable) =>
  recorded(world, { stream: life.id, op: "closeScope" }, Scope.close(scope, Exit.void))

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

const makeRecord = (world: World, life: Life, random: SeededRandom): { readonly id: number; readonly value: any } => {
  const { format } = life.plan
  const id = world.records.next(random, format)
  return { id, value: format === "json" ? world.records.text(id) : world.records.bytes(id) }
}

/** The caller's buffers are the caller's again after the call has returned. */
const reuse = (values: ReadonlyArray<unknown>) => {
  for (const value of values) if (value instanceof Uint8Array) value.fill(0xee)
}

const keep =
  (life: Life) =>
  (ack: RecordAck | undefined): Outcome => {
    if (ack === undefined) return { _tag: "Nothing" }
    life.acks.push(ack)
    return { _tag: "Offset", offset: ack.offset }
  }

const ingestOne = (world: World, life: Life, random: SeededRandom) =>
  Effect.suspend(() => {
    const { id, value } = makeRecord(world, life, random)
    return recorded(world, { stream: life.id, op: "ingest", records: [id] }, life.stream.ingestRecord(value), (ack) => {
      reuse([value])
      return keep(life)(ack)
    })
  })

const ingestBatch = (world: World, life: Life, random: SeededRandom) =>
  Effect.suspend(() => {
    const made = Array.from({ length: random.int(7) }, () => makeRecord(world, life, random))
    const values = made.map(({ value }) => value)
    const records = made.map(({ id }) => id)
    return recorded(
      world,
      { stream: life.id, op: "ingestBatch", records },
      life.stream.ingestRecords(values),
      (ack) => {
        reuse(values)
        return keep(life)(ack)
      }
    )
  })

const offer = (world: World, life: Life, random: SeededRandom): boolean => {
  const { id, value } = makeRecord(world, life, random)
  const call = world.history.call({ stream: life.id, op: "offer", records: [id] })
  const answer = (outcome: Outcome) => world.history.add({ e: "return", id: call, outcome })
  try {
    const ack = life.stream.offerUnsafe(value)
    reuse([value])
    answer(keep(life)(ack))
    return ack !== undefined
  } catch (error) {
    answer(outcomeOf(Exit.fail(error), interruptedOutcome))
    return false
  }
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

/** With nothing in flight the whole capacity must be free. */
const probe = (world: World, life: Life, capacity: number) => {
  let accepted = 0
  while (accepted <= capacity && offer(world, life, life.random.fork(`probe${accepted}`))) accepted++
  world.history.add({ e: "probe", stream: life.id, accepted, capacity })
}

/** The stream is over: what became of every record. */
const settle = (world: World, life: Life) =>
  Effect.gen(function* () {
    const describe = (groups: ReadonlyArray<ReadonlyArray<any>>): Outcome => ({
      _tag: "Records",
      groups: groups.map((group) => group.map((record) => world.records.recognise(record)))
    })
    yield* Effect.exit(recorded(world, { stream: life.id, op: "unacked" }, life.stream.getUnackedBatches, describe))
    for (const ack of life.acks) {
      const standing = yield* ack.poll
      if (standing._tag === "None") continue
      const exit = standing.value
      world.history.add({
        e: "final",
        stream: life.id,
        offset: ack.offset,
        durable: Exit.isSuccess(exit),
        ...(Exit.isSuccess(exit) ? {} : { error: errorTag(exit) })
      })
    }
  })

const errorTag = (exit: Exit.Exit<unknown, unknown>): string => {
  const outcome = outcomeOf(exit, interruptedOutcome)
  return outcome._tag === "Error" ? outcome.error : outcome._tag
}
