/**
 * Every line that a stream writes to the log, with its fields. No line quotes a record, a header or
 * a token.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import {
  FlushTimeout,
  type InvalidArgument,
  type StreamFailure,
  type ZerobusError
} from "../../ZerobusError.ts"
import { shielded } from "../userCode/shield.ts"
import { thrownKind } from "../userCode/wake.ts"
import { leftOf, type StreamCore, type StreamFace, streamIdOf } from "./streamCore.ts"

/** The stream ended, and the spool keeps unacknowledged records. */
export const logInSpool = (core: StreamFace<any>, streamId: string): Effect.Effect<void> =>
  Effect.logInfo("Unacknowledged records stay in the spool, and the next stream on it sends them", {
    table: core.table.tableName,
    streamId,
    entries: leftOf(core),
    spool: core.options.spool?.path
  })

/** The disk of a spool does not respond, and the stream ends without it. */
export const logHungSpool = (core: StreamFace<any>, millis: number): Effect.Effect<void> =>
  Effect.logWarning(
    "The disk of the spool does not respond, and the stream ended without it. " +
      "The spool stays locked until this process ends",
    {
      table: core.table.tableName,
      streamId: streamIdOf(core),
      spool: core.options.spool?.path,
      limitMillis: millis
    }
  )

/** The retry budget is spent. With a spool the stream goes on. */
export const logWaitingForServer = (core: StreamFace<any>, millis: number): Effect.Effect<void> =>
  Effect.logWarning(
    "The server cannot be reached; records stay in the spool and the stream retries",
    {
      streamId: streamIdOf(core),
      cause: core.lastFailure?.message,
      entries: leftOf(core),
      inMillis: Math.round(millis)
    }
  )

/** The unacknowledged records of an ended stream, and their bytes with framing. */
const left = ({ whole }: StreamFace<any>) => ({
  records: leftOf(whole),
  bytes: whole.zone.usedBytes
})

/**
 * A session is open. `toSendAgain` messages go first: the session before did not get them
 * acknowledged.
 */
export const logOpen = (core: StreamCore<any>): Effect.Effect<void> =>
  Effect.logDebug("A connection is open", {
    session: core.sessionId,
    toSendAgain: core.zone.window.toReplay
  })

/**
 * The server announced the end of the connection and another one is opened, or the pool took the
 * stream's slot back.
 */
export const logRotation = (core: StreamCore<any>): Effect.Effect<void> =>
  Effect.logDebug(
    core.slot?.isDismissed === true
      ? core.slot.needsRecord
        ? "The stream returned its slot to the pool"
        : "The stream continues with fewer lanes"
      : "The server rotated the stream's connection",
    { unacknowledged: core.zone.usedRecords }
  )

/**
 * Another session is opened for the columns of the table: after a mismatch, or because columns were
 * added.
 */
export const logReopening = (
  core: StreamCore<any>,
  failure: StreamFailure | undefined
): Effect.Effect<void> =>
  Effect.logInfo("The stream reopens for the columns of its table", {
    ...(failure === undefined ? {} : { cause: failure.message }),
    unacknowledged: core.zone.usedRecords
  })

/** A response could not be decoded, and the session continues without it. */
export const logPassedOver = (core: StreamCore<any>): Effect.Effect<void> =>
  Effect.logWarning("The server sent a response that cannot be decoded; it is ignored", {
    streamId: streamIdOf(core)
  })

const RECOVERIES = {
  "lost": "The stream lost its connection and is recovering",
  "not reopened": "No new connection could be opened; the stream tries again",
  "not opened": "The stream could not be opened; it tries again"
} as const

/**
 * Why a stream opens another connection: the last one was rotated or lost, or the first or a later
 * attempt to open one failed.
 */
export type Recovery = keyof typeof RECOVERIES | "rotated"

/**
 * The retry budget is spent and nothing is unacknowledged: the stream has no connection until the
 * next record.
 */
export const logIdle = (core: StreamFace<any>): Effect.Effect<void> =>
  Effect.logInfo("The stream is idle until the next record, and then connects again", {
    streamId: streamIdOf(core),
    cause: core.whole.lastFailure?.message
  })

/**
 * Another attempt follows after `millis` milliseconds. `retryAfterMillis` is the pause that the
 * token service requested, if that decided.
 */
export const logRecovery = (
  core: StreamFace<any>,
  recovery: keyof typeof RECOVERIES,
  failure: StreamFailure,
  millis: number,
  retryAfterMillis?: number
): Effect.Effect<void> =>
  Effect.logWarning(RECOVERIES[recovery], {
    cause: failure.message,
    unacknowledged: core.zone.usedRecords,
    inMillis: Math.round(millis),
    ...(retryAfterMillis === undefined ? {} : { retryAfterMillis })
  })

/** An open stream has failed permanently. */
export const logFailure = (
  core: StreamFace<any>,
  { _tag, message }: StreamFailure
): Effect.Effect<void> =>
  Effect.logError("The stream has failed", {
    streamId: streamIdOf(core),
    cause: _tag,
    message,
    unacknowledged: left(core)
  })

/** A stream ended because of a bug in the program, in the client or in the options it was given. */
export const logDefect = (
  core: StreamFace<any>,
  cause: Cause.Cause<unknown>
): Effect.Effect<void> =>
  Effect.logError("The stream ended because of a defect", {
    streamId: streamIdOf(core),
    kinds: cause.reasons.map((reason) =>
      reason._tag === "Die" ? thrownKind(reason.defect) : reason._tag
    ),
    unacknowledged: left(core)
  })

/**
 * The scope of a stream closed with unacknowledged records that were not read and that no handler
 * receives.
 */
export const logLeft = (
  core: StreamFace<any>,
  streamId: string,
  records: number,
  cause: ZerobusError
): Effect.Effect<void> =>
  Effect.logWarning("A stream ended with unacknowledged records that nothing read", {
    table: core.table.tableName,
    streamId,
    records,
    // The program has ended, so the advice in an error of a running program does not apply.
    cause:
      cause._tag === "FlushTimeout"
        ? new FlushTimeout({ ...cause, unacknowledged: records }).message
        : cause.message
  })

/** A record was refused for certain. `unlogged` more were refused since the last line. */
export const logRefused = (
  core: StreamFace<any>,
  cause: InvalidArgument,
  unlogged: number
): Effect.Effect<void> =>
  Effect.logWarning("The server refused a record; the stream continues without it", {
    streamId: streamIdOf(core),
    offset: cause.offset,
    cause: cause.message,
    ...(unlogged === 0 ? {} : { unlogged })
  })

/** The server refused one of the messages in flight, and another connection narrows the search. */
export const logSearch = (core: StreamFace<any>, suspects: number): Effect.Effect<void> =>
  Effect.logDebug("The server refused a record; the stream searches for it", {
    streamId: streamIdOf(core),
    messagesInFlight: suspects
  })

/** The `onRefused` handler did not take the record, so the stream ends. */
export const logRefusedHandler = (
  core: StreamFace<any>,
  offset: number,
  why: string
): Effect.Effect<void> =>
  Effect.logError(
    `The onRefused handler ${why}, so the stream ends with the record unacknowledged`,
    {
      streamId: streamIdOf(core),
      offset
    }
  )

/** The recovery schedule threw. This ends the recovery, as a finished schedule does. */
export const logScheduleDefect = (core: StreamFace<any>): Effect.Effect<void> =>
  Effect.logError("The recoverySchedule threw, so the stream does not recover", {
    streamId: streamIdOf(core)
  })

/**
 * A closing scope waits for its stream. The line explains why an ended program is still running.
 */
export const logWaiting = (core: StreamFace<any>, limitMillis: number): Effect.Effect<void> =>
  Effect.suspend(() =>
    Effect.logInfo("A closing scope waits until the records of its stream are durable", {
      table: core.table.tableName,
      streamId: streamIdOf(core),
      unacknowledged: left(core),
      limitMillis
    })
  )

/** A second signal ended the wait of a scope for its stream. */
export const logWaitEnded = (core: StreamFace<any>): Effect.Effect<void> =>
  Effect.suspend(() =>
    Effect.logWarning("A signal ended the wait of a closing scope", {
      table: core.table.tableName,
      streamId: streamIdOf(core),
      unacknowledged: left(core)
    })
  )

/** The table's codec cannot decode what it wrote. */
export const logUnreadable = (
  core: StreamFace<any>,
  streamId: string,
  records: number
): Effect.Effect<void> =>
  // Shielded, since it runs in the caller's fiber.
  shielded(
    Effect.logError(
      "The table's schema cannot read unacknowledged records back: " +
        "read their bytes with getUnackedPayloads or onUnacked",
      { table: core.table.tableName, streamId, records }
    )
  )

/** A stream was closed, by the program or by its scope. */
export const logClosed = (core: StreamFace<any>): Effect.Effect<void> =>
  Effect.suspend(() =>
    Effect.logDebug("The stream was closed", {
      streamId: streamIdOf(core),
      durable: core.whole.zone.acknowledgedRecords,
      unacknowledged: left(core)
    })
  )
