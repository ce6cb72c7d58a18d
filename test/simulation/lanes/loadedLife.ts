/**
 * Users of a stream whose number of lanes follows the load: many calls at once for some seconds,
 * then few for long enough that lanes are closed, and many again. Ends with a close, or first
 * recreates the stream.
 */
import { Effect, Exit, Fiber, Scope } from "effect"
import { Zerobus } from "effect-zerobus"
import { closeScope, ingestOne, type Life, recorded, settle, stage, type World } from "../calls.ts"
import type { Plan, StreamPlan } from "../plan.ts"
import type { SeededRandom } from "../seededRandom.ts"

/** Whether the number of lanes of a stream follows the load. */
export const isAuto = ({ options }: StreamPlan): boolean => options.lanes === "auto"

/** Runs all streams of a plan whose lanes follow the load. */
export const loadedProgram = (world: World): Effect.Effect<void, never, Zerobus> =>
  Effect.forEach(
    world.plan.streams,
    (plan, index) => loadedLife(world, plan, world.random.fork(`life${index}`)),
    {
      concurrency: "unbounded",
      discard: true
    }
  )

/** A plan for such users. Acknowledgements take so long that callers wait. */
export const loaded = (plan: Plan): Plan => ({
  ...plan,
  fsync: [50, 200],
  streams: plan.streams.slice(0, 1)
})

/** Milliseconds of a phase, and the longest pause of each worker between two calls. */
const phases: ReadonlyArray<readonly [number, number]> = [
  [6_000, 0],
  [90_000, 4_000],
  [4_000, 0]
]

/** Passes the stream that a call opens to its users. */
const opened = Effect.fnUntraced(function* <E, R>(
  world: World,
  plan: StreamPlan,
  random: SeededRandom,
  call: Parameters<typeof recorded>[1],
  open: Effect.Effect<Life["stream"], E, R>
) {
  let stream: Life["stream"] | undefined
  yield* Effect.exit(
    recorded(world, call, open, (given) => {
      stream = given
      return { _tag: "Done" }
    })
  )
  if (stream === undefined) return undefined
  const life: Life = { id: call.stream, plan, stream, acks: [], readers: [], random }
  return life
})

/** All workers ingest for `millis` milliseconds, with pauses of at most `pause` milliseconds. */
const phase = (world: World, life: Life, millis: number, pause: number) =>
  Effect.suspend(() => {
    const until = world.time.now + millis
    const work = Effect.fnUntraced(function* (random: SeededRandom) {
      while (world.time.now < until) {
        const call = Effect.exit(ingestOne(world, life, random))
        const exit = yield* random.chance(0.05)
          ? Effect.timeout(call, 50).pipe(Effect.exit)
          : Effect.exit(call)
        if (pause > 0) yield* Effect.sleep(random.int(pause))
        // A stream that has ended answers at once.
        else if (Exit.isSuccess(exit) && Exit.isFailure(exit.value)) yield* Effect.sleep(100)
      }
    })
    const workers = Array.from({ length: life.plan.workers }, (_, n) =>
      life.random.fork(`worker${until}/${n}`)
    )
    return Effect.forEach(workers, work, { concurrency: "unbounded", discard: true })
  })

const loadedLife = Effect.fnUntraced(function* (
  world: World,
  plan: StreamPlan,
  random: SeededRandom
) {
  const zerobus = yield* Zerobus
  let scope = yield* Scope.make()
  const current = { id: world.streams++ }
  const { options, table } = stage(world, plan, current, random)
  let life = yield* opened(
    world,
    plan,
    random,
    { stream: current.id, op: "createStream", settings: plan.settings },
    zerobus.createStream(table, options).pipe(Scope.provide(scope))
  )
  if (life === undefined) return yield* Scope.close(scope, Exit.void)
  for (const [millis, pause] of phases) yield* phase(world, life, millis, pause)
  if (random.chance(0.7)) {
    // Closed while they ingest, so that every lane has unacknowledged records, which another stream
    // takes over.
    const working = yield* Effect.forkChild(phase(world, life, 1_000, 0))
    yield* Effect.sleep(500)
    yield* closeScope(world, life, scope)
    yield* Fiber.join(working)
    yield* settle(world, life)
    scope = yield* Scope.make()
    const from = current.id
    current.id = world.streams++
    const next: Life | undefined = yield* opened(
      world,
      plan,
      random,
      { stream: current.id, op: "recreateStream", settings: plan.settings, from },
      zerobus.recreateStream(life.stream).pipe(Scope.provide(scope))
    )
    if (next === undefined) return yield* Scope.close(scope, Exit.void)
    life = next
    yield* phase(world, life, 3_000, 0)
  }
  yield* Effect.exit(recorded(world, { stream: life.id, op: "close" }, life.stream.close))
  yield* closeScope(world, life, scope)
  yield* settle(world, life)
})
