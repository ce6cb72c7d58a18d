/**
 * The spool of a stream as a whole: opens and closes it, waits for pending writes, and reads the
 * unacknowledged records of an ended stream.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Scheduler } from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import { InvalidState, type Retryable, StreamClosed } from "../../ZerobusError.ts"
import {
  faultError,
  type LeftEntry,
  type LogFault,
  type LogGroup,
  type LogTarget,
  type Spool
} from "../spooledLog.ts"
import { wake } from "../userCode/wake.ts"
import { SpooledZone } from "./spooledZone.ts"
import type { StreamFace } from "./streamCore.ts"
import { logHungSpool } from "./streamLogs.ts"

/** Opens the log of a spool for a stream, whose records go to `zone`. The scope closes it. */
export const openSpool = (
  core: StreamFace<any>,
  zone: LogTarget,
  spool: Spool
): Effect.Effect<void, Retryable | InvalidState, Scope.Scope> => {
  const { codec, descriptor, recordType, tableName: table } = core.table
  const { name, resumes: streamId } = core.rpc
  const open = Effect.clockWith((clock) =>
    tryLog(() =>
      spool.open({
        table,
        recordType: codec.protocol?.stored ?? recordType,
        descriptor,
        persistent: name === "PersistentStream" ? { streamId } : undefined,
        keyed: core.lanes.length > 1,
        now: () => ({ monotonic: core.now(), wall: clock.currentTimeMillisUnsafe() })
      })
    )
  )
  return Effect.acquireRelease(
    Effect.gen(function* () {
      const log = yield* open
      if (core.rpc.name === "EphemeralStream") {
        // The program has the stream before the server assigns an id to its first session.
        core.streamId = core.ownId
      } else if (log.streamId !== undefined) {
        // The log holds the stream's id and offset, so the stream can be used before the server is
        // reached.
        core.streamId = log.streamId
        core.rpc.resume(log.streamId)
        for (const lane of core.lanes) lane.fresh = false
      }
      core.spooled = new SpooledZone(core, zone, log, yield* Scheduler)
      return core.spooled
    }),
    (spooled) => closed(core, spooled)
  ).pipe(Effect.asVoid)
}

/**
 * How long the end of a stream waits for its spool, in milliseconds. A hung disk may never respond,
 * and a busy one takes seconds to sync.
 */
const CLOSE_LIMIT = 30_000

/** Closes the log, or continues without it when the disk does not respond. */
const closed = Effect.fnUntraced(function* (core: StreamFace<any>, zone: SpooledZone<any>) {
  const closing = Effect.as(
    Effect.promise(() => zone.close()),
    true
  )
  const limit = Effect.as(Effect.sleep(CLOSE_LIMIT), false)
  const answered = yield* Effect.raceFirst(
    Effect.interruptible(closing),
    Effect.interruptible(limit)
  )
  if (!answered) yield* logHungSpool(core, CLOSE_LIMIT)
  // Completed last, so that nothing of the stream runs once a waiting program continues.
  zone.closed.doneUnsafe(Exit.void)
})

const tryLog = <A>(run: () => Promise<A>): Effect.Effect<A, Retryable | InvalidState> =>
  Effect.tryPromise({ try: run, catch: (fault) => faultError(fault as LogFault) })

/**
 * The unacknowledged records of an ended stream in its spool, up to what a stream would hold in
 * memory.
 */
export const leftInSpool = (
  core: StreamFace<any>,
  zone: SpooledZone<any>
): Effect.Effect<ReadonlyArray<LeftEntry>, InvalidState> => {
  const { maxInflightBytes, spool } = core.options
  return Effect.andThen(
    zone.closed.await,
    tryLog(() => spool!.left(maxInflightBytes, zone.isLeft))
  ).pipe(
    Effect.mapError(({ message }) => new InvalidState({ message })),
    Effect.flatMap((left) =>
      left === undefined
        ? Effect.fail(
            new InvalidState({
              message:
                `More than ${maxInflightBytes} bytes (maxInflightBytes) wait in the spool ` +
                `${spool!.path}. ` +
                `Read them with Spool.records, or open a stream on the spool.`
            })
          )
        : Effect.succeed(left)
    )
  )
}

/** The error of a call whose group failed. */
export const lost = (core: StreamFace<any>, fault: LogFault): Retryable | StreamClosed => {
  const error = faultError(fault)
  return error._tag === "Retryable"
    ? error
    : new StreamClosed({ operation: "ingestRecord", cause: core.failure ?? error })
}

/** Waits until a group is on disk. Fails when it could not be written. */
export const groupPersisted = (
  core: StreamFace<any>,
  group: LogGroup
): Effect.Effect<void, Retryable | StreamClosed> =>
  Effect.callback<void, Retryable | StreamClosed>((resume) => {
    group.onSettled((outcome) =>
      wake(resume, outcome === "persisted" ? Effect.void : Effect.fail(lost(core, outcome)))
    )
  })

/** Waits until everything given to the log so far is on disk or has failed. */
export const spoolSettled = (core: StreamFace<any>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const group = core.spooled?.log.latestGroup
    return group === undefined ? Effect.void : Effect.ignore(groupPersisted(core, group))
  })
