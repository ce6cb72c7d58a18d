/**
 * Runs user code that the engine does not wait for, such as a fiber that it resumes.
 *
 * Resuming a fiber runs it inside the call, together with its observers. An exception of theirs
 * would end the engine's own fiber, and waiters behind them would never resume. Here it becomes an
 * uncaught error in a separate task, as if a timer had resumed the fiber.
 */

/** Throws the error in a separate task, where Node reports it as an uncaught exception. */
export const reportUncaught = (error: unknown): void => {
  queueMicrotask(() => {
    throw error
  })
}

/** Calls `resume` with the value. An exception is reported and not propagated. */
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
 * Warns once per observer of the user, such as a logger. The process emits a warning with the stack
 * of the exception. An uncaught error would end the process because of a log line.
 */
export const warnOnce = (observer: object, what: string, error: unknown): void => {
  if (warned.has(observer)) return
  warned.add(observer)
  let detail: string | undefined
  try {
    if (error instanceof Error) detail = String(error.stack)
  } catch {
    // Without a stack, the warning names only the kind.
  }
  process.emitWarning(
    `The program's ${what} threw (${thrownKind(error)}). Streams go on without it.`,
    {
      type: "ZerobusWarning",
      ...(detail === undefined ? {} : { detail })
    }
  )
}
