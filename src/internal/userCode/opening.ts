/**
 * What one attempt to open a connection tells those who work for it, such as the headers provider:
 * how long it may take, and a place to say what it is waiting for, so that an attempt that takes
 * too long can name that.
 */
import * as Context from "effect/Context"

/** One attempt. */
export interface OpeningAttempt {
  /** The attempt's limit in milliseconds. */
  readonly limit: number
  /** Gives what is waited for, as the end of a sentence: "waiting for ...". */
  waitingFor: () => string
}

/**
 * The attempt that an effect runs for; `undefined` when it runs for none, as when the user asks for
 * headers.
 */
export const Opening: Context.Reference<OpeningAttempt | undefined> = Context.Reference<
  OpeningAttempt | undefined
>("effect-zerobus/internal/Opening", { defaultValue: () => undefined })
