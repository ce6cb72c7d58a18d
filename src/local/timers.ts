/**
 * Time as the server's streams use it: read synchronously, and callbacks that can be taken back. Built on a `Clock`, so that a
 * server core in a simulation runs on the virtual one.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** A clock and delayed callbacks. */
export interface Timers {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Calls back once after so many milliseconds; returns how to take it back. */
  readonly after: (millis: number, callback: () => void) => () => void
}

/** Timers of a given clock. */
export const makeTimers = (clock: Clock.Clock): Timers => ({
  now: () => clock.currentTimeMillisUnsafe(),
  after: (millis, callback) => {
    const fiber = Effect.runFork(Effect.andThen(clock.sleep(Duration.millis(millis)), Effect.sync(callback)))
    return () => fiber.interruptUnsafe()
  }
})
