/**
 * Data of one attempt to open a connection, for code that works for it, such as the headers
 * provider: the time limit, and a place to note what it is waiting for, so that a timeout can name
 * that.
 */
import * as Context from "effect/Context"

/** One attempt. */
export interface OpeningAttempt {
  /** The attempt's limit in milliseconds. */
  readonly limit: number
  /** Describes what the attempt is waiting for, as the end of a sentence: "waiting for ...". */
  waitingFor: () => string
}

/**
 * The attempt that an effect runs for; `undefined` when there is none, as when the program requests
 * headers itself.
 */
export const Opening: Context.Reference<OpeningAttempt | undefined> = Context.Reference<
  OpeningAttempt | undefined
>("effect-zerobus/internal/Opening", { defaultValue: () => undefined })
