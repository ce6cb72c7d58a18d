/**
 * The users of one process of a run with crashes. They open a stream on the spool, ingest, and
 * leave it normally unless the process crashes first. The last process opens the spool until
 * everything in it is acknowledged.
 */
import { Effect, Exit, Scope } from "effect"
import { Spool, Zerobus } from "effect-zerobus"
import {
  closeScope,
  type Life,
  makeRecord,
  offer,
  perhapsInterrupted,
  recorded,
  reuse,
  stage,
  type World
} from "../calls.ts"
import { outcomeOf } from "../outcomes.ts"
import { step } from "../program.ts"
import { awaitReaders, startReaders } from "../readers.ts"
import type { SeededRandom } from "../seededRandom.ts"
import type { CrashPlan, ProcessPlan } from "./crashPlan.ts"

/** State of a process's users. */
export interface Workplace {
  readonly world: World
  readonly plan: CrashPlan
  readonly own: ProcessPlan
  readonly spool: Spool.Spool
  /** Called when the spool has been opened. */
  readonly opened: () => void
  /** Whether this is the last process. */
  readonly last: boolean
}

/**
 * How often the last process tries to open the spool and drain it. Each attempt takes half a
 * minute.
 */
const mostAttempts = 80

/** Runs the users. Succeeds with whether everything was acknowledged at the end. */
export const crashProgram = (place: Workplace): Effect.Effect<boolean, never, Zerobus> =>
  Effect.gen(function* () {
    const { last, own, world } = place
    const { random } = world
    for (let attempt = 0; attempt < (last ? mostAttempts : own.operations); attempt++) {
      const scope = yield* Scope.make()
      const life = yield* open(place, scope)
      if (life === undefined) {
        yield* Scope.close(scope, Exit.void)
        yield* Effect.sleep(last ? 30_000 : random.pick([1, 1_000]))
        continue
      }
      place.opened()
      yield* startReaders(world, life)
      if (attempt === 0 || !last) yield* work(place, life)
      const drained = last ? yield* drain(place, life) : yield* leave(place, life)
      yield* closeScope(world, life, scope)
      yield* awaitReaders(life)
      if (drained) return true
      if (!last && random.chance(0.5)) return false
    }
    return false
  })

const open = (
  place: Workplace,
  scope: Scope.Scope
): Effect.Effect<Life | undefined, never, Zerobus> =>
  Effect.gen(function* () {
    const { own, plan, spool, world } = place
    const zerobus = yield* Zerobus
    const current = { id: world.streams++ }
    const { options, table } = stage(
      world,
      plan.stream,
      current,
      world.random.fork(`stage${current.id}`)
    )
    const refusing =
      plan.stream.refusing?.handles === true ? { onRefused: letters(place, current) } : {}
    let stream: Life["stream"] | undefined
    yield* Effect.exit(
      recorded(
        world,
        { stream: current.id, op: "createStream", settings: plan.stream.settings },
        (plan.persistent
          ? zerobus.createPersistentStream(table, { ...options, spool })
          : zerobus.createStream(table, { ...options, ...refusing, spool, lanes: own.lanes })
        ).pipe(
          Scope.provide(scope),
          Effect.tapError(({ message }) =>
            Effect.sync(() => world.history.add({ e: "fault", what: `not opened: ${message}` }))
          )
        ),
        (opened) => {
          stream = opened
          return { _tag: "Done" }
        }
      )
    )
    if (stream === undefined) return undefined
    const random = world.random.fork(`life${current.id}`)
    return { id: current.id, plan: plan.stream, stream, acks: [], readers: [], random }
  })

/** Writes refused records down. This takes time, and a crash before its end leaves nothing. */
const letters =
  ({ plan, world }: Workplace, current: { readonly id: number }) =>
  (refused: { readonly offset: number; readonly records: ReadonlyArray<any> }) =>
    Effect.gen(function* () {
      const { history, random } = world
      const records = refused.records.map((record) => world.records.recognise(record))
      history.add({ e: "refused", stream: current.id, offset: refused.offset, records })
      const millis = random.between(...plan.letters)
      if (millis > 0) yield* Effect.sleep(millis)
      history.add({ e: "letter", records })
    })

const work = (place: Workplace, life: Life): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { own, world } = place
    for (let i = 0; i < own.callbacks; i++) {
      const random = life.random.fork(`callback${i}`)
      world.time.after(random.int(own.pace * own.operations + 10), () => offer(world, life, random))
    }
    yield* Effect.forEach(
      Array.from({ length: own.workers }, (_, index) => life.random.fork(`worker${index}`)),
      (random) => worker(place, life, random),
      { concurrency: "unbounded", discard: true }
    )
  })

const worker = Effect.fnUntraced(function* (place: Workplace, life: Life, random: SeededRandom) {
  const { own, world } = place
  for (let i = 0; i < own.operations; i++) {
    if (own.pace > 0 && random.chance(0.5)) yield* Effect.sleep(random.int(own.pace))
    const call = random.chance(0.3) ? persist(place, life, random) : step(world, life, random)
    yield* perhapsInterrupted(world, random, life.plan.interrupts, call)
  }
})

/** Offers a record, sometimes with a position, and waits until it is persisted. */
const persist = ({ world }: Workplace, life: Life, random: SeededRandom) =>
  Effect.suspend((): Effect.Effect<unknown, unknown> => {
    const { history, records } = world
    const { id, value } = makeRecord(world, life.plan, random)
    const from = history.call({
      stream: life.id,
      op: "offer",
      records: [id],
      bytes: records.size(id)
    })
    let ack: ReturnType<Life["stream"]["offerUnsafe"]>
    try {
      ack = life.stream.offerUnsafe(value)
    } catch (error) {
      history.add({
        e: "return",
        id: from,
        outcome: outcomeOf(Exit.fail(error), () => ({ _tag: "Done" }))
      })
      return Effect.void
    }
    reuse([value])
    history.add({
      e: "return",
      id: from,
      outcome: ack === undefined ? { _tag: "Nothing" } : { _tag: "Offset", offset: ack.offset }
    })
    if (ack === undefined) return Effect.void
    const persisted = recorded(
      world,
      { stream: life.id, op: "persisted", from, offset: ack.offset },
      ack.persisted
    )
    if (random.chance(0.4)) return persisted
    // Large positions make the headers of files take several sectors.
    const position = Buffer.alloc(random.pick([2, 2, 900]))
    position.writeUInt16LE(id)
    const noted = Spool.notePosition(life.stream, position, random.chance(0.5) ? ack : undefined)
    return Effect.andThen(
      recorded(world, { stream: life.id, op: "position", from: id }, noted),
      persisted
    )
  })

/** The users are done. Returns true if everything was acknowledged. */
const leave = ({ own, world }: Workplace, life: Life): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const flush = Effect.exit(recorded(world, { stream: life.id, op: "flush" }, life.stream.flush))
    if (own.leave === "stay") return yield* Effect.never
    if (own.leave === "flushAndClose") yield* flush
    if (own.leave === "scope") return false
    return Exit.isSuccess(
      yield* Effect.exit(recorded(world, { stream: life.id, op: "close" }, life.stream.close))
    )
  })

/** Waits until everything is acknowledged. Returns false if the stream ends first. */
const drain = ({ world }: Workplace, life: Life): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const flushed = yield* Effect.exit(
        recorded(world, { stream: life.id, op: "flush" }, life.stream.flush)
      )
      if (Exit.isSuccess(flushed)) break
      const outcome = outcomeOf(flushed, () => ({ _tag: "Done" }))
      if (outcome._tag !== "Error" || outcome.error !== "FlushTimeout") return false
      yield* Effect.sleep(30_000)
    }
    return Exit.isSuccess(
      yield* Effect.exit(recorded(world, { stream: life.id, op: "close" }, life.stream.close))
    )
  })
