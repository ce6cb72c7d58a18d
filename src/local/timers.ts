/**
 * The clock and timers of the server's streams: synchronous time and cancellable callbacks. Built
 * on a `Clock`, so that a simulation can run the server core on a virtual clock.
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
  /** Calls back once after this many milliseconds. Returns a function that cancels the callback. */
  readonly after: (millis: number, callback: () => void) => () => void
}

/** Timers of a given clock. `run` starts their fibers, for a program with its own scheduler. */
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
 * Timers of the surrounding program, with its clock and its scheduler, so that a test clock can
 * wait for them.
 */
export const timersOfProgram: Effect.Effect<Timers> = Effect.map(
  Effect.context<never>(),
  (context) => makeTimers(Context.get(context, Clock.Clock), Effect.runForkWith(context))
)

/** Timers whose owner can end them; no callback runs afterwards. */
export interface ScopedTimers extends Timers {
  readonly isEnded: () => boolean
  /** Cancels all pending callbacks. */
  readonly end: () => void
}

/** Creates timers that run until `end`. */
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

/** A series of delayed callbacks that keep their order. */
export interface Delays {
  /**
   * Calls back after this many milliseconds and after all earlier callbacks; immediately if neither
   * has to be waited for.
   */
  readonly add: (millis: number, callback: () => void) => void
  /** The number of pending callbacks. */
  readonly waiting: () => number
}

/** Creates an empty series. */
export const makeDelays = ({ after, now }: Timers): Delays => {
  const waiting: Array<() => void> = []
  let last = -Infinity
  return {
    waiting: () => waiting.length,
    add: (millis, callback) => {
      if (millis <= 0 && waiting.length === 0) return callback()
      last = Math.max(last, now() + millis)
      waiting.push(callback)
      // Timers for the same moment may fire in any order, so each runs the oldest callback.
      after(last - now(), () => waiting.shift()?.())
    }
  }
}
