/**
 * A spool stores a stream's records on disk until the server has acknowledged them, so that they
 * survive the process.
 *
 * With a spool, `ingestRecord` succeeds once the record is in the spool's log. A stream that opens
 * a spool with records sends those first, in order. While the server cannot be reached, ingest
 * continues up to `maxBytes` of disk. `docs/spool.md` describes the format.
 *
 * @packageDocumentation
 *
 * @example
 * const stream = yield* zerobus.createStream(TableProperties.json("main.default.air_quality"), {
 *   spool: Spool.directory("spool/air_quality", { maxBytes: 1_000_000_000 })
 * })
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Offset } from "./Offset.ts"
import { nodeDisk } from "./internal/log/logDisk.ts"
import { keepPosition, spoolProgress } from "./internal/engine/streamSpool.ts"
import { MAX_POSITION_BYTES } from "./internal/spool/entries.ts"
import { openSpool } from "./internal/spool/openSpool.ts"
import { leftEntries, summarize, waitingEntries } from "./internal/spool/readSpool.ts"
import { resolvePath } from "./internal/spool/spoolScan.ts"
import { faultError, type LogFault, type Spool } from "./internal/spooledLog.ts"
import type { RecordAck } from "./RecordAck.ts"
import {
  InvalidArgument,
  type InvalidState,
  type Retryable,
  type StreamClosed
} from "./ZerobusError.ts"
import type { ZerobusStream } from "./ZerobusStream.ts"

export type { Spool } from "./internal/spooledLog.ts"

/**
 * Options of a spool.
 *
 * @since 0.2.0
 * @category configuration
 */
export interface SpoolOptions {
  /** Bytes on disk above which ingest waits. Default 10 GiB, minimum 16 MiB. */
  readonly maxBytes?: number | undefined
  /**
   * When a record counts as persisted. `"group"` (default): after `fdatasync` of its group, which
   * survives a power loss. `"os"`: after `write`, which survives the end of the process.
   */
  readonly sync?: "group" | "os" | undefined
}

/**
 * The content of a spool.
 *
 * @since 0.2.0
 * @category models
 */
export interface SpoolContent {
  /** The table that the records go to: `catalog.schema.table`. */
  readonly tableName: string
  /** The format of the records. */
  readonly recordType: "json" | "proto" | "avro" | "arrow"
  /** The persistent stream that the spool belongs to. Undefined for spools of ephemeral streams. */
  readonly streamId: string | undefined
  /** The oldest unacknowledged offset. Equal to `nextOffset` when no record waits. */
  readonly firstOffset: Offset
  /** The offset of the next record. */
  readonly nextOffset: Offset
  /** Bytes on disk. */
  readonly bytes: number
  /** Number of waiting records, including those in batches. */
  readonly waitingRecords: number
  /** Bytes of the waiting records, including their tags and lengths on the wire. */
  readonly waitingBytes: number
  /**
   * The serialized `DescriptorProto` for protobuf records, the schema text for Avro records,
   * `undefined` for JSON.
   */
  readonly descriptor: Uint8Array | undefined
  /** The latest opaque position in the spool, at most 1 KiB. */
  readonly position: Uint8Array | undefined
}

/**
 * The progress of an open stream's spool.
 *
 * @since 0.2.0
 * @category models
 */
export interface SpoolProgress {
  /** The offset of the next record. */
  readonly nextOffset: Offset
  /** The latest position on disk. */
  readonly position: Uint8Array | undefined
  /**
   * Number of records and batches after that position. A source that resumes there skips this many,
   * because the spool already contains them. Without a position: all that the spool has ever
   * accepted.
   */
  readonly behindPosition: number
}

/**
 * A waiting record of a spool.
 *
 * @since 0.2.0
 * @category models
 */
export interface SpooledRecord {
  /** The offset of the record, or of the batch that it belongs to. */
  readonly offset: Offset
  /** A JSON object as UTF-8, a protobuf message, or an Avro record. */
  readonly payload: Uint8Array
}

const DEFAULT_MAX_BYTES = 10 * 1024 * 1024 * 1024

/**
 * A spool in a folder, which is created if missing. Only one process at a time may use it. A spool
 * belongs to one table. Another table or record type, or a descriptor that cannot read the waiting
 * records, is refused with `InvalidState`.
 *
 * @example
 * Spool.directory("spool/air_quality", { maxBytes: 1_000_000_000 })
 *
 * @since 0.2.0
 * @category constructors
 */
export const directory = (path: string, options: SpoolOptions = {}): Spool => ({
  path,
  ...options,
  open: ({ now, ...identity }) =>
    openSpool({
      folder: resolvePath(path),
      identity,
      maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
      sync: options.sync ?? "group",
      disk: nodeDisk,
      now
    }),
  left: (maxBytes, isLeft) => leftEntries(resolvePath(path), maxBytes, isLeft)
})

/**
 * Reads the content of a spool without opening it; another process may use it at the same time.
 * Fails with `InvalidState` when there is no spool or it is damaged, and with `Retryable` when the
 * disk fails.
 *
 * @example
 * const { firstOffset, nextOffset } = yield* Spool.inspect("spool/air_quality")
 *
 * @since 0.2.0
 * @category accessors
 */
export const inspect = (path: string): Effect.Effect<SpoolContent, Retryable | InvalidState> =>
  Effect.tryPromise({
    try: async () => {
      const { firstOffset, nextOffset, position, ...rest } = await summarize(resolvePath(path))
      return {
        ...rest,
        firstOffset: Offset(firstOffset),
        nextOffset: Offset(nextOffset),
        position: position?.bytes
      }
    },
    catch: (fault) => faultError(fault as LogFault)
  })

/**
 * Stores the position of a stream's source: opaque bytes of at most 1 KiB, such as a line of a file
 * or a Kafka offset. The position belongs to the record of the receipt `ack`, else to the last
 * record or batch that the stream accepted. Of two positions, the one stored later counts. Succeeds
 * once record and position are on disk. Fails with `InvalidArgument` for a position that is too
 * large, with `InvalidState` for a stream without a spool, and like `ack.persisted`.
 *
 * @example
 * const ack = yield* stream.ingestRecord(record)
 * yield* Spool.notePosition(stream, new TextEncoder().encode(String(line)), ack)
 *
 * @since 0.2.0
 * @category mutations
 */
export const notePosition = (
  stream: ZerobusStream<any>,
  position: Uint8Array,
  ack?: RecordAck
): Effect.Effect<void, InvalidArgument | InvalidState | Retryable | StreamClosed> =>
  position.length > MAX_POSITION_BYTES
    ? Effect.fail(
        new InvalidArgument({
          message:
            `A position has at most ${MAX_POSITION_BYTES} bytes, this one has ` +
            `${position.length}.`,
          path: ["position"]
        })
      )
    : keepPosition(stream, position, ack)

/**
 * Returns the progress of a stream's spool, for a source that resumes after an earlier process: it
 * starts at `position` and skips the first `behindPosition` records that it would ingest. Read it
 * before the first ingest call. Fails with `InvalidState` for a stream without a spool.
 *
 * @example
 * const { behindPosition, position } = yield* Spool.progress(stream)
 *
 * @since 0.2.0
 * @category accessors
 */
export const progress = (stream: ZerobusStream<any>): Effect.Effect<SpoolProgress, InvalidState> =>
  Effect.map(spoolProgress(stream), ({ lastPosition, nextOffset }) => ({
    nextOffset: Offset(nextOffset),
    position: lastPosition?.bytes,
    behindPosition: nextOffset - 1 - (lastPosition?.offset ?? -1)
  }))

/**
 * Streams the waiting records of a spool in order, without opening it. The records of a batch have
 * the same offset. Fails like `inspect`.
 *
 * @example
 * yield* Stream.runForEach(Spool.records("spool/air_quality"), ({ payload }) =>
 *   Console.log(payload.length))
 *
 * @since 0.2.0
 * @category accessors
 */
export const records = (path: string): Stream.Stream<SpooledRecord, Retryable | InvalidState> =>
  Stream.fromAsyncIterable(waitingEntries(resolvePath(path)), (fault) =>
    faultError(fault as LogFault)
  ).pipe(
    Stream.map((entries) =>
      entries.flatMap(({ offset, payloads }) =>
        payloads.map((payload) => ({ offset: Offset(offset), payload }))
      )
    ),
    Stream.flattenIterable
  )
