/**
 * Runs a fiber of the engine in a scope of the user.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Answer } from "./answer.ts"
import { shielded } from "./shield.ts"

/**
 * Forks the effect, shielded. Closing the scope interrupts the fiber and waits for its end, as with
 * `Effect.forkIn`, but a waiter that throws affects only itself. `onEnd` is called with the fiber's
 * exit. In a closed scope the fiber never starts.
 */
export const forkShieldedIn = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  scope: Scope.Scope,
  onEnd: (exit: Exit.Exit<A, E>) => void
): Effect.Effect<void, never, R> =>
  Effect.gen(function* () {
    if (scope.state._tag === "Closed") return onEnd(Exit.interrupt())
    const over = new Answer<void>()
    const fiber = yield* shielded(Effect.forkDetach(effect, { startImmediately: true }))
    fiber.addObserver((exit) => {
      onEnd(exit)
      over.doneUnsafe(Exit.void)
    })
    yield* Scope.addFinalizer(
      scope,
      Effect.withFiber((closing) => {
        // The fiber may close the scope itself.
        if (closing === fiber) return Effect.void
        fiber.interruptUnsafe()
        return over.await
      })
    )
  }).pipe(Effect.uninterruptible)
