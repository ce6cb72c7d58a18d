/**
 * A spool keeps a stream's records on disk until the server has acknowledged them, so that they
 * survive the process.
 *
 * With a spool `ingestRecord` succeeds once the record is in the spool's log. A stream that is
 * opened on a spool that holds records sends those first, in order. While the server cannot be
 * reached ingest goes on, up to `maxBytes` of disk. The format is described in `docs/spool.md`.
 *
 * @example
 * const stream = yield* zerobus.createStream(TableProperties.json("main.default.air_quality"), {
 *   spool: Spool.directory("spool/air_quality", { maxBytes: 1_000_000_000 })
 * })
 *
 * @packageDocumentation
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
  /** Bytes on disk above which ingest waits; default 10 GiB, at least 16 MiB. */
  readonly maxBytes?: number | undefined
  /**
   * When a record counts as persisted. `"group"` (default): after `fdatasync` of its group, which
   * survives a loss of power. `"os"`: after `write`, which survives the end of the process.
   */
  readonly sync?: "group" | "os" | undefined
}

/**
 * What a spool holds.
 *
 * @since 0.2.0
 * @category models
 */
export interface SpoolContent {
  /** The table that the records go to: `catalog.schema.table`. */
  readonly tableName: string
  /** The format of the records. */
  readonly recordType: "json" | "proto" | "avro"
  /** The persistent stream that it belongs to; undefined for that of ephemeral streams. */
  readonly streamId: string | undefined
  /** The oldest offset that is not acknowledged. Equal to `nextOffset` when nothing waits. */
  readonly firstOffset: Offset
  /** The offset that is given out next. */
  readonly nextOffset: Offset
  /** Bytes on disk. */
  readonly bytes: number
  /** Records that wait, those of batches included. */
  readonly waitingRecords: number
  /** Bytes of the records that wait, with tags and lengths as they travel. */
  readonly waitingBytes: number
  /**
   * The serialized `DescriptorProto` of protobuf records, the schema's text of Avro ones;
   * `undefined` for JSON.
   */
  readonly descriptor: Uint8Array | undefined
  /** The opaque position of the latest entry that carries one; at most 1 KiB. */
  readonly position: Uint8Array | undefined
}

/**
 * Where an open stream's spool stands.
 *
 * @since 0.2.0
 * @category models
 */
export interface SpoolProgress {
  /** The offset that is given out next. */
  readonly nextOffset: Offset
  /** The latest position that is on disk. */
  readonly position: Uint8Array | undefined
  /**
   * Records and batches behind that position. A source that goes on there passes over so many,
   * since the spool has them already. Without a position: all that the spool ever took.
   */
  readonly behindPosition: number
}

/**
 * A record that waits in a spool.
 *
 * @since 0.2.0
 * @category models
 */
export interface SpooledRecord {
  /** The offset of the record, or of the batch that it belongs to. */
  readonly offset: Offset
  /** UTF-8 of a JSON object, or a protobuf message. */
  readonly payload: Uint8Array
}

const DEFAULT_MAX_BYTES = 10 * 1024 * 1024 * 1024

/**
 * A spool in a folder, which is made when it is missing. One process at a time may use it. A spool
 * belongs to one table; another one, another record type, or a descriptor that does not read what
 * waits is refused with `InvalidState`.
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
 * Looks at a spool without opening it; another process may use it meanwhile. Fails with
 * `InvalidState` where there is no spool or it is damaged, and with `Retryable` when the disk
 * fails.
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
 * Keeps where the source of a stream stands: an opaque position of at most 1 KiB, such as a file's
 * line or a Kafka offset. It belongs to the record of the receipt `ack`, or else to the record or
 * batch that the stream took last; of two positions the one that was kept later counts. Succeeds
 * once record and position are on disk. Fails with `InvalidArgument` for a position that is too
 * large, with `InvalidState` for a stream without a spool, and as `ack.persisted` does.
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
 * Where a stream's spool stands, for a source that goes on behind what an earlier process has
 * ingested: it starts at `position` and passes over the first `behindPosition` records that the
 * stream would take. Read it before the first ingest call. Fails with `InvalidState` for a stream
 * without a spool.
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
 * The records that wait in a spool, in order, without opening it; batches record by record under
 * one offset. Fails as `inspect` does.
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
