/**
 * Runs user effects in separate fibers, so that an effect that breaks its fiber breaks no other.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { Answer } from "./answer.ts"
import { unshielded } from "./shield.ts"
import { wake } from "./wake.ts"

/**
 * Runs the effect in a separate fiber, with the user's own services, and returns its result. An
 * interruption is passed on to that fiber without waiting for its end.
 */
export const apart = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.contextWith((context: Context.Context<R>) => {
      const answer = new Answer<A, E>()
      let own: Fiber.Fiber<A, E> | undefined
      const run = Effect.withFiber<A, E, R>((fiber) => {
        own = fiber as Fiber.Fiber<A, E>
        // Added first, since observers that the effect adds to its fiber may throw.
        own.addObserver((exit) => answer.doneUnsafe(exit))
        return unshielded(effect)
      })
      // Also set here: a scheduler may start the fiber only after the interruption.
      wake(() => (own = Effect.runForkWith(context)(run)), undefined)
      return Effect.onInterrupt(restore(answer.await), () =>
        Effect.sync(() => wake(() => own?.interruptUnsafe(), undefined))
      )
    })
  )
