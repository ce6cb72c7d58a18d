/**
 * The ingest calls of a stream with a spool, which succeed once their records are persisted, and
 * their receipts.
 *
 * A call can be interrupted until its bytes are in a group. After that, the call ends together with
 * the group. So an interrupted call has either written nothing or is in the log.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { Offset } from "../../Offset.ts"
import type { AckError, RecordAck } from "../../RecordAck.ts"
import {
  type FlushTimeout,
  InvalidArgument,
  InvalidState,
  type Retryable,
  type StreamClosed
} from "../../ZerobusError.ts"
import type { IngestError, ZerobusStream } from "../../ZerobusStream.ts"
import type { Refusal } from "../landing/landingZone.ts"
import { Full } from "../landing/waitingLine.ts"
import type { LogGroup, SpooledLog } from "../spooledLog.ts"
import { wake } from "../userCode/wake.ts"
import { groupPersisted, lost, spoolSettled } from "./spoolAccess.ts"
import type { SpooledZone } from "./spooledZone.ts"
import { type AckFailure, type StreamFace, streamClosed } from "./streamCore.ts"
import { awaitOffset, timedOut, withinLimit } from "./streamIngest.ts"
import { handles } from "./streamRefused.ts"
import { originOf } from "./streamUnacked.ts"

/** A receipt of a record in a group. If the group fails, its offset is given out again. */
class SpooledAck implements RecordAck {
  readonly offset: Offset
  // Private at run time, as in any receipt.
  readonly #core: StreamFace<any>
  readonly #group: LogGroup

  constructor(core: StreamFace<any>, offset: number, group: LogGroup) {
    this.offset = Offset(offset)
    this.#core = core
    this.#group = group
  }

  /**
   * The group that contains the record of a receipt; `undefined` for receipts of streams without a
   * spool.
   */
  static groupOf(ack: RecordAck): LogGroup | undefined {
    return ack instanceof SpooledAck ? ack.#group : undefined
  }

  get persisted(): Effect.Effect<void, AckError> {
    return groupPersisted(this.#core, this.#group)
  }

  get await(): Effect.Effect<Offset, AckError> {
    return Effect.andThen(this.persisted, awaitOffset(this.#core, this.offset))
  }

  get poll(): Effect.Effect<Option.Option<Exit.Exit<Offset, AckFailure>>> {
    return Effect.sync(() => {
      const { outcome } = this.#group
      if (outcome === undefined) return Option.none()
      return outcome === "persisted"
        ? Option.fromUndefinedOr(this.#core.acks.pollUnsafe(this.offset))
        : Option.some(Exit.fail(lost(this.#core, outcome)))
    })
  }
}

/**
 * Stores a position in a stream's spool together with the record of a receipt, or with the record
 * taken last. Succeeds once the position is on disk, and with it that record.
 */
export const keepPosition = (
  stream: ZerobusStream<any>,
  position: Uint8Array,
  ack: RecordAck | undefined
): Effect.Effect<void, InvalidState | Retryable | StreamClosed> =>
  Effect.suspend((): Effect.Effect<void, InvalidState | Retryable | StreamClosed> => {
    const core = originOf(stream)?.core
    const log = core?.spooled?.log
    if (core === undefined || log === undefined) return Effect.fail(withoutSpool())
    // A failed group gives its offsets out again, so only the receipt identifies its record.
    const outcome = ack === undefined ? undefined : SpooledAck.groupOf(ack)?.outcome
    const fault = typeof outcome === "object" ? outcome : log.failure
    if (fault !== undefined) return Effect.fail(lost(core, fault))
    log.notePosition(ack?.offset ?? log.nextOffset - 1, new Uint8Array(position))
    return groupPersisted(core, log.latestGroup!)
  })

/** Waits for the groups of a stream, at most for `flushTimeout`. Without a spool there are none. */
export const spoolFlushed = (
  core: StreamFace<any>,
  operation: "flush" | "close"
): Effect.Effect<void, FlushTimeout> =>
  Effect.suspend(() =>
    core.spooled?.log.latestGroup === undefined
      ? Effect.void
      : withinLimit(core, spoolSettled(core), operation, core.options.flushTimeout)
  )

/** The progress of a stream's spool. */
export const spoolProgress = (
  stream: ZerobusStream<any>
): Effect.Effect<Pick<SpooledLog, "lastPosition" | "nextOffset">, InvalidState> =>
  Effect.suspend(() => {
    const log = originOf(stream)?.core.spooled?.log
    return log === undefined ? Effect.fail(withoutSpool()) : Effect.succeed(log)
  })

const withoutSpool = (): InvalidState =>
  new InvalidState({
    message: "The stream has no spool. Give it one with the option spool of createStream."
  })

type AnyFiber = Fiber.Fiber<unknown, unknown>
type Operation = "ingestRecord" | "ingestRecords"

/** How a sink submits its records. */
export interface Intake<A> {
  /** Takes the records of a chunk, and passes the offset of each to `note`. */
  readonly take: (
    records: ReadonlyArray<A>,
    note: (offset: number) => void
  ) => Effect.Effect<void, IngestError>
  /** Fails when some of the records it took are lost. */
  readonly settled: Effect.Effect<void, IngestError>
}

/** The ingest calls, and the intake of sinks. */
export const makeSpooledIngest = <A>(
  core: StreamFace<A>,
  zone: SpooledZone<A>
): Pick<ZerobusStream<A>, "ingestRecord" | "ingestRecords" | "offerUnsafe"> & {
  readonly makeIntake: () => Intake<A>
} => {
  const receipt = (offset: number): SpooledAck =>
    new SpooledAck(core.receiver, offset, zone.log.latestGroup!)

  /** Waits for the receipt's group, even when the caller is interrupted. */
  const persisted = (ack: SpooledAck): Effect.Effect<RecordAck, IngestError> =>
    Effect.uninterruptible(
      Effect.as(ack.persisted as Effect.Effect<void, Retryable | StreamClosed>, ack)
    )

  /**
   * Waits in line for room, at most `ingestTimeout`. Leaves the line when the group `before` fails,
   * since the records must not follow a gap.
   */
  const admit = (
    records: ReadonlyArray<A>,
    atomic: boolean,
    operation: Operation,
    before?: LogGroup
  ): Effect.Effect<SpooledAck, IngestError> =>
    Effect.suspend(() => {
      const { ingestTimeout } = core.options
      let leave = (): boolean => false
      const admitted = Effect.callback<SpooledAck, IngestError>((resume) => {
        const waiting = zone.waitUnsafe(records, atomic, (offset) =>
          wake(
            resume,
            offset === undefined
              ? Effect.fail(streamClosed(core, operation))
              : Effect.succeed(receipt(offset))
          )
        )
        if (typeof waiting === "function") leave = waiting
        else resume(Effect.fail(waiting))
        before?.onSettled((outcome) => {
          if (outcome !== "persisted" && leave()) wake(resume, Effect.fail(lost(core, outcome)))
        })
        return Effect.sync(() => leave())
      })
      if (ingestTimeout === undefined) return admitted
      const late = Effect.suspend(() =>
        leave() ? Effect.fail(timedOut(core, operation, ingestTimeout)) : Effect.never
      )
      return Effect.raceFirst(admitted, Effect.delay(late, ingestTimeout))
    })

  const ingest = (
    records: ReadonlyArray<A>,
    atomic: boolean,
    operation: Operation,
    fiber: AnyFiber
  ): Effect.Effect<RecordAck, IngestError> => {
    if (core.closing) return Effect.fail(streamClosed(core, operation))
    // Inside the stream's own handler nothing may wait for room.
    const offset = zone.offerUnsafe(records, atomic, handles(core, fiber))
    if (typeof offset !== "number") return Effect.fail(offset)
    return offset === Full
      ? Effect.flatMap(admit(records, atomic, operation), persisted)
      : persisted(receipt(offset))
  }

  /**
   * A sink waits for room and not for the disk: it encodes while earlier records are written, and
   * so fills groups. Its latest group stands for all earlier ones: a failed group fails those
   * behind it, and the sink submits nothing after that.
   */
  const makeIntake = (): Intake<A> => {
    let latest: LogGroup | undefined
    const offer = (record: A): number | Refusal | Retryable | StreamClosed => {
      const outcome = latest?.outcome
      if (outcome !== undefined && outcome !== "persisted") return lost(core, outcome)
      return core.closing ? streamClosed(core, "ingestRecord") : zone.offerUnsafe([record], false)
    }
    return {
      take: Effect.fnUntraced(function* (records, note) {
        for (const record of records) {
          let offset = offer(record)
          if (typeof offset !== "number") return yield* Effect.fail(offset)
          if (offset === Full) {
            const ack = yield* admit([record], false, "ingestRecord", latest)
            latest = SpooledAck.groupOf(ack)
            offset = ack.offset
          } else latest = zone.log.latestGroup
          note(offset)
        }
      }),
      settled: Effect.suspend(() =>
        latest === undefined ? Effect.void : groupPersisted(core, latest)
      )
    }
  }

  return {
    ingestRecord: (record) =>
      Effect.withFiber((fiber) => ingest([record], false, "ingestRecord", fiber)),
    ingestRecords: (records) =>
      Effect.withFiber((fiber): Effect.Effect<RecordAck | undefined, IngestError> => {
        if (core.closing) return Effect.fail(streamClosed(core, "ingestRecords"))
        if (!Array.isArray(records)) {
          return Effect.fail(
            new InvalidArgument({ message: "ingestRecords takes an array of records.", path: [] })
          )
        }
        return records.length === 0
          ? Effect.succeed(undefined)
          : ingest(records, true, "ingestRecords", fiber)
      }),
    offerUnsafe: (record) => {
      if (core.closing) return undefined
      const offset = zone.offerUnsafe([record], false)
      if (typeof offset !== "number") throw offset
      return offset === Full ? undefined : receipt(offset)
    },
    makeIntake
  }
}
