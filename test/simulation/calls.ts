/** The calls of a run's users. The history records the beginning and end of each. */
import { type Context, Effect, Exit, Fiber, Scope } from "effect"
import type { RecordAck, ZerobusStream } from "effect-zerobus"
import type { History, Outcome } from "./history.ts"
import { interruptedOutcome, outcomeOf } from "./outcomes.ts"
import type { Format, Plan, StreamPlan, TimedFault } from "./plan.ts"
import { type Records, tables } from "./records.ts"
import type { Hostility } from "./hostile.ts"
import type { SeededRandom } from "./seededRandom.ts"
import type { Credentials } from "./tokens.ts"
import type { Turns } from "./virtualTime.ts"

/** State that the users share. */
export interface World {
  readonly time: Turns
  readonly history: History
  readonly records: Records
  readonly random: SeededRandom
  readonly plan: Plan
  readonly tokens: Credentials
  /** Users whose code throws. */
  readonly hostility: Hostility
  /** Causes a fault now. */
  readonly strike: (fault: TimedFault) => void
  streams: number
  readers: number
}

/** A stream and the state its users keep about it. */
export interface Life {
  readonly id: number
  readonly plan: StreamPlan
  readonly stream: ZerobusStream<any>
  readonly acks: Array<RecordAck>
  /** Readers of the stream's states and offsets, to be awaited after its end. */
  readonly readers: Array<Fiber.Fiber<unknown>>
  readonly random: SeededRandom
}

/** Runs a call, and records when it began and how it ended. */
export const recorded = <A, E, R>(
  world: World,
  fields: Parameters<History["call"]>[0],
  effect: Effect.Effect<A, E, R>,
  describe: (value: A) => Outcome = () => ({ _tag: "Done" })
): Effect.Effect<A, E, R> =>
  // If a caller is interrupted after the call was recorded, its end must be recorded too.
  Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      const id = world.history.call(fields)
      return Effect.onExit(restore(effect), (exit) =>
        Effect.sync(() =>
          world.history.add({ e: "return", id, outcome: outcomeOf(exit, describe) })
        )
      )
    })
  )

/**
 * Runs the effect in a separate fiber and, at random, interrupts it: after some turns of the event
 * loop, after some operations of the fiber, or after a time. `before` runs right before the
 * interruption.
 */
export const perhapsInterrupted = <A, E, R>(
  { hostility, plan, time }: World,
  random: SeededRandom,
  probability: number,
  effect: Effect.Effect<A, E, R>,
  before: () => void = () => {}
): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.gen(function* () {
    if (!random.chance(probability)) {
      return hostility.observes
        ? yield* observed(hostility, time, effect)
        : yield* Effect.exit(effect)
    }
    const fiber = yield* Effect.forkChild(effect, { startImmediately: random.chance(0.5) })
    const strike = () => {
      if (fiber.pollUnsafe() !== undefined) return
      before()
      fiber.interruptUnsafe()
    }
    if (plan.generation > 1 && random.chance(0.4)) {
      const takeBack = time.strikeAfter(fiber, random.int(random.pick([4, 20, 100])), strike)
      return yield* Effect.onExit(Fiber.await(fiber), () => Effect.sync(takeBack))
    }
    if (random.chance(0.6)) {
      const hop = (left: number): void => {
        if (left === 0) strike()
        else time.soon(() => hop(left - 1))
      }
      hop(random.int(random.pick([3, 12])))
    } else time.after(random.pick([0, 1, 30, 2_000]), strike)
    return yield* Fiber.await(fiber)
  })

/**
 * Runs the effect in a fiber whose observer throws. The next task of the loop continues with its
 * exit.
 */
const observed = <A, E, R>(
  hostility: Hostility,
  time: Turns,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.callback<Exit.Exit<A, E>>((resume) =>
      hostility.fork(context as never, effect as Effect.Effect<A, E>, (exit) =>
        time.soon(() => resume(Effect.succeed(exit)))
      )
    )
  )

/**
 * The table and options of a stream; `current` names the stream that credentials and unacknowledged
 * records belong to.
 */
export const stage = (
  world: World,
  plan: StreamPlan,
  current: { readonly id: number },
  random: SeededRandom
) => {
  const { history } = world
  const provider = world.tokens.provider(current, plan.invalidates, random.fork("tokens"))
  const table = tables[plan.format]
  const { keys } = plan.settings
  const options = {
    ...plan.options,
    ...(keys === undefined
      ? {}
      : { laneKey: (record: any) => world.records.keyOf(world.records.recognise(record)) % keys }),
    headersProvider: provider,
    ...(plan.refusing?.handles === true
      ? {
          onRefused: (refused: { readonly offset: number; readonly records: ReadonlyArray<any> }) =>
            Effect.sync(() =>
              history.add({
                e: "refused",
                stream: current.id,
                offset: refused.offset,
                records: refused.records.map((record) => world.records.recognise(record))
              })
            )
        }
      : {}),
    onUnacked: (unacked: {
      readonly records: ReadonlyArray<any>
      readonly cause: { readonly _tag: string }
    }) =>
      Effect.sync(() =>
        history.add({
          e: "unacked",
          stream: current.id,
          records: unacked.records.map((record) => world.records.recognise(record)),
          cause: unacked.cause._tag
        })
      )
  }
  return { options, table }
}

/**
 * After a failed or interrupted open, nothing may remain in the background, although the scope is
 * still open. A stream that was open when its caller was interrupted belongs to the scope, like
 * every acquired resource.
 */
export const checkNothingLeft = (world: World, stream: number) =>
  Effect.sync(() => {
    const left = new Set<number>()
    for (const event of world.history.events) {
      if (event.e === "open" && event.stream === stream) left.add(event.conn)
      if (event.e === "released" || (event.e === "response" && event.text.created === true))
        left.delete(event.conn)
    }
    if (left.size > 0) {
      const what =
        `opening stream ${stream} was given up, but continues on connection ` +
        `${[...left].join(", ")}`
      world.history.add({ e: "broken", what })
    }
  })

/** Whether a stream is open that its opener may not have received. */
export const hasOpened = (world: World, stream: number): boolean => {
  const conns = new Set<number>()
  let open = false
  for (const event of world.history.events) {
    if (event.e === "open" && event.stream === stream) conns.add(event.conn)
    if (event.e === "response" && conns.has(event.conn) && event.text.created === true) open = true
    if (event.e === "released" && conns.has(event.conn)) open = false
  }
  return open
}

/** Closes the scope of a stream. */
export const closeScope = (world: World, life: Life, scope: Scope.Closeable) =>
  recorded(world, { stream: life.id, op: "closeScope" }, Scope.close(scope, Exit.void))

/** Makes a new record in the stream's format. */
export const makeRecord = (
  world: World,
  { format }: StreamPlan,
  random: SeededRandom,
  key?: number
): { readonly id: number; readonly value: any } => {
  const id = world.records.next(random, format, key)
  return { id, value: world.records.value(id, format) }
}

/** After the call has returned, its buffers and objects belong to the caller again. */
export const reuse = (values: ReadonlyArray<unknown>) => {
  for (const value of values) {
    if (value instanceof Uint8Array) value.fill(0xee)
    else if (typeof value === "object" && value !== null)
      Object.assign(value, { i: -7, p: "the caller's again" })
  }
}

/** Keeps the receipt for later calls. */
export const keep =
  (life: Life) =>
  (ack: RecordAck | undefined): Outcome => {
    if (ack === undefined) return { _tag: "Nothing" }
    life.acks.push(ack)
    return { _tag: "Offset", offset: ack.offset }
  }

/** Ingests a new record. */
export const ingestOne = (world: World, life: Life, random: SeededRandom) =>
  Effect.suspend(() => {
    const { id, value } = makeRecord(world, life.plan, random)
    return recorded(
      world,
      { stream: life.id, op: "ingest", records: [id], bytes: world.records.size(id) },
      life.stream.ingestRecord(value),
      (ack) => {
        reuse([value])
        return keep(life)(ack)
      }
    )
  })

/** A lower bound for the bytes of the records. */
export const sizeOf = (world: World, records: ReadonlyArray<number>): number =>
  records.reduce((sum, id) => sum + world.records.size(id), 0)

/** Ingests a new batch of up to six records. */
export const ingestBatch = (world: World, life: Life, random: SeededRandom) =>
  Effect.suspend(() => {
    const key = world.records.upcoming
    const made = Array.from({ length: random.int(7) }, () =>
      makeRecord(world, life.plan, random, key)
    )
    const values = made.map(({ value }) => value)
    const records = made.map(({ id }) => id)
    return recorded(
      world,
      { stream: life.id, op: "ingestBatch", records, bytes: sizeOf(world, records) },
      life.stream.ingestRecords(values),
      (ack) => {
        reuse(values)
        return keep(life)(ack)
      }
    )
  })

/** Offers a new record without waiting; returns whether it was accepted. */
export const offer = (world: World, life: Life, random: SeededRandom): boolean => {
  const { id, value } = makeRecord(world, life.plan, random)
  const call = world.history.call({
    stream: life.id,
    op: "offer",
    records: [id],
    bytes: world.records.size(id)
  })
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

/** Values that are not records of the stream's format. */
const misfits: Record<Format, unknown> = {
  json: ["no object"],
  proto: "no bytes",
  typed: { i: "no number", p: "" },
  schema: { i: 1, p: 7 }
}

/**
 * Ingests an invalid record, alone or in a batch with valid ones. The whole call must be refused
 * and take no room.
 */
export const ingestMisfit = (world: World, life: Life, random: SeededRandom) =>
  Effect.suspend(() => {
    const made = Array.from({ length: random.int(3) }, () => makeRecord(world, life.plan, random))
    const records = made.map(({ id }) => id)
    const misfit = misfits[life.plan.format]
    const fields = { stream: life.id, op: "ingestMisfit", records, bytes: sizeOf(world, records) }
    return made.length === 0
      ? recorded(world, fields, life.stream.ingestRecord(misfit), keep(life))
      : recorded(
          world,
          fields,
          life.stream.ingestRecords([...made.map(({ value }) => value), misfit]),
          keep(life)
        )
  })

/** Offers an invalid record from a callback. */
export const offerMisfit = (world: World, life: Life) => {
  const call = world.history.call({ stream: life.id, op: "ingestMisfit", records: [] })
  const answer = (outcome: Outcome) => world.history.add({ e: "return", id: call, outcome })
  try {
    answer(keep(life)(life.stream.offerUnsafe(misfits[life.plan.format])))
  } catch (error) {
    answer(outcomeOf(Exit.fail(error), interruptedOutcome))
  }
}

/** With nothing in flight, the whole capacity must be free. */
export const probe = (world: World, life: Life, capacity: number) => {
  let accepted = 0
  while (accepted <= capacity && offer(world, life, life.random.fork(`probe${accepted}`)))
    accepted++
  world.history.add({ e: "probe", stream: life.id, accepted, capacity })
}

/** After the end of the stream: what became of every record. */
export const settle = (world: World, life: Life) =>
  Effect.gen(function* () {
    const describe = (groups: ReadonlyArray<ReadonlyArray<any>>): Outcome => ({
      _tag: "Records",
      groups: groups.map((group) => group.map((record) => world.records.recognise(record)))
    })
    yield* Effect.exit(
      recorded(world, { stream: life.id, op: "unacked" }, life.stream.getUnackedBatches, describe)
    )
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
