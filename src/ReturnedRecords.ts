/**
 * Records that a stream returns to the program: refused by the server, or not acknowledged when the
 * stream's scope closed.
 */
import type { Offset } from "./Offset.ts"
import type { InvalidArgument, ZerobusError } from "./ZerobusError.ts"

/**
 * The argument of `onUnacked`: the records that were not acknowledged when the stream's scope
 * closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unacked<A> {
  /** The table of the stream: `catalog.schema.table`. */
  readonly tableName: string
  /** The server's id of the stream. */
  readonly streamId: string
  /** In order of ingestion. */
  readonly records: ReadonlyArray<A>
  /**
   * Encoded bytes of records that the table's schema cannot decode. Empty for schemas that encode
   * and decode.
   */
  readonly unreadable: ReadonlyArray<Uint8Array>
  /**
   * Why they were not acknowledged: the error that ended the stream, or the `FlushTimeout` of its
   * closing.
   */
  readonly cause: ZerobusError
}

/**
 * The argument of `onRefused`: one record that the server refused, or the batch that contains it.
 *
 * @since 0.2.0
 * @category models
 */
export interface Refused<A> {
  /** The table of the stream: `catalog.schema.table`. */
  readonly tableName: string
  /** The server's id of the stream. */
  readonly streamId: string
  /** The offset of the record, or of the batch. */
  readonly offset: Offset
  /** One record, or the atomic batch, without records that the table's schema cannot decode. */
  readonly records: ReadonlyArray<A>
  /** All records as encoded bytes, including those that the schema cannot decode. */
  readonly payloads: ReadonlyArray<Uint8Array>
  /** The server's reason, without quoted values. Its `offset` equals the one above. */
  readonly cause: InvalidArgument
}
