/**
 * Says how far a start or a stop with many tables has come.
 */
import * as Effect from "effect/Effect"

/** How often it is said. */
const every = "5 seconds"

/**
 * Runs work on so many tables, which calls `done` after each. Says now and then how many of them
 * are `opened` or `written`; work that is over before says nothing.
 */
export const withProgress = <A, E>(
  what: "opened" | "written",
  tables: number,
  work: (done: () => void) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    let count = 0
    const say = Effect.suspend(() => Effect.logInfo(`${count} of ${tables} tables ${what}.`))
    // A stop runs where nothing can be interrupted.
    const saying = Effect.interruptible(Effect.forever(Effect.delay(say, every)))
    return Effect.raceFirst(
      work(() => count++),
      saying
    )
  })
