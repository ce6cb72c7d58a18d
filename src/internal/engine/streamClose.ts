/**
 * Closing a stream by `close` or by its scope, and handing over its unacknowledged records.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { Offset } from "../../Offset.ts"
import type { AckError } from "../../RecordAck.ts"
import { type FlushTimeout, StreamClosed, type ZerobusError } from "../../ZerobusError.ts"
import { nextOffsetOf, refuseRecordsUnsafe, type StreamFace } from "./streamCore.ts"
import { withinLimit } from "./streamIngest.ts"
import { spoolSettled } from "./spoolAccess.ts"
import { logInSpool, logLeft, logUnreadable, logWaitEnded, logWaiting } from "./streamLogs.ts"
import { leaveScope, type Origin, readBack } from "./streamUnacked.ts"
import { Answer } from "../userCode/answer.ts"
import { apart } from "../userCode/apart.ts"
import { shielded } from "../userCode/shield.ts"
import { signalled } from "../userCode/signals.ts"

/**
 * `close` runs once, in a separate fiber, so that an interrupted caller does not leave it half
 * done. All callers get the same result. The fiber is bounded in time by the flush limit. It
 * belongs to no scope, since a finalizer may be the caller.
 */
export const closeOnce = (
  origin: Origin,
  flushed: Effect.Effect<void, AckError>
): Effect.Effect<void, AckError> => {
  const { core } = origin
  const start = Effect.suspend(() => {
    const done = new Answer<void, AckError>()
    origin.closing = done
    const wasFinished = core.ended
    refuseRecordsUnsafe(core)
    const closing = Effect.gen(function* () {
      const exit = wasFinished ? outcomeOf(core) : yield* Effect.exit(flushed)
      if (Exit.isFailure(exit))
        origin.closeFailure = exit.cause.reasons.find(Cause.isFailReason)?.error
      core.closeRequested.doneUnsafe(Exit.void)
      yield* core.finished.await
      yield* leaveScope(origin)
      // The supervisor may have started to leave the scope without being done.
      if (core.spooled !== undefined) yield* core.spooled.closed.await
      return yield* exit
    })
    // Callers wait for nothing else, so every end of the fiber completes it.
    const answering = Effect.onExit(closing, (exit) => Effect.sync(() => done.doneUnsafe(exit)))
    return Effect.as(shielded(Effect.forkDetach(answering, { startImmediately: true })), done)
  })
  // Only the wait can be interrupted: once a caller has started the close, its fiber must run.
  return Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.suspend(() => (origin.closing === undefined ? start : Effect.succeed(origin.closing))),
      (done) => restore(done.await)
    )
  )
}

/**
 * The outcome for a caller that closes an ended stream: without a failure it succeeds when nothing
 * was unacknowledged.
 */
const outcomeOf = (core: StreamFace<any>): Exit.Exit<void, AckError> =>
  core.failure === undefined
    ? Exit.asVoid(core.acks.pollUnsafe(Offset(nextOffsetOf(core) - 1))!)
    : Exit.fail(core.failure)

/** Milliseconds after which a scope that waits for its stream logs that. */
const NOTICE_AFTER = 1_000

/** What handlers may add to the time that a closing scope takes, in milliseconds. */
const HANDLER_LIMIT = 5_000

/**
 * The least time that `onUnacked` gets, in milliseconds, however long `onRefused` and the
 * connection took before.
 */
const LEAST_HANDLER_LIMIT = 1_000

/** Runs the user's handler within a time limit and logs its failure. */
const runHandler = (
  handler: Effect.Effect<unknown, unknown>,
  millis: number
): Effect.Effect<void> =>
  Effect.timeoutOption(apart(handler), millis).pipe(
    Effect.flatMap((done) =>
      Option.isSome(done)
        ? Effect.void
        : Effect.logWarning("The onUnacked handler took too long and was interrupted", {
            limitMillis: millis
          })
    ),
    Effect.catchCause((cause) =>
      Effect.logWarning("The onUnacked handler failed", {
        kinds: cause.reasons.map((reason) => reason._tag)
      })
    )
  )

/**
 * The time that the closing streams of one scope have spent so far. Neighbouring streams close
 * together, others one after another.
 */
export class Spent {
  /** Whether a signal has ended the wait. It ends the wait of later streams as well. */
  waitEnded = false
  private before = 0
  private closing = 0
  private since = 0

  /** How long at least one of them was closing, in milliseconds. */
  millis(now: number): number {
    return this.before + (this.closing > 0 ? now - this.since : 0)
  }

  /** Notes that a stream begins to close. */
  begin(now: number): void {
    if (this.closing++ === 0) this.since = now
  }

  /** Notes that a stream has closed. */
  end(now: number): void {
    if (--this.closing === 0) this.before += now - this.since
  }
}

const spentIn = new WeakMap<Scope.Scope, Spent>()

/**
 * What the streams of a closing scope share. A stream that closes before its scope shares nothing.
 */
export const spentOf = (scope: Scope.Scope): Spent => {
  if (scope.state._tag !== "Closed") return new Spent()
  const known = spentIn.get(scope) ?? new Spent()
  spentIn.set(scope, known)
  return known
}

/** How a scope closes. */
interface Leaving {
  /** True when the program was interrupted, as by a first signal. */
  readonly interrupted: boolean
  readonly spent: Spent
}

/**
 * Closes with the scope: flushes within a bound, ends the stream, and passes unacknowledged records
 * to `onUnacked`. While another stream is taking them over, that is undecided: if the take-over
 * fails, its caller passes them on.
 *
 *   0 ... scopeCloseTimeout     the flush; a second signal ends it for all streams of the scope
 *   ... deadline - 1 second     `onRefused`, and the drain of the connection
 *   ... deadline                `onUnacked`; the deadline is scopeCloseTimeout + 5 seconds
 *
 * Streams of one scope share these times: they close together, or were sending while they waited
 * for the earlier ones.
 */
export const closeWithScope = Effect.fnUntraced(function* (
  core: StreamFace<any>,
  origin: Origin,
  streamId: string,
  { interrupted, spent }: Leaving = { interrupted: false, spent: new Spent() }
) {
  const { acks } = core
  const begun = core.now()
  const before = spent.millis(begun)
  spent.begin(begun)
  const flushLimit = spent.waitEnded ? 0 : Math.max(0, core.options.scopeCloseTimeout - before)
  const deadline = begun + core.options.scopeCloseTimeout + HANDLER_LIMIT - before
  let timedOut: FlushTimeout | undefined
  core.leaveBy = deadline - LEAST_HANDLER_LIMIT
  core.leaving.doneUnsafe(Exit.void)
  if (!core.ended) {
    refuseRecordsUnsafe(core)
    const isSettled = core.spooled === undefined && nextOffsetOf(core) - 1 <= acks.watermark
    const settled = Effect.suspend(() => acks.settled(Offset(nextOffsetOf(core) - 1)))
    const flushed = Effect.exit(
      Effect.asVoid(
        withinLimit(core, Effect.andThen(spoolSettled(core), settled), "close", flushLimit)
      )
    )
    const endedBySignal = Effect.sleep(NOTICE_AFTER).pipe(
      Effect.andThen(logWaiting(core, flushLimit)),
      Effect.andThen(signalled(interrupted ? 1 : 2, core.now)),
      Effect.as(undefined)
    )
    const flush = isSettled
      ? Exit.succeed(undefined)
      : yield* Effect.raceFirst(flushed, endedBySignal)
    if (flush === undefined) {
      spent.waitEnded = true
      yield* logWaitEnded(core)
    } else if (Exit.isFailure(flush)) {
      const error = flush.cause.reasons.find(Cause.isFailReason)?.error
      if (error?._tag === "FlushTimeout") timedOut = error
    }
    core.closeRequested.doneUnsafe(Exit.void)
  }
  // The finalizers after this one interrupt the supervisor, which may still have waiters to resume.
  yield* core.finished.await
  const cause =
    core.failure ?? timedOut ?? origin.closeFailure ?? new StreamClosed({ operation: "close" })
  const handOver = handOverLeft(core, origin, streamId, cause, deadline)
  if (origin.recreated) origin.handOver = handOver
  else yield* handOver
  spent.end(core.now())
})

/** Passes unacknowledged records to `onUnacked`, unless they were read or taken over already. */
const handOverLeft = Effect.fnUntraced(function* (
  core: StreamFace<any>,
  origin: Origin,
  streamId: string,
  cause: ZerobusError,
  deadline: number
) {
  const { onUnacked } = core.options
  const { table, zone } = core
  if (core.spooled !== undefined) {
    if (core.spooled.left > 0) yield* logInSpool(core, streamId)
    return
  }
  const messages = zone.unackedUnsafe()
  if (messages.length === 0 || origin.handedBack === "all") return
  const read = readBack(core, messages)
  const { unreadable } = read
  const records = origin.handedBack === "nothing" ? read.records : []
  if (unreadable.length > 0 && origin.handedBack === "nothing")
    yield* logUnreadable(core, streamId, unreadable.length)
  yield* onUnacked === undefined
    ? logLeft(core, streamId, records.length + unreadable.length, cause)
    : runHandler(
        Effect.suspend(() =>
          onUnacked({ tableName: table.tableName, streamId, records, unreadable, cause })
        ),
        Math.max(LEAST_HANDLER_LIMIT, Math.min(HANDLER_LIMIT, deadline - core.now()))
      )
})
