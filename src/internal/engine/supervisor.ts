/**
 * The fiber that owns a stream's sessions, one after another. It opens a session, runs it, and
 * decides what follows its end.
 *
 * An attempt is *worth something* when its session made a record durable, or was open for 15
 * seconds before it held an unacknowledged one. Such an attempt refills the retry budget. So does
 * the first record of a stream that had none unacknowledged.
 *
 * How the attempt ended decides what follows:
 *
 * - Closed: the stream closes.
 * - A refusal with records in flight: the search for the refused one continues, next attempt at
 *   once (`isolation.ts`).
 * - Messages too large, attempt not worth something: messages are halved (`messageSize.ts`), next
 *   attempt at once.
 * - A schema mismatch, for the first time with this offset in front, `onSchemaChange: "reopen"`:
 *   the table is read again, next attempt at once (`followedTable.ts`).
 * - Another final cause: the stream fails.
 * - Refused credentials: they are invalidated, next attempt at once. The second time the stream
 *   fails, unless the RPC retries them.
 * - A retryable cause, or a rotation, attempt worth something: next attempt at once.
 * - A retryable cause, attempt not worth something: next attempt after the schedule's pause.
 * - A rotation, attempt not worth something: as above, but the first of several in a row has no
 *   pause.
 *
 * When the budget is spent:
 *
 * - A spool holds something unacknowledged: the stream waits, with an attempt every 30 seconds.
 * - The stream never opened, or holds something unacknowledged: it fails with the last cause.
 * - Nothing is unacknowledged: the stream is idle until the next record, then the next attempt
 *   follows.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { HeadersProviderShape } from "../../HeadersProvider.ts"
import { type ResolvedStreamOptions, STABLE_UPTIME } from "../../StreamConfigurationOptions.ts"
import type { Transport } from "../../Transport.ts"
import { Retryable, RetryableReason, type StreamFailure } from "../../ZerobusError.ts"
import { isolate } from "./streamRefused.ts"
import { halveUnsafe, sizeRefusal } from "./messageSize.ts"
import { Opening, type OpeningAttempt } from "../userCode/opening.ts"
import { openSession, runSession, type SessionEnd } from "./session.ts"
import { SessionFailure, unusedRotation } from "./sessionFailure.ts"
import { takeSlot, withdrawn } from "./pooling.ts"
import { endUnsafe, finishUnsafe, type StreamCore } from "./streamCore.ts"
import {
  logClosed,
  logDefect,
  logFailure,
  logIdle,
  logOpen,
  logRecovery,
  logReopening,
  logRotation,
  logScheduleDefect,
  logWaitingForServer,
  type Recovery
} from "./streamLogs.ts"
import type { Answer } from "../userCode/answer.ts"
import { forkShieldedIn } from "../userCode/forkIn.ts"
import { apart } from "../userCode/apart.ts"

/** The result of one attempt. */
interface Attempt {
  readonly end: SessionEnd
  /** When its session opened, in milliseconds; `undefined` when none did. */
  readonly openedAt: number | undefined
  /** Whether its session made something durable. */
  readonly progress: boolean
  /** How many messages were in flight when it ended, and when it ended, in milliseconds. */
  readonly inFlight: number
  readonly endedAt: number
}

/**
 * The shortest pause between sessions that a server ends repeatedly without progress, in
 * milliseconds.
 */
const LEAST_PAUSE = 100

/**
 * The pause between the attempts of a stream that waits for its server, before jitter, in
 * milliseconds.
 */
const WAITING_PAUSE = 30_000

/** The longest pause that a token service can request, in milliseconds: an hour. */
const LONGEST_RETRY_AFTER = 60 * 60 * 1000

const closedAttempt: Attempt = {
  end: { _tag: "Closed" },
  openedAt: undefined,
  progress: false,
  inFlight: 0,
  endedAt: 0
}

/**
 * Runs the stream until it is closed or has failed. `opened` completes with the first session, or
 * with the reason why there is none.
 */
export const supervise = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  provider: HeadersProviderShape,
  opened: Answer<void, StreamFailure>
): Effect.fn.Return<void, never, Transport> {
  const { options } = core
  let step: Step | undefined
  /** Attempts since the budget was refilled. */
  let attempts = 0
  let credentialsRefused = false
  /** Consecutive rotations whose session was not worth something. */
  let rotations = 0
  /** Whether nothing was unacknowledged when the latest attempt was counted. */
  let wasEmpty = core.zone.isEmpty

  const fail = (failure: StreamFailure, first = Effect.void) => {
    const final =
      failure._tag === "Retryable"
        ? new Retryable({ reason: failure.reason, attempts: Math.max(1, attempts) })
        : failure
    // A failure to open is returned to the caller and not logged.
    const log = opened.isDone ? Effect.andThen(first, logFailure(core, final)) : first
    return endThenLog(() => {
      const decides = finishUnsafe(core, final)
      opened.doneUnsafe(Exit.fail(final))
      return decides
    }, log)
  }
  const close = endThenLog(
    () => finishUnsafe(core, undefined),
    // A failure of its spool may have ended the stream.
    Effect.suspend(() =>
      core.failure === undefined ? logClosed(core) : logFailure(core, core.failure)
    )
  )

  for (;;) {
    if (core.slot !== undefined) yield* takeSlot(core, core.slot)
    // The stream closed during a pause: no more credentials are requested.
    if (core.closeRequested.isDone) return yield* close
    attempts++
    if (core.followed !== undefined) {
      yield* core.followed.begin(core.closeRequested.await)
      if (core.closeRequested.isDone) return yield* close
    }
    const attempt = yield* Effect.scoped(attemptSession(core, provider, opened))
    const reformed = core.followed?.endUnsafe() === true
    // A record that arrives after the attempt, while credentials are invalidated, does not count
    // for that attempt.
    const isEmpty = core.zone.isEmpty
    const cause = attempt.end._tag === "Failed" ? attempt.end.cause : undefined
    if (cause?.rejected && provider.invalidate !== undefined) {
      // Runs even when the stream is closing. It is bounded in time, and never delays the close or
      // hides the error that caused it.
      const invalidate = Effect.asVoid(
        provider.invalidate(core.table.tableName, Redacted.value(core.headers))
      )
      yield* Effect.ignoreCause(
        Effect.timeoutOption(
          Effect.raceFirst(invalidate, core.closeRequested.await),
          options.recoveryTimeout
        )
      )
    }
    if (core.closeRequested.isDone || attempt.end._tag === "Closed") {
      return yield* close
    }
    const worth = isWorthSomething(core, attempt)
    // Attempts of a stream without records do not reduce the budget of its first record.
    const first = wasEmpty && !isEmpty
    wasEmpty = isEmpty
    if (worth || first) {
      step = undefined
      attempts = worth ? 0 : 1
    }
    const rotated = attempt.end._tag === "Rotated"
    if (rotated && reformed) {
      if (!worth) attempts--
      core.states.enterUnsafe("recovering")
      yield* logReopening(core, undefined)
      continue
    }
    rotations = rotated && !worth ? rotations + 1 : 0
    if (worth) credentialsRefused = false
    const { failure, rejected } =
      attempt.end._tag === "Rotated" ? unusedRotation : attempt.end.cause
    if (!rotated || !worth) core.lastFailure = core.whole.lastFailure = failure
    if (failure._tag === "SchemaMismatch" && core.followed?.answersUnsafe(core.zone) === true) {
      yield* Effect.raceFirst(core.followed.reread, core.closeRequested.await)
      if (!worth) attempts--
      if (opened.isDone) core.states.enterUnsafe("recovering")
      yield* logReopening(core, failure)
      continue
    }
    const inFlight = options.recovery && attempt.openedAt !== undefined ? attempt.inFlight : 0
    const tooLarge = inFlight > 0 && !attempt.progress ? sizeRefusal(failure) : undefined
    const halved = tooLarge !== undefined && halveUnsafe(core)
    if (inFlight > 0 && (cause?.refusal === true || tooLarge === "certain")) {
      // New connections of a search for a record or a size use up no retry and wait for nothing.
      if (!worth) attempts--
      const ending = halved ? undefined : yield* isolate(core, inFlight, attempt.endedAt, failure)
      if (ending !== undefined) return yield* fail(ending)
      wasEmpty = core.zone.isEmpty
      core.states.enterUnsafe("recovering")
      continue
    }
    const retriesCredentials = !credentialsRefused || (core.rpc.retriesCredentials && opened.isDone)
    const again =
      failure._tag === "Retryable" ||
      (rejected && provider.invalidate !== undefined && retriesCredentials)
    if (!options.recovery || !again) return yield* fail(failure)
    const refusedAgain = credentialsRefused && rejected
    credentialsRefused = credentialsRefused || rejected
    const recovery: Recovery = rotated
      ? "rotated"
      : attempt.openedAt !== undefined
        ? "lost"
        : opened.isDone
          ? "not reopened"
          : "not opened"
    if (worth) {
      yield* reportRecovery(core, recovery, failure, 0)
      continue
    }
    const retry =
      failure._tag === "Retryable"
        ? failure
        : new Retryable({
            reason: RetryableReason.ServerUnavailable({
              message: failure.message,
              status: failure._tag
            }),
            attempts
          })
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const next = Effect.flatMap(
      step === undefined ? Schedule.toStep(recoverySchedule(options)) : Effect.succeed(step),
      (taken) => {
        step = taken
        return Effect.map(taken(now, retry), ([, delay]) => Duration.toMillis(delay))
      }
    )
    const delay = yield* Effect.raceFirst(Effect.exit(apart(next)), core.closeRequested.await)
    if (delay === undefined) return yield* close
    if (Exit.isFailure(delay)) {
      const log = Cause.hasDies(delay.cause) ? logScheduleDefect(core) : Effect.void
      const { spooled } = core.whole
      const goesOn =
        failure._tag === "Retryable" &&
        opened.isDone &&
        (core.zone.isEmpty || spooled !== undefined)
      if (!goesOn) return yield* fail(failure, log)
      yield* log
      // Before the first session of a persistent stream, records in a spool are not in the zone.
      yield* core.zone.isEmpty && spooled?.isWaiting !== true ? rest(core) : waitForServer(core)
      continue
    }
    const asked = retryAfter(retry)
    const pauseMillis = Math.max(delay.value, Math.min(asked, LONGEST_RETRY_AFTER))
    // New credentials fix a refusal; time does not. One rotation may be chance, but a server that
    // keeps rotating must not make the client spin.
    const millis =
      (rejected && !refusedAgain) || rotations === 1
        ? 0
        : rotated
          ? Math.max(pauseMillis, LEAST_PAUSE)
          : pauseMillis
    yield* reportRecovery(core, recovery, failure, millis, asked > delay.value ? asked : undefined)
    yield* pause(core, millis)
  }
})

/**
 * Resumes all waiters, then logs if this call decides how the stream ends. A resumed caller may
 * interrupt this fiber and still gets the log line.
 */
const endThenLog = (end: () => boolean, log: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.uninterruptible(
    Effect.flatMap(Effect.sync(end), (decides) => (decides ? log : Effect.void))
  )

/**
 * Runs the supervisor in a fiber of the scope. However it ends, all waiters resume; then `leave`
 * runs.
 */
export const forkSupervisor = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  supervised: Effect.Effect<void, never, Transport>,
  opened: Answer<void, StreamFailure>,
  scope: Scope.Scope,
  leave: Effect.Effect<void>
): Effect.fn.Return<void, never, Transport> {
  /** Resumes all waiters when the supervisor ended without closing or failing the stream. */
  const endAll = (exit: Exit.Exit<void>): void => {
    if (Exit.isFailure(exit)) endUnsafe(core, Exit.failCause(exit.cause), "failed")
    opened.doneUnsafe(exit)
  }
  const answering = supervised.pipe(
    // A defect must reach the waiters: no fiber joins this one.
    Effect.onExit((exit) =>
      Exit.isSuccess(exit)
        ? Effect.void
        : Effect.andThen(
            Effect.sync(() => endAll(exit)),
            Cause.hasDies(exit.cause) ? logDefect(core, exit.cause) : Effect.void
          )
    ),
    Effect.ensuring(Effect.sync(() => core.slot?.leaveUnsafe())),
    Effect.ensuring(leave)
  )
  yield* forkShieldedIn(answering, scope, (exit) => {
    core.zone.endUnsafe()
    endAll(exit)
  })
})

const recoverySchedule = (options: ResolvedStreamOptions): Schedule.Schedule<unknown, Retryable> =>
  options.recoverySchedule ??
  Schedule.spaced(options.recoveryBackoff).pipe(
    Schedule.jittered,
    Schedule.upTo({ times: options.recoveryRetries })
  )

type Step = Effect.Success<ReturnType<typeof Schedule.toStep<unknown, Retryable, never, never>>>

/**
 * Opens and runs one session in its own scope, so that its connection is gone before the next one
 * opens.
 */
const attemptSession = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  provider: HeadersProviderShape,
  opened: Answer<void, StreamFailure>
) {
  const { recoveryTimeout } = core.options
  core.zone.rewindUnsafe()
  const opening: OpeningAttempt = { limit: recoveryTimeout, waitingFor: () => "its turn" }
  const late = Effect.suspend(() => {
    const message =
      `Opening the stream took longer than ${recoveryTimeout} ms ` +
      `(recoveryTimeout), waiting for ${opening.waitingFor()}.`
    const failure = new Retryable({
      reason: RetryableReason.ConnectTimeout({ message }),
      attempts: 1
    })
    return Effect.fail(
      new SessionFailure({ failure, rejected: false, orderly: false, refusal: false })
    )
  })
  const session = yield* Effect.raceAllFirst([
    Effect.provideService(openSession(core, provider), Opening, opening),
    Effect.delay(late, recoveryTimeout),
    core.closeRequested.await
  ]).pipe(Effect.exit)
  if (Exit.isFailure(session)) {
    const cause = session.cause.reasons.find(Cause.isFailReason)?.error
    if (cause === undefined) return yield* Effect.failCause(session.cause as Cause.Cause<never>)
    return {
      end: { _tag: "Failed", cause },
      openedAt: undefined,
      progress: false,
      inFlight: 0,
      endedAt: 0
    } satisfies Attempt
  }
  // An open session handles its own orderly close.
  if (session.value === undefined) return closedAttempt
  const openedAt = core.now()
  core.slot?.openedUnsafe()
  // Set before the stream is visible: a close that follows at once must find an open session.
  core.states.enterUnsafe(core.zone.window.toReplay > 0 ? "replaying" : "open")
  opened.doneUnsafe(Exit.void)
  yield* logOpen(core)
  const end = yield* inSpan(core, runSession(core, session.value))
  core.slot?.closedUnsafe()
  const { acknowledged, handed, progress } = session.value
  const endedAt = core.now()
  return { end, openedAt, progress, inFlight: handed - acknowledged, endedAt } satisfies Attempt
})

/** Runs a session in a span, which fails with the cause when the session was lost. */
const inSpan = <R>(core: StreamCore<any>, session: Effect.Effect<SessionEnd, never, R>) =>
  Effect.suspend(() => {
    let lost: SessionEnd | undefined
    const ended = Effect.flatMap(session, (end): Effect.Effect<SessionEnd, StreamFailure> => {
      if (end._tag !== "Failed") return Effect.succeed(end)
      lost = end
      return Effect.fail(end.cause.failure)
    })
    const attributes = { table: core.table.tableName, session: core.sessionId ?? "" }
    return Effect.catch(
      Effect.withSpan(ended, "Zerobus.session", { attributes, captureStackTrace: false }),
      () => Effect.succeed(lost!)
    )
  })

/** Whether an attempt refills the budget. Call it after its session is gone. */
const isWorthSomething = (
  { now, zone }: StreamCore<any>,
  { openedAt, progress }: Attempt
): boolean =>
  progress ||
  (openedAt !== undefined && (zone.oldestUnsafe()?.acceptedAt ?? now()) - openedAt >= STABLE_UPTIME)

/** Waits without a connection for the next record, or for the close. */
const rest = (core: StreamCore<any>): Effect.Effect<void> =>
  Effect.gen(function* () {
    core.slot?.leaveUnsafe()
    core.states.enterUnsafe("idle")
    yield* logIdle(core)
    const due = Effect.raceFirst(core.zone.awaitNext, core.closeRequested.await)
    yield* core.slot === undefined ? due : Effect.raceFirst(due, withdrawn(core.slot))
    if (!core.closeRequested.isDone) core.states.enterUnsafe("recovering")
  })

/** Waits without a connection between two attempts of a stream whose spool keeps its records. */
const waitForServer = (core: StreamCore<any>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const millis = WAITING_PAUSE * (0.8 + 0.4 * (yield* Random.next))
    core.states.enterUnsafe("waiting")
    yield* logWaitingForServer(core, millis)
    yield* pause(core, millis)
    if (!core.closeRequested.isDone) core.states.enterUnsafe("recovering")
  })

/** Waits until the time is over or the stream closes. Other tables of its pool may use its slot. */
const pause = (core: StreamCore<any>, millis: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (millis <= 0) return Effect.void
    core.slot?.leaveUnsafe()
    return Effect.raceFirst(Effect.sleep(millis), core.closeRequested.await)
  })

/**
 * The pause that the token service requested, in milliseconds. User code provides it, so it may be
 * any number.
 */
const retryAfter = ({ reason }: Retryable): number =>
  reason._tag === "TokenServiceUnavailable" ? reason.retryAfterMillis || 0 : 0

/**
 * Reports another attempt in the state, the metrics and the log. `retryAfterMillis` is set when the
 * token service decides the pause.
 */
const reportRecovery = (
  core: StreamCore<any>,
  recovery: Recovery,
  failure: StreamFailure,
  millis: number,
  retryAfterMillis?: number
): Effect.Effect<void> => {
  if (recovery !== "rotated") core.telemetry.recovering(failure)
  if (recovery !== "not opened") core.states.enterUnsafe("recovering")
  return recovery === "rotated"
    ? logRotation(core)
    : logRecovery(core, recovery, failure, millis, retryAfterMillis)
}
