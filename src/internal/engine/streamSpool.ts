/**
 * The ingest calls of a stream with a spool: they succeed once their records are persisted, and their receipts.
 *
 * A call can be interrupted until its bytes are in a group. After that its end waits for the group, so that an interrupted call has
 * either left nothing or is in the log.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { Offset } from "../../Offset.ts"
import type { AckError, RecordAck } from "../../RecordAck.ts"
import { InvalidArgument, InvalidState, type Retryable, type StreamClosed } from "../../ZerobusError.ts"
import type { IngestError, ZerobusStream } from "../../ZerobusStream.ts"
import { Full } from "../landing/waitingLine.ts"
import type { LogGroup, SpooledLog } from "../spooledLog.ts"
import { wake } from "../userCode/wake.ts"
import { groupPersisted, lost } from "./spoolAccess.ts"
import type { SpooledZone } from "./spooledZone.ts"
import { type AckFailure, type StreamFace, streamClosed } from "./streamCore.ts"
import { awaitOffset, timedOut } from "./streamIngest.ts"
import { handles } from "./streamRefused.ts"
import { originOf } from "./streamUnacked.ts"

/** A receipt of a record in a group. Its offset is given out again when the group fails. */
class SpooledAck implements RecordAck {
  readonly offset: Offset
  // Hidden, as in any receipt.
  readonly #core: StreamFace<any>
  readonly #group: LogGroup

  constructor(core: StreamFace<any>, offset: number, group: LogGroup) {
    this.offset = Offset(offset)
    this.#core = core
    this.#group = group
  }

  /** The group that the record of a receipt is in; `undefined` for receipts of streams without a spool. */
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
 * Keeps a position in a stream's spool that belongs to the record of a receipt, or else to the one that
 * the stream took last; succeeds once it is on disk, and with it that record.
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
    // A group that failed gives its offsets out again: the receipt alone tells its record from another.
    const outcome = ack === undefined ? undefined : SpooledAck.groupOf(ack)?.outcome
    const fault = typeof outcome === "object" ? outcome : log.failure
    if (fault !== undefined) return Effect.fail(lost(core, fault))
    log.notePosition(ack?.offset ?? log.nextOffset - 1, new Uint8Array(position))
    return groupPersisted(core, log.latestGroup!)
  })

/** Where a stream's spool stands. */
export const spoolProgress = (
  stream: ZerobusStream<any>
): Effect.Effect<Pick<SpooledLog, "lastPosition" | "nextOffset">, InvalidState> =>
  Effect.suspend(() => {
    const log = originOf(stream)?.core.spooled?.log
    return log === undefined ? Effect.fail(withoutSpool()) : Effect.succeed(log)
  })

const withoutSpool = (): InvalidState =>
  new InvalidState({ message: "The stream has no spool. Give it one with the option spool of createStream." })

type AnyFiber = Fiber.Fiber<unknown, unknown>
type Operation = "ingestRecord" | "ingestRecords"

/** The ingest calls, and one for the chunks of a sink, which waits once for all of them. */
export const makeSpooledIngest = <A>(
  core: StreamFace<A>,
  zone: SpooledZone<A>
): Pick<ZerobusStream<A>, "ingestRecord" | "ingestRecords" | "offerUnsafe"> & {
  readonly ingestChunk: (records: ReadonlyArray<A>, note: (offset: number) => void) => Effect.Effect<void, IngestError>
} => {
  const receipt = (offset: number): SpooledAck => new SpooledAck(core, offset, zone.log.latestGroup!)

  /** Waits for the receipt's group, also when the caller is interrupted. */
  const persisted = (ack: SpooledAck): Effect.Effect<RecordAck, IngestError> =>
    Effect.uninterruptible(Effect.as(ack.persisted as Effect.Effect<void, Retryable | StreamClosed>, ack))

  /** Waits in line for room, at most `ingestTimeout`, and then for the group. */
  const wait = (
    records: ReadonlyArray<A>,
    atomic: boolean,
    operation: Operation
  ): Effect.Effect<RecordAck, IngestError> =>
    Effect.suspend(() => {
      const { ingestTimeout } = core.options
      let leave = (): boolean => false
      const admitted = Effect.callback<SpooledAck, IngestError>((resume) => {
        const waiting = zone.waitUnsafe(records, atomic, (offset) =>
          wake(
            resume,
            offset === undefined ? Effect.fail(streamClosed(core, operation)) : Effect.succeed(receipt(offset))
          )
        )
        if (typeof waiting === "function") leave = waiting
        else resume(Effect.fail(waiting))
        return Effect.sync(() => leave())
      })
      if (ingestTimeout === undefined) return Effect.flatMap(admitted, persisted)
      const late = Effect.suspend(() =>
        leave() ? Effect.fail(timedOut(core, operation, ingestTimeout)) : Effect.never
      )
      return Effect.flatMap(Effect.raceFirst(admitted, Effect.delay(late, ingestTimeout)), persisted)
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
    return offset === Full ? wait(records, atomic, operation) : persisted(receipt(offset))
  }

  return {
    ingestRecord: (record) => Effect.withFiber((fiber) => ingest([record], false, "ingestRecord", fiber)),
    ingestRecords: (records) =>
      Effect.withFiber((fiber): Effect.Effect<RecordAck | undefined, IngestError> => {
        if (core.closing) return Effect.fail(streamClosed(core, "ingestRecords"))
        if (!Array.isArray(records)) {
          return Effect.fail(new InvalidArgument({ message: "ingestRecords takes an array of records.", path: [] }))
        }
        return records.length === 0 ? Effect.succeed(undefined) : ingest(records, true, "ingestRecords", fiber)
      }),
    offerUnsafe: (record) => {
      if (core.closing) return undefined
      const offset = zone.offerUnsafe([record], false)
      if (typeof offset !== "number") throw offset
      return offset === Full ? undefined : receipt(offset)
    },
    ingestChunk: Effect.fnUntraced(function* (records, note) {
      let last = Full
      for (const record of records) {
        const offset = core.closing ? streamClosed(core, "ingestRecord") : zone.offerUnsafe([record], false)
        if (typeof offset !== "number") return yield* Effect.fail(offset)
        if (offset === Full) {
          note((yield* wait([record], false, "ingestRecord")).offset)
          last = Full
        } else {
          note(offset)
          last = offset
        }
      }
      if (last !== Full) yield* persisted(receipt(last))
    })
  }
}
