/**
 * Time as the server's streams use it: read synchronously, and callbacks that can be taken back. Built on a `Clock`, so that a
 * server core in a simulation runs on the virtual one.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/** A clock and delayed callbacks. */
export interface Timers {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Calls back once after so many milliseconds; returns how to take it back. */
  readonly after: (millis: number, callback: () => void) => () => void
}

/** Timers of a given clock. `run` starts their fibers, for a program that has a scheduler of its own. */
export const makeTimers = (
  clock: Clock.Clock,
  run: (effect: Effect.Effect<void>) => Fiber.Fiber<void> = Effect.runFork
): Timers => ({
  now: () => clock.currentTimeMillisUnsafe(),
  after: (millis, callback) => {
    const fiber = run(Effect.andThen(clock.sleep(Duration.millis(millis)), Effect.sync(callback)))
    return () => fiber.interruptUnsafe()
  }
})

/** Timers of the surrounding program: its clock, and its scheduler, so that a test clock knows when they are done. */
export const timersOfProgram: Effect.Effect<Timers> = Effect.map(Effect.context<never>(), (context) =>
  makeTimers(Context.get(context, Clock.Clock), Effect.runForkWith(context))
)

/** Delays of one series, of which none overtakes another. */
export interface Delays {
  /** Calls back after so many milliseconds, and after all that were asked for before; at once when there is nothing to wait for. */
  readonly add: (millis: number, callback: () => void) => void
  /** How many callbacks are to come. */
  readonly waiting: () => number
}

/** Makes an empty series. */
export const makeDelays = (now: () => number, after: (millis: number, callback: () => void) => unknown): Delays => {
  const waiting: Array<() => void> = []
  let last = -Infinity
  return {
    waiting: () => waiting.length,
    add: (millis, callback) => {
      if (millis <= 0 && waiting.length === 0) return callback()
      last = Math.max(last, now() + millis)
      waiting.push(callback)
      // Timers for the same moment may come in any order, so each lets the oldest go.
      after(last - now(), () => waiting.shift()?.())
    }
  }
}
