/**
 * The fiber that owns a stream's sessions, one after another.
 *
 * It opens a session, runs it, and decides what its end means:
 *
 * - rotated (the server announced it): open the next one at once; no retry is spent.
 * - lost: open the next one at once when the session was worth something (durable progress, or 15 seconds of uptime), which also
 *   gives a fresh retry budget; otherwise after the schedule's pause, so that a server that opens and fails in a loop comes to an end.
 * - credentials refused: invalidate them once and try again within the budget; a second refusal without progress between is final.
 * - final error, or budget spent: the stream fails, once, and everything unacknowledged stays readable.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { HeadersProviderShape } from "../../HeadersProvider.ts"
import { type ResolvedStreamOptions, STABLE_UPTIME } from "../../StreamConfigurationOptions.ts"
import type { Transport } from "../../Transport.ts"
import { Retryable, RetryableReason, type StreamFailure } from "../../ZerobusError.ts"
import { Opening, type OpeningAttempt } from "./opening.ts"
import { openSession, runSession, type SessionEnd, SessionFailure } from "./session.ts"
import { guarded } from "./sessionHeaders.ts"
import { enter, finish, type StreamCore } from "./streamCore.ts"
import {
  logClosed,
  logFailure,
  logOpen,
  logRecovery,
  logRotation,
  logScheduleDefect,
  type Recovery
} from "./streamLogs.ts"
import { apart } from "./streamUserCode.ts"

/** What one attempt came to. */
interface Attempt {
  readonly end: SessionEnd
  /** Whether a session was open. */
  readonly opened: boolean
  /** Whether it is worth a fresh budget. */
  readonly stable: boolean
}

/** The least time between sessions that a server ends one after another without use, in milliseconds. */
const LEAST_PAUSE = 100

const closedAttempt: Attempt = { end: { _tag: "Closed" }, opened: false, stable: false }

/** Runs the stream until it is closed or has failed. `opened` completes with the first session, or with why there is none. */
export const supervise = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  given: HeadersProviderShape,
  opened: Deferred.Deferred<void, StreamFailure>
): Effect.fn.Return<void, never, Transport> {
  const { options } = core
  const provider = guarded(given)
  const schedule = recoverySchedule(options)
  let step = yield* Schedule.toStep(schedule)
  /** Attempts since the last one that was worth something. */
  let attempts = 0
  let credentialsRefused = false
  /** Rotations in a row whose session was worth nothing. */
  let idleRotations = 0

  const fail = (failure: StreamFailure) => {
    const final =
      failure._tag === "Retryable"
        ? new Retryable({ reason: failure.reason, attempts: Math.max(1, attempts) })
        : failure
    // The line comes first: once somebody is told, this fiber may be interrupted. A stream that never opened tells its caller alone.
    const log = Deferred.isDoneUnsafe(opened) ? logFailure(core, final) : Effect.void
    return Effect.asVoid(Effect.andThen(log, Effect.andThen(finish(core, final), Deferred.fail(opened, final))))
  }
  const close = Effect.andThen(logClosed(core), finish(core, undefined))

  for (;;) {
    // Closed during a pause: no credentials are asked for any more.
    if (Deferred.isDoneUnsafe(core.closeRequested)) return yield* close
    attempts++
    const attempt = yield* Effect.raceFirst(
      Effect.scoped(attemptSession(core, provider, opened)),
      closeWhenNotOpen(core)
    )
    const cause = attempt.end._tag === "Failed" ? attempt.end.cause : undefined
    if (cause?.rejected && provider.invalidate !== undefined) {
      // Also when the stream closes meanwhile. Bounded, and never in the way of the close or of the error that caused it.
      const invalidate = Effect.asVoid(provider.invalidate(core.table.tableName, Redacted.value(core.headers)))
      yield* Effect.ignoreCause(
        Effect.timeoutOption(Effect.raceFirst(invalidate, Deferred.await(core.closeRequested)), options.recoveryTimeout)
      )
    }
    if (Deferred.isDoneUnsafe(core.closeRequested) || attempt.end._tag === "Closed") {
      return yield* close
    }
    if (attempt.stable) {
      step = yield* Schedule.toStep(schedule)
      credentialsRefused = false
      idleRotations = 0
      attempts = 0
    }
    if (attempt.end._tag === "Rotated") {
      attempts = 0
      yield* enter(core, "recovering")
      // One such rotation may be bad luck, but a server that announces the end of every session at once must not make the client spin.
      if (!attempt.stable && idleRotations++ > 0) yield* pause(core, Math.max(options.recoveryBackoff, LEAST_PAUSE))
      yield* logRotation(core)
      continue
    }
    const { failure, rejected } = attempt.end.cause
    core.lastFailure = failure
    const again = failure._tag === "Retryable" || (rejected && provider.invalidate !== undefined && !credentialsRefused)
    if (!options.recovery || !again) return yield* fail(failure)
    credentialsRefused = credentialsRefused || rejected
    const recovery = attempt.opened ? "lost" : Deferred.isDoneUnsafe(opened) ? "not reopened" : "not opened"
    if (attempt.stable) {
      yield* reportRecovery(core, recovery, failure, 0)
      continue
    }
    const retry =
      failure._tag === "Retryable"
        ? failure
        : new Retryable({
            reason: RetryableReason.ServerUnavailable({ message: failure.message, status: failure._tag }),
            attempts
          })
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const delay = yield* Effect.raceFirst(Effect.exit(apart(step(now, retry))), Deferred.await(core.closeRequested))
    if (delay === undefined) return yield* close
    if (Exit.isFailure(delay)) {
      if (Cause.hasDies(delay.cause)) yield* logScheduleDefect(core)
      return yield* fail(failure)
    }
    // Fresh credentials are the cure of a refusal, not time.
    const millis = rejected ? 0 : Math.max(Duration.toMillis(delay.value[1]), retryAfter(retry, options))
    yield* reportRecovery(core, recovery, failure, millis)
    yield* pause(core, millis)
  }
})

const recoverySchedule = (options: ResolvedStreamOptions): Schedule.Schedule<unknown, Retryable> =>
  options.recoverySchedule ??
  Schedule.spaced(options.recoveryBackoff).pipe(Schedule.jittered, Schedule.upTo({ times: options.recoveryRetries }))

/** Opens and runs one session in a scope of its own, so that its connection is gone before the next one opens. */
const attemptSession = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  provider: HeadersProviderShape,
  opened: Deferred.Deferred<void, StreamFailure>
) {
  const { recoveryTimeout } = core.options
  core.zone.rewindUnsafe()
  const opening: OpeningAttempt = { limit: recoveryTimeout, waitingFor: "its turn" }
  const session = yield* openSession(core, provider).pipe(
    Effect.provideService(Opening, opening),
    Effect.timeoutOrElse({
      duration: recoveryTimeout,
      orElse: () => {
        const message = `Opening the stream took longer than ${recoveryTimeout} ms (recoveryTimeout), waiting for ${opening.waitingFor}.`
        const failure = new Retryable({ reason: RetryableReason.ConnectTimeout({ message }), attempts: 1 })
        return Effect.fail(new SessionFailure({ failure, rejected: false, orderly: false }))
      }
    }),
    Effect.exit
  )
  if (Exit.isFailure(session)) {
    const cause = session.cause.reasons.find(Cause.isFailReason)?.error
    if (cause === undefined) return yield* Effect.failCause(session.cause as Cause.Cause<never>)
    return { end: { _tag: "Failed", cause }, opened: false, stable: false } satisfies Attempt
  }
  const openedAt = core.now()
  // Before anybody knows of the stream: a close that follows at once must find an open session.
  yield* enter(core, core.zone.toReplay > 0 ? "replaying" : "open")
  yield* Deferred.succeed(opened, undefined)
  yield* logOpen(core)
  const end = yield* Effect.withSpan(runSession(core, session.value), "Zerobus.session", {
    attributes: { table: core.table.tableName, session: core.sessionId ?? "" }
  })
  // Silence outlasts any uptime, so a server that opens sessions and acknowledges nothing would never come to an end.
  const silent = end._tag === "Failed" && isAckTimeout(end.cause.failure)
  const stable = session.value.acknowledged > 0 || (!silent && core.now() - openedAt >= STABLE_UPTIME)
  return { end, opened: true, stable } satisfies Attempt
})

const isAckTimeout = (failure: StreamFailure): boolean =>
  failure._tag === "Retryable" && failure.reason._tag === "AckTimeout"

/** Ends an attempt when the stream closes while no session is open; an open session sees to its own orderly close. */
const closeWhenNotOpen = (core: StreamCore<any>): Effect.Effect<Attempt> =>
  Effect.gen(function* () {
    yield* Deferred.await(core.closeRequested)
    const state = SubscriptionRef.getUnsafe(core.state)
    if (state !== "connecting" && state !== "recovering") return yield* Effect.never
    return closedAttempt
  })

/** Waits, but not longer than the stream lives. */
const pause = (core: StreamCore<any>, millis: number): Effect.Effect<void> =>
  millis <= 0 ? Effect.void : Effect.raceFirst(Effect.sleep(millis), Deferred.await(core.closeRequested))

const retryAfter = ({ reason }: Retryable, options: ResolvedStreamOptions): number =>
  reason._tag === "TokenServiceUnavailable" ? Math.min(reason.retryAfterMillis ?? 0, options.recoveryTimeout) : 0

/** Another attempt follows: in the state, the metrics and the log. */
const reportRecovery = (
  core: StreamCore<any>,
  recovery: Recovery,
  failure: StreamFailure,
  millis: number
): Effect.Effect<void> => {
  core.telemetry.recovering(failure)
  return Effect.andThen(
    recovery === "not opened" ? Effect.void : enter(core, "recovering"),
    logRecovery(core, recovery, failure, millis)
  )
}
