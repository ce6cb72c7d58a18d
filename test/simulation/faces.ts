/**
 * Streams opened by `withStream` and by `sink`: the client opens, closes and cleans up, and the
 * user's code in between may fail or be interrupted.
 */
import { Data, Effect, Exit, Option, Stream } from "effect"
import { type SinkSummary, Zerobus } from "effect-zerobus"
import {
  type Life,
  makeRecord,
  perhapsInterrupted,
  recorded,
  settle,
  stage,
  type World
} from "./calls.ts"
import type { Outcome } from "./history.ts"
import { outcomeOf } from "./outcomes.ts"
import type { StreamPlan } from "./plan.ts"
import { awaitReaders } from "./readers.ts"
import type { SeededRandom } from "./seededRandom.ts"

/** The failure of the user's code. */
class UserFailure extends Data.TaggedError("UserFailure") {}

/** The state of a face's stream: calls in the history that have not returned yet. */
interface Stages {
  opening: number | undefined
  open: boolean
  leaving: number | undefined
}

/** Runs an effect and may interrupt it, after it calls `before`. */
export type Striking = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  before: () => void
) => Effect.Effect<Exit.Exit<A, E>, never, R>

/** Interrupts at random, with the plan's probability. */
const atRandom =
  (world: World, plan: StreamPlan, random: SeededRandom): Striking =>
  (effect, before) =>
    perhapsInterrupted(world, random, plan.interrupts, effect, before)

/**
 * Runs the effect that opens the stream, and records when it began and how it ended. A caller
 * interrupted before that has opened nothing.
 */
const throughStages = <A, E, R>(
  world: World,
  stages: Stages,
  call: { readonly stream: number; readonly op: string; readonly settings: StreamPlan["settings"] },
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      stages.opening = world.history.call(call)
      return Effect.onExit(restore(effect), (exit) =>
        Effect.sync(() => over(world, stages, call.stream, exit))
      )
    })
  )

const opened = ({ history }: World, stages: Stages) => {
  if (stages.open) return
  history.add({ e: "return", id: stages.opening!, outcome: { _tag: "Done" } })
  stages.open = true
}

/**
 * Either the user is done (`leave`: the client closes the stream and reports the result), or the
 * scope ends first.
 */
const leaves = ({ history }: World, stages: Stages, stream: number, op: "leave" | "closeScope") => {
  if (stages.open) stages.leaving ??= history.call({ stream, op })
}

/** The whole effect is over: calls that have not returned yet return now. */
const over = (world: World, stages: Stages, stream: number, exit: Exit.Exit<unknown, unknown>) => {
  const { history } = world
  const outcome = outcomeOf(exit, () => ({ _tag: "Done" }))
  if (!stages.open) return history.add({ e: "return", id: stages.opening!, outcome })
  leaves(world, stages, stream, "closeScope")
  const scopeOnly = history.events.findLast(
    (event) => event.e === "call" && event.id === stages.leaving
  )
  const told: Outcome =
    scopeOnly?.e === "call" && scopeOnly.op === "closeScope" ? { _tag: "Done" } : outcome
  history.add({ e: "return", id: stages.leaving!, outcome: told })
}

/** Opens with `withStream`; `use` is the work of the users with it. */
export const withStreamLife = (
  world: World,
  plan: StreamPlan,
  random: SeededRandom,
  use: (life: Life) => Effect.Effect<void>,
  strike: Striking = atRandom(world, plan, random)
): Effect.Effect<void, never, Zerobus> =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const current = { id: world.streams++ }
    const { options, table } = stage(world, plan, current, random)
    const stages: Stages = { opening: undefined, open: false, leaving: undefined }
    const fails = random.chance(plan.wider?.fails ?? 0)
    let life: Life | undefined
    const using = (stream: Life["stream"]) =>
      Effect.suspend(() => {
        opened(world, stages)
        life = { id: current.id, plan, stream, acks: [], readers: [], random }
        return use(life)
      }).pipe(
        Effect.andThen(fails ? Effect.fail(new UserFailure()) : Effect.succeed("used")),
        Effect.onExit((exit) =>
          Effect.sync(() =>
            leaves(world, stages, current.id, Exit.isSuccess(exit) ? "leave" : "closeScope")
          )
        )
      )
    const exit = yield* strike(
      throughStages(
        world,
        stages,
        { stream: current.id, op: "createStream", settings: plan.settings },
        zerobus.withStream(table, options, using)
      ),
      () => leaves(world, stages, current.id, "closeScope")
    )
    if (Exit.isSuccess(exit) && (fails || exit.value !== "used")) {
      world.history.add({
        e: "broken",
        what: `withStream of stream ${current.id} gave ${exit.value}`
      })
    }
    checkGone(world, current.id)
    if (life === undefined) return
    yield* settle(world, life)
    yield* awaitReaders(life)
  })

/** Opens with `sink`, and feeds it. */
export const sinkLife = (
  world: World,
  plan: StreamPlan,
  random: SeededRandom,
  strike: Striking = atRandom(world, plan, random)
): Effect.Effect<void, never, Zerobus> =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const current = { id: world.streams++ }
    const { options, table } = stage(world, plan, current, random)
    const stages: Stages = { opening: undefined, open: false, leaving: undefined }
    const feed = makeFeed(world, plan, current.id, random, plan.operations * plan.workers)
    // The source of the sink fails: the scope and the stream end.
    const failed = <E>(error: E): E => {
      leaves(world, stages, current.id, "closeScope")
      return error
    }
    // The sink pulls records when its stream is open, and closes the stream when there are no more.
    const source = Stream.suspend(() => feed.source(() => opened(world, stages))).pipe(
      Stream.mapError(failed),
      Stream.concat(
        Stream.suspend(() => {
          opened(world, stages)
          leaves(world, stages, current.id, "leave")
          return Stream.empty
        })
      )
    )
    yield* strike(
      throughStages(
        world,
        stages,
        { stream: current.id, op: "openSink", settings: plan.settings },
        feed.into("sink", Stream.run(source, zerobus.sink(table, options)))
      ),
      () => leaves(world, stages, current.id, "closeScope")
    )
    checkGone(world, current.id)
  })

/** Runs some records into the sink of an open stream. The stream stays open. */
export const runToSink = (world: World, life: Life, random: SeededRandom) =>
  Effect.suspend(() => {
    const feed = makeFeed(world, life.plan, life.id, random, random.int(12))
    return feed.into(
      "toSink",
      Stream.run(
        feed.source(() => {}),
        life.stream.toSink
      )
    )
  })

/**
 * A source of new records, in chunks, that may fail. Each record is a call that returns when the
 * sink has ended.
 */
const makeFeed = (
  world: World,
  plan: StreamPlan,
  stream: number,
  random: SeededRandom,
  count: number
) => {
  const { history, records } = world
  const calls: Array<number> = []
  const fails = random.chance(plan.wider?.fails ?? 0) ? random.int(count + 1) : Infinity
  const emit = (onPull: () => void, left: number) =>
    Effect.gen(function* () {
      onPull()
      if (plan.pace > 0 && random.chance(0.5)) yield* Effect.sleep(random.int(plan.pace))
      if (count - left >= fails) return yield* new UserFailure()
      const chunk = Array.from({ length: Math.min(left, random.pick([1, 1, 3, 8])) }, () =>
        makeRecord(world, plan, random)
      )
      for (const { id } of chunk) {
        calls.push(
          history.call({ stream, op: "sinkIngest", records: [id], bytes: records.size(id) })
        )
      }
      const next = left - chunk.length
      return [
        chunk.map(({ value }) => value),
        next > 0 ? Option.some(next) : Option.none()
      ] as const
    })
  return {
    source: (onPull: () => void) => Stream.paginate(count, (left) => emit(onPull, left)),
    /** Records the result of the run into the sink, and what it means for the records. */
    into: <E>(op: "sink" | "toSink", run: Effect.Effect<SinkSummary, E>) => {
      const finished = (exit: Exit.Exit<SinkSummary, E>) => {
        for (const [index, id] of calls.entries()) {
          const outcome: Outcome = Exit.isFailure(exit)
            ? { _tag: "Interrupted" }
            : op === "sink"
              ? { _tag: "Offset", offset: index }
              : { _tag: "Taken" }
          history.add({ e: "return", id, outcome })
        }
      }
      return recorded(
        world,
        { stream, op },
        Effect.onExit(run, (exit) => Effect.sync(() => finished(exit))),
        (summary) => ({ _tag: "Summary", ...summary, calls })
      )
    }
  }
}

/** After the call, nothing of its stream is left open. */
const checkGone = (world: World, stream: number) => {
  const open = new Set<number>()
  for (const event of world.history.events) {
    if (event.e === "open" && event.stream === stream) open.add(event.conn)
    if (event.e === "released") open.delete(event.conn)
  }
  if (open.size === 0) return
  world.history.add({
    e: "broken",
    what: `stream ${stream} is over and has connection ${[...open].join(", ")} open`
  })
}
