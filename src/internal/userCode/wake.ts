/**
 * Runs user code that the engine does not wait for, such as a fiber that an answer resumes.
 *
 * Resuming a fiber runs it inside the call, with the observers of its end. What they throw would
 * end the engine's own fiber and keep the answer from everybody behind them. Here it becomes an
 * uncaught error of a task of its own, as it would be had a timer resumed the fiber.
 */

/** Throws the error in a task of its own, where Node reports it as an uncaught exception. */
export const reportUncaught = (error: unknown): void => {
  queueMicrotask(() => {
    throw error
  })
}

/** Calls `resume` with the value; what that throws is reported and goes no further. */
export const wake = <A>(resume: (value: A) => void, value: A): void => {
  try {
    resume(value)
  } catch (error) {
    reportUncaught(error)
  }
}

/** The kind of a thrown value, for messages that must not quote its text. */
export const thrownKind = (thrown: unknown): string => {
  try {
    return thrown instanceof Error ? String(thrown.name) : typeof thrown
  } catch {
    return "unreadable"
  }
}

const warned = new WeakSet<object>()

/**
 * Warns once per object of the user that observes, such as a logger: the process gets a warning
 * with the stack of what it threw. An uncaught error would end the process for a line of a log.
 */
export const warnOnce = (observer: object, what: string, error: unknown): void => {
  if (warned.has(observer)) return
  warned.add(observer)
  let detail: string | undefined
  try {
    if (error instanceof Error) detail = String(error.stack)
  } catch {
    // Without the stack the kind has to do.
  }
  process.emitWarning(
    `The program's ${what} threw (${thrownKind(error)}). Streams go on without it.`,
    {
      type: "ZerobusWarning",
      ...(detail === undefined ? {} : { detail })
    }
  )
}
