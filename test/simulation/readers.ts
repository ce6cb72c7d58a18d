/**
 * Readers of a stream's durable offsets and states. One of each reads from the beginning to the
 * end; further ones start late, are slow, or stop early.
 */
import { Effect, Fiber, Stream } from "effect"
import type { Life, World } from "./calls.ts"
import { outcomeOf } from "./outcomes.ts"

/** Starts the readers of a stream. They end with it. */
export const startReaders = (world: World, life: Life) =>
  Effect.gen(function* () {
    const { plan, random } = life
    // A caller interrupted right after it started a reader still waits for it.
    const begin = <E>(reading: Effect.Effect<void, E>) =>
      Effect.uninterruptible(
        Effect.map(Effect.forkDetach(Effect.interruptible(Effect.exit(reading))), (fiber) => {
          life.readers.push(fiber)
          return fiber
        })
      )
    const context = yield* Effect.context<never>()
    for (const reading of [life.stream.durableOffsets, life.stream.stateChanges]) {
      if (world.hostility.observes)
        world.hostility.observe(context, Stream.runDrain(reading as Stream.Stream<unknown>))
    }
    yield* begin(readOffsets(world, life, () => Effect.void))
    yield* begin(readStates(world, life, () => Effect.void))
    for (let i = 0; i < (plan.wider?.readers ?? 0); i++) {
      const own = random.fork(`reader${i}`)
      const slowness = own.pick([0, 3, 500])
      const pause = () => (slowness === 0 ? Effect.void : Effect.sleep(own.int(slowness)))
      const reading = own.chance(0.5)
        ? readOffsets(world, life, pause)
        : readStates(world, life, pause)
      const fiber = yield* begin(Effect.andThen(Effect.sleep(own.pick([0, 0, 20, 2_000])), reading))
      if (own.chance(0.3)) world.time.after(own.pick([1, 30, 1_000]), () => fiber.interruptUnsafe())
    }
  })

/** Waits until all readers have ended, which they do when the stream has ended. */
export const awaitReaders = (life: Life): Effect.Effect<void> =>
  Effect.asVoid(Fiber.awaitAll(life.readers))

/** Records every offset, and how the reading ended unless it was stopped early. */
const readOffsets = (world: World, life: Life, pause: () => Effect.Effect<void>) =>
  Effect.suspend(() => {
    const { history } = world
    const fields = { stream: life.id, reader: world.readers++ }
    return life.stream.durableOffsets.pipe(
      Stream.runForEach((offset) =>
        Effect.suspend(() => {
          history.add({ e: "watermark", ...fields, offset })
          return pause()
        })
      ),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          const outcome = outcomeOf(exit, () => ({ _tag: "Done" }))
          if (outcome._tag !== "Interrupted") history.add({ e: "readerEnd", ...fields, outcome })
        })
      )
    )
  })

const readStates = (world: World, life: Life, pause: () => Effect.Effect<void>) =>
  Effect.suspend(() => {
    const { history } = world
    const fields = { stream: life.id, reader: world.readers++ }
    return life.stream.stateChanges.pipe(
      Stream.runForEach((state) =>
        Effect.suspend(() => {
          history.add({ e: "state", ...fields, state })
          return pause()
        })
      ),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (exit._tag === "Success")
            history.add({ e: "readerEnd", ...fields, outcome: { _tag: "Done" } })
        })
      )
    )
  })
