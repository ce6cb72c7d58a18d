/**
 * An open stream to one table: ingest, acknowledgements, flush, close, and what is left when it
 * ends.
 *
 * A stream lives in a scope and over many connections. Its supervisor fiber, its landing zone and
 * its sessions are the business of `internal/`; this module is the face that programs see.
 */
import type * as Effect from "effect/Effect"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { Offset } from "./Offset.ts"
import type { AckError, RecordAck } from "./RecordAck.ts"
import type { StreamState } from "./StreamState.ts"
import type { TableProperties } from "./TableProperties.ts"
import type {
  FlushTimeout,
  InvalidArgument,
  InvalidState,
  PayloadTooLarge,
  Retryable,
  StreamClosed
} from "./ZerobusError.ts"

/**
 * Why an ingest call took nothing. The stream itself goes on, unless it is `StreamClosed`.
 *
 * @since 0.1.0
 * @category errors
 */
export type IngestError =
  | FlushTimeout
  | InvalidArgument
  | PayloadTooLarge
  | Retryable
  | StreamClosed

/**
 * What a sink has made durable, and what the server refused of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface SinkSummary {
  /** Records that are durable. */
  readonly records: number
  /** Records that the server refused and `onRefused` accepted. */
  readonly refused: number
  /** Encoded bytes that the stream accepted meanwhile, framing included. */
  readonly bytes: number
  /** -1 when nothing was ingested. */
  readonly lastOffset: number
}

/**
 * An open stream of records of type `A` to one table.
 *
 * @since 0.1.0
 * @category models
 */
export interface ZerobusStream<in out A> {
  /** The table it writes to. */
  readonly table: TableProperties<A>
  /** The id of the stream: that of its first session, the same over reconnects. */
  readonly streamId: string
  /** The id that the server gave the latest session. */
  readonly sessionId: Effect.Effect<string>
  /**
   * Queues one record and succeeds with its receipt; waits while the landing zone is full. With a
   * spool it succeeds once the record is in the spool's log, and fails with `Retryable` of reason
   * `SpoolUnavailable` when that cannot be written. Interrupting the wait consumes no offset. Fails
   * with `InvalidArgument` or `PayloadTooLarge` for a record that cannot be sent, which leaves the
   * stream as it was, with `FlushTimeout` when it waited for room for `ingestTimeout`, and with
   * `StreamClosed`.
   */
  readonly ingestRecord: (record: A) => Effect.Effect<RecordAck, IngestError>
  /**
   * Queues a batch as one message with one offset: the server makes all of it durable or nothing.
   * An empty batch gives `undefined` and takes no offset. Fails as `ingestRecord` does; one bad
   * record refuses the batch.
   */
  readonly ingestRecords: (
    records: ReadonlyArray<A>
  ) => Effect.Effect<RecordAck | undefined, IngestError>
  /**
   * Queues one record at once, for plain callbacks: its receipt, or `undefined` when the landing
   * zone is full or the stream takes no more records. Throws `InvalidArgument` or `PayloadTooLarge`
   * for a record that cannot be sent.
   */
  readonly offerUnsafe: (record: A) => RecordAck | undefined
  /**
   * Waits until everything ingested before is durable or accepted by `onRefused`, at most
   * `flushTimeout`; then `FlushTimeout`, and nothing is dropped.
   */
  readonly flush: Effect.Effect<void, AckError>
  /**
   * Refuses further records, flushes, half-closes the connection and ends the stream. Later calls
   * give the same result. Fails with what the flush failed with; what is unacknowledged then stays
   * readable.
   */
  readonly close: Effect.Effect<void, AckError>
  /**
   * Waits until the offset is durable or accepted by `onRefused`, at most `flushTimeout`. An offset
   * that was never given out is an `InvalidArgument`.
   */
  readonly waitForOffset: (offset: Offset) => Effect.Effect<Offset, AckError>
  /**
   * The records that were not acknowledged, in order, batches flattened. Only of a closed or failed
   * stream, else `InvalidState`. Can be read again and again. Records that the table's schema
   * encodes but cannot decode are not among them: an error in the log counts them, and
   * `getUnackedPayloads`, `onUnacked` and `recreateStream` have them.
   */
  readonly getUnackedRecords: Effect.Effect<ReadonlyArray<A>, InvalidState>
  /**
   * As `getUnackedRecords`, grouped: a batch as it was ingested, a single record as a group of one.
   */
  readonly getUnackedBatches: Effect.Effect<ReadonlyArray<ReadonlyArray<A>>, InvalidState>
  /**
   * What `getUnackedRecords` gives, and what it cannot read back, as the bytes that travel: UTF-8
   * of a JSON object, or a protobuf message. In order, batches flattened.
   */
  readonly getUnackedPayloads: Effect.Effect<ReadonlyArray<Uint8Array>, InvalidState>
  /**
   * The highest offset up to which all, on every lane, are durable or accepted by `onRefused`,
   * whenever it has risen; a slow reader sees the latest. Ends or fails with the stream.
   */
  readonly durableOffsets: Stream.Stream<Offset, AckError>
  /** The state now and every change of it; ends after `closed` or `failed`. */
  readonly stateChanges: Stream.Stream<StreamState>
  /**
   * A sink that ingests what it gets and ends with a summary when all of it is durable. The stream
   * stays open.
   */
  readonly toSink: Sink.Sink<SinkSummary, A, never, IngestError | AckError>
}

/**
 * Experimental: a stream whose offsets the server keeps, so that it can be resumed by its
 * `streamId`, also by another process, and no record is stored twice. One process writes it at a
 * time: a resume elsewhere ends it with `InvalidState`. For servers that have persistent streams,
 * which are in development at the service; the local server has them.
 *
 * Each call is one message with one offset, so `ingestRecords` is what makes it fast. Its offsets
 * go on over resumes. A refused record ends it, since no offset can be left out. Closing it ends
 * the connection and not the stream; `retireStream` does that.
 *
 * @example
 * const stream = yield* zerobus.resumePersistentStream(table, streamId)
 * for (const row of rows.slice(stream.resumedAt)) yield* stream.ingestRecord(row)
 * yield* stream.close
 *
 * @since 0.2.0
 * @category models
 */
export interface PersistentStream<in out A> extends ZerobusStream<A> {
  /** The id to resume the stream by. */
  readonly streamId: string
  /**
   * The offset that this stream gives out first: the one after the spool's last record, or else
   * after the last one that the server has committed. A source that can be read from any position
   * goes on there and needs no spool.
   */
  readonly resumedAt: Offset
}
