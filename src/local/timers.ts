/**
 * Time for the streams of the server: read synchronously, with callbacks that can be cancelled.
 * Built on a `Clock`, so that the server core of a simulation runs on a virtual one.
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
  /** Calls back once after this many milliseconds; returns how to cancel that. */
  readonly after: (millis: number, callback: () => void) => () => void
}

/**
 * Timers of a given clock. `run` starts their fibers, for a program that has a scheduler of its
 * own.
 */
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

/**
 * Timers of the surrounding program: its clock, and its scheduler, so that a test clock knows when
 * they are done.
 */
export const timersOfProgram: Effect.Effect<Timers> = Effect.map(
  Effect.context<never>(),
  (context) => makeTimers(Context.get(context, Clock.Clock), Effect.runForkWith(context))
)

/** Timers with an owner that ends: afterwards none of their callbacks runs. */
export interface ScopedTimers extends Timers {
  readonly isEnded: () => boolean
  /** Cancels everything that was to come. */
  readonly end: () => void
}

/** Makes timers that run until `end`. */
export const makeScopedTimers = (timers: Timers): ScopedTimers => {
  const cancels = new Set<() => void>()
  let ended = false
  return {
    now: timers.now,
    after: (millis, callback) => {
      const cancel = timers.after(millis, () => {
        cancels.delete(cancel)
        if (!ended) callback()
      })
      cancels.add(cancel)
      return cancel
    },
    isEnded: () => ended,
    end: () => {
      ended = true
      for (const cancel of cancels) cancel()
      cancels.clear()
    }
  }
}

/** Delays of one series, of which none overtakes another. */
export interface Delays {
  /** Calls back after this many milliseconds and after all earlier ones; at once if that is now. */
  readonly add: (millis: number, callback: () => void) => void
  /** Callbacks to come. */
  readonly waiting: () => number
}

/** Makes an empty series. */
export const makeDelays = ({ after, now }: Timers): Delays => {
  const waiting: Array<() => void> = []
  let last = -Infinity
  return {
    waiting: () => waiting.length,
    add: (millis, callback) => {
      if (millis <= 0 && waiting.length === 0) return callback()
      last = Math.max(last, now() + millis)
      waiting.push(callback)
      // Timers for the same moment may come in any order, so each runs the oldest callback.
      after(last - now(), () => waiting.shift()?.())
    }
  }
}
