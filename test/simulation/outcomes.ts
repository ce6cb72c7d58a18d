/** Converts exits to the outcomes of the history. */
import { Cause, Exit } from "effect"
import type { Outcome } from "./history.ts"

/** The outcome of an interrupted call. */
export const interruptedOutcome = (): Outcome => ({ _tag: "Interrupted" })

/**
 * Effect passes the failure of a source through its sink as a defect, and does not unwrap it if the
 * fiber is interrupted while the sink's scope closes.
 */
const unwrapped = <E>(reason: Cause.Reason<E>): ReadonlyArray<Cause.Reason<E>> =>
  Cause.isDieReason(reason) && Cause.isDone(reason.defect) && Cause.isCause(reason.defect.value)
    ? (reason.defect.value.reasons as ReadonlyArray<Cause.Reason<E>>)
    : [reason]

/** The outcome of an exit. */
export const outcomeOf = <A, E>(
  exit: Exit.Exit<A, E>,
  describe: (value: A) => Outcome
): Outcome => {
  if (Exit.isSuccess(exit)) return describe(exit.value)
  const reasons = exit.cause.reasons.flatMap(unwrapped)
  for (const reason of reasons) {
    if (Cause.isDieReason(reason))
      return {
        _tag: "Defect",
        message: String(reason.defect instanceof Error ? reason.defect.stack : reason.defect)
      }
  }
  const failure = reasons.find(Cause.isFailReason)?.error as
    | {
        readonly _tag?: string
        readonly reason?: { readonly _tag: string }
        readonly attempts?: number
        readonly cause?: { readonly _tag: string }
      }
    | undefined
  if (failure === undefined) return { _tag: "Interrupted" }
  return {
    _tag: "Error",
    error: failure._tag ?? "unknown",
    reason: failure.reason?._tag ?? failure.cause?._tag,
    attempts: failure.attempts
  }
}
