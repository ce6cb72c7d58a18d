/**
 * An open stream to one table: ingest, acknowledgements, flush, close, and unacknowledged records
 * after its end.
 *
 * A stream lives in a scope and uses many connections over time. Its supervisor fiber, landing zone
 * and sessions are in `internal/`; this module is the public interface.
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
 * Why an ingest call accepted nothing. The stream continues, except after `StreamClosed`.
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
 * The result of a sink: durable and refused records.
 *
 * @since 0.1.0
 * @category models
 */
export interface SinkSummary {
  /** Number of durable records. */
  readonly records: number
  /** Records that the server refused and `onRefused` accepted. */
  readonly refused: number
  /** Encoded bytes that the stream accepted during the run, including framing. */
  readonly bytes: number
  /** The last offset; -1 when nothing was ingested. */
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
  /** The id of the stream: that of its first session. It stays the same after reconnects. */
  readonly streamId: string
  /** The server's id of the latest session. */
  readonly sessionId: Effect.Effect<string>
  /**
   * Queues one record and succeeds with its receipt. Waits while the landing zone is full. With a
   * spool it succeeds once the record is in the spool's log, and fails with `Retryable` of reason
   * `SpoolUnavailable` when that cannot be written. Interrupting the wait uses no offset. Fails
   * with `InvalidArgument` or `PayloadTooLarge` for a record that cannot be sent, which does not
   * affect the stream; with `FlushTimeout` after waiting `ingestTimeout` for room; and with
   * `StreamClosed`.
   */
  readonly ingestRecord: (record: A) => Effect.Effect<RecordAck, IngestError>
  /**
   * Queues a batch as one message with one offset: the server makes all of it durable or nothing.
   * An empty batch returns `undefined` and uses no offset. Fails like `ingestRecord`; one invalid
   * record refuses the batch.
   */
  readonly ingestRecords: (
    records: ReadonlyArray<A>
  ) => Effect.Effect<RecordAck | undefined, IngestError>
  /**
   * Queues one record without waiting, for plain callbacks. Returns its receipt, or `undefined`
   * when the landing zone is full or the stream accepts no more records. Throws `InvalidArgument`
   * or `PayloadTooLarge` for a record that cannot be sent.
   */
  readonly offerUnsafe: (record: A) => RecordAck | undefined
  /**
   * Waits until every record ingested before is durable or accepted by `onRefused`, at most
   * `flushTimeout`. After that it fails with `FlushTimeout`, and nothing is dropped.
   */
  readonly flush: Effect.Effect<void, AckError>
  /**
   * Refuses further records, flushes, half-closes the connection and ends the stream. Later calls
   * return the same result. Fails with the error of the flush; unacknowledged records then stay
   * readable.
   */
  readonly close: Effect.Effect<void, AckError>
  /**
   * Waits until the offset is durable or accepted by `onRefused`, at most `flushTimeout`. Fails
   * with `InvalidArgument` for an offset that does not exist.
   */
  readonly waitForOffset: (offset: Offset) => Effect.Effect<Offset, AckError>
  /**
   * The unacknowledged records, in order, with batches flattened. Only available after the stream
   * has closed or failed, else `InvalidState`. Can be read repeatedly. Records that the table's
   * schema cannot decode are not included: the log reports their number as an error, and
   * `getUnackedPayloads`, `onUnacked` and `recreateStream` include them.
   */
  readonly getUnackedRecords: Effect.Effect<ReadonlyArray<A>, InvalidState>
  /**
   * Like `getUnackedRecords`, but grouped: a batch as it was ingested, a single record as a group
   * of one.
   */
  readonly getUnackedBatches: Effect.Effect<ReadonlyArray<ReadonlyArray<A>>, InvalidState>
  /**
   * The unacknowledged records as encoded bytes, including those that the schema cannot decode: a
   * JSON object as UTF-8, or a protobuf message. In order, with batches flattened.
   */
  readonly getUnackedPayloads: Effect.Effect<ReadonlyArray<Uint8Array>, InvalidState>
  /**
   * The highest offset up to which all records, on every lane, are durable or accepted by
   * `onRefused`. Emits whenever it has increased; a slow reader receives only the latest value.
   * Ends or fails with the stream.
   */
  readonly durableOffsets: Stream.Stream<Offset, AckError>
  /** The current state and every change of it. Ends after `closed` or `failed`. */
  readonly stateChanges: Stream.Stream<StreamState>
  /**
   * A sink that ingests its input and ends with a summary when all of it is durable. The stream
   * stays open.
   */
  readonly toSink: Sink.Sink<SinkSummary, A, never, IngestError | AckError>
}

/**
 * Experimental: a stream whose offsets the server stores, so that it can be resumed by its
 * `streamId`, also by another process, and no record is stored twice. One process may write to it
 * at a time: a resume elsewhere ends it with `InvalidState`. Persistent streams are in development
 * at the service; the local server supports them.
 *
 * Each call is one message with one offset, so use `ingestRecords` for throughput. Its offsets
 * continue after a resume. A refused record ends it, because no offset can be skipped. Closing it
 * ends only the connection; `retireStream` ends the stream.
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
  /** The id for resuming the stream. */
  readonly streamId: string
  /**
   * The offset of the first record that this stream accepts: the one after the spool's last record,
   * or else after the last record that the server has committed. A source that can be read from any
   * position resumes there and needs no spool.
   */
  readonly resumedAt: Offset
}
