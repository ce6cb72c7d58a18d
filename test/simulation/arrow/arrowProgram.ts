/**
 * The users of a run with Arrow batches. They open streams, ingest, wait, flush, leave and
 * recreate, with interruptions that the seed decides.
 */
import { Effect, Exit, Option, Scope, Stream } from "effect"
import { type RecordAck, Zerobus, type ZerobusStream } from "effect-zerobus"
import type { ArrowTable } from "../../../src/arrow/index.ts"
import { checkNothingLeft, hasOpened, perhapsInterrupted, recorded, type World } from "../calls.ts"
import type { Outcome } from "../history.ts"
import { interruptedOutcome, outcomeOf } from "../outcomes.ts"
import type { StreamPlan } from "../plan.ts"
import type { SeededRandom } from "../seededRandom.ts"
import { type ArrowRows, arrowTables } from "./arrowRows.ts"

/** A stream and its users' records and receipts. */
interface ArrowLife {
  readonly id: number
  readonly stream: ZerobusStream<ArrowTable.ArrowRecord>
  readonly acks: Array<RecordAck>
}

/** Runs all streams of the plan. */
export const arrowProgram =
  (rows: ArrowRows) =>
  (world: World): Effect.Effect<void, never, Zerobus> =>
    Effect.forEach(
      world.plan.streams,
      (plan, index) => lifeOf(world, rows, plan, world.random.fork(`life${index}`)),
      { concurrency: "unbounded", discard: true }
    )

/** Holds the open stream, even if its opener is interrupted right after it received the stream. */
const keeper = () => {
  let stream: ArrowLife["stream"] | undefined
  const keep = (given: ArrowLife["stream"]): Outcome => {
    stream = given
    return { _tag: "Done" }
  }
  return { keep, kept: () => stream }
}

const lifeOf = Effect.fnUntraced(function* (
  world: World,
  rows: ArrowRows,
  plan: StreamPlan,
  random: SeededRandom
) {
  const zerobus = yield* Zerobus
  const { history } = world
  if (plan.startAt > 0) yield* Effect.sleep(plan.startAt)
  const current = { id: world.streams++ }
  const options = {
    ...plan.options,
    headersProvider: world.tokens.provider(current, plan.invalidates, random.fork("tokens")),
    onUnacked: (unacked: {
      readonly records: ReadonlyArray<ArrowTable.ArrowRecord>
      readonly cause: { readonly _tag: string }
    }) =>
      Effect.sync(() =>
        history.add({
          e: "unacked",
          stream: current.id,
          records: unacked.records.flatMap((record) => rows.rowsOf(record)),
          cause: unacked.cause._tag
        })
      )
  }
  let scope = yield* Scope.make()
  let from: { readonly id: number; readonly stream: ArrowLife["stream"] } | undefined
  for (let round = 0; round <= plan.recreates; round++) {
    const id = round === 0 ? current.id : world.streams++
    const kept = keeper()
    const next = yield* Scope.make()
    const fields = { stream: id, settings: plan.settings }
    const before = current.id
    current.id = id
    yield* perhapsInterrupted(
      world,
      random,
      plan.interrupts / 4,
      from === undefined
        ? recorded(
            world,
            { ...fields, op: "createStream" },
            zerobus
              .createStream(arrowTables[random.pick(["none", "zstd"] as const)], options)
              .pipe(Scope.provide(next)),
            kept.keep
          )
        : recorded(
            world,
            { ...fields, op: "recreateStream", from: from.id },
            zerobus.recreateStream(from.stream).pipe(Scope.provide(next)),
            kept.keep
          )
    )
    const stream = kept.kept()
    if (stream === undefined) {
      if (from === undefined) yield* checkNothingLeft(world, id)
      else if (!hasOpened(world, id)) current.id = before
      yield* Scope.close(next, Exit.void)
      break
    }
    yield* Scope.close(scope, Exit.void)
    scope = next
    const life: ArrowLife = { id, stream, acks: [] }
    yield* use(world, rows, plan, life, random.fork(`use${round}`))
    yield* leave(world, plan, life, random)
    yield* recorded(world, { stream: id, op: "closeScope" }, Scope.close(scope, Exit.void))
    yield* settle(world, rows, life)
    from = { id, stream }
  }
  yield* Scope.close(scope, Exit.void)
})

/** A reader of the watermark, and workers. Ends when the workers have ended. */
const use = Effect.fnUntraced(function* (
  world: World,
  rows: ArrowRows,
  plan: StreamPlan,
  life: ArrowLife,
  random: SeededRandom
) {
  yield* Effect.forkDetach(
    life.stream.durableOffsets.pipe(
      Stream.runForEach((offset) =>
        Effect.sync(() => world.history.add({ e: "watermark", stream: life.id, reader: 0, offset }))
      ),
      Effect.exit
    )
  )
  const worker = Effect.fnUntraced(function* (own: SeededRandom) {
    for (let i = 0; i < plan.operations; i++) {
      if (plan.pace > 0 && own.chance(0.5)) yield* Effect.sleep(own.int(plan.pace))
      yield* perhapsInterrupted(world, own, plan.interrupts, step(world, rows, life, own))
    }
  })
  yield* Effect.forEach(
    Array.from({ length: plan.workers }, (_, index) => index),
    (index) => worker(random.fork(`worker${index}`)),
    { concurrency: "unbounded", discard: true }
  )
})

const keep =
  (life: ArrowLife) =>
  (ack: RecordAck | undefined): Outcome => {
    if (ack === undefined) return { _tag: "Nothing" }
    life.acks.push(ack)
    return { _tag: "Offset", offset: ack.offset }
  }

const offsetOf = (offset: number): Outcome => ({ _tag: "Offset", offset })

const step = (
  world: World,
  rows: ArrowRows,
  life: ArrowLife,
  random: SeededRandom
): Effect.Effect<unknown, unknown> => {
  const { acks, id, stream } = life
  const dice = random.float()
  if (dice < 0.55) {
    const made = rows.next(random)
    return recorded(
      world,
      { stream: id, op: "ingest", records: made.rows },
      stream.ingestRecord(made.record),
      keep(life)
    )
  }
  if (dice < 0.65) {
    const made = rows.next(random)
    return Effect.sync(() => {
      const call = world.history.call({ stream: id, op: "offer", records: made.rows })
      const answer = (outcome: Outcome) => world.history.add({ e: "return", id: call, outcome })
      try {
        answer(keep(life)(stream.offerUnsafe(made.record)))
      } catch (error) {
        answer(outcomeOf(Exit.fail(error), interruptedOutcome))
      }
    })
  }
  if (dice < 0.8 && acks.length > 0) {
    const ack = random.pick(acks)
    return recorded(world, { stream: id, op: "await", offset: ack.offset }, ack.await, offsetOf)
  }
  if (dice < 0.88) {
    const offset = random.int(acks.length + 3)
    return recorded(
      world,
      { stream: id, op: "waitForOffset", offset },
      stream.waitForOffset(offset as never),
      offsetOf
    )
  }
  if (dice < 0.97) return recorded(world, { stream: id, op: "flush" }, stream.flush)
  if (dice < 0.98) return recorded(world, { stream: id, op: "close" }, stream.close)
  return Effect.sleep(random.int(500))
}

const leave = Effect.fnUntraced(function* (
  world: World,
  plan: StreamPlan,
  { id, stream }: ArrowLife,
  random: SeededRandom
) {
  if (plan.leave === "scope") return
  if (plan.leave === "flushAndClose")
    yield* Effect.exit(recorded(world, { stream: id, op: "flush" }, stream.flush))
  yield* perhapsInterrupted(
    world,
    random,
    plan.interrupts,
    recorded(world, { stream: id, op: "close" }, stream.close)
  )
})

/** After the end of the stream: the rows handed back, and the results of the receipts. */
const settle = Effect.fnUntraced(function* (
  world: World,
  rows: ArrowRows,
  { acks, id, stream }: ArrowLife
) {
  yield* Effect.exit(
    recorded(
      world,
      { stream: id, op: "unacked" },
      stream.getUnackedRecords,
      (records): Outcome => ({
        _tag: "Records",
        groups: records.map((record) => rows.rowsOf(record))
      })
    )
  )
  for (const ack of acks) {
    const standing = yield* ack.poll
    if (Option.isNone(standing)) continue
    const durable = Exit.isSuccess(standing.value)
    const outcome = outcomeOf(standing.value, interruptedOutcome)
    const error = outcome._tag === "Error" ? outcome.error : outcome._tag
    world.history.add({
      e: "final",
      stream: id,
      offset: ack.offset,
      durable,
      ...(durable ? {} : { error })
    })
  }
})
