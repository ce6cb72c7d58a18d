/**
 * How the user's effects run: apart from the fiber that needs their result.
 *
 * An interruption waits for the end of what it interrupts, and an effect may have parts that cannot be interrupted, as every
 * `acquireRelease` has one. So a limit over a user's effect would be as long as that part. Run apart, it is told to end and left to itself.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Runs the effect in a fiber of its own. Whoever is interrupted meanwhile interrupts that too, and does not wait for its end. */
export const apart = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(effect, { startImmediately: true }), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )
