/**
 * Errors outside of fibers: uncaught errors of separate tasks, and warnings. They are collected
 * here, because a test runner fails for the first and prints the second.
 */
import { Effect } from "effect"

/** The collected errors and warnings. */
export interface Reported {
  /** Messages of errors thrown by separate tasks. */
  readonly uncaught: Array<string>
  /** Messages of the warnings. */
  readonly warnings: Array<string>
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Collects from now on until the returned function is called. */
export const collect = (): { readonly reported: Reported; readonly stop: () => void } => {
  const reported: Reported = { uncaught: [], warnings: [] }
  const { queueMicrotask } = globalThis
  const { emitWarning } = process
  globalThis.queueMicrotask = (task) => {
    queueMicrotask(() => {
      try {
        task()
      } catch (error) {
        reported.uncaught.push(text(error))
      }
    })
  }
  process.emitWarning = ((warning: string | Error) =>
    void reported.warnings.push(text(warning))) as never
  return {
    reported,
    stop: () => {
      globalThis.queueMicrotask = queueMicrotask
      process.emitWarning = emitWarning
    }
  }
}

/** Runs the effect and collects the errors and warnings during it. */
export const collected = <A, E, R>(
  use: (reported: Reported) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(collect),
    ({ reported }) => use(reported),
    ({ stop }) => Effect.sync(stop)
  )

/** The messages of errors thrown by tasks that the call starts. The tasks run immediately. */
export const uncaughtDuring = (call: () => void): ReadonlyArray<string> => {
  const { queueMicrotask } = globalThis
  const uncaught: Array<string> = []
  globalThis.queueMicrotask = (task) => {
    try {
      task()
    } catch (error) {
      uncaught.push(text(error))
    }
  }
  try {
    call()
  } finally {
    globalThis.queueMicrotask = queueMicrotask
  }
  return uncaught
}
