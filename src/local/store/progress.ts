/**
 * Logs the progress of a start or a stop with many tables.
 */
import * as Effect from "effect/Effect"

/** The interval between log lines. */
const every = "5 seconds"

/**
 * Runs work on a number of tables, which calls `done` after each. Logs regularly how many of them
 * are `opened` or `written`. Work that ends within the first interval logs nothing.
 */
export const withProgress = <A, E>(
  what: "opened" | "written",
  tables: number,
  work: (done: () => void) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    let count = 0
    const say = Effect.suspend(() => Effect.logInfo(`${count} of ${tables} tables ${what}.`))
    // A stop runs in an uninterruptible region.
    const saying = Effect.interruptible(Effect.forever(Effect.delay(say, every)))
    return Effect.raceFirst(
      work(() => count++),
      saying
    )
  })
