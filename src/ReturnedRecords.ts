/**
 * Records that a stream gives back to the program: refused by the server, or left unacknowledged
 * when the scope of the stream closed.
 */
import type { Offset } from "./Offset.ts"
import type { InvalidArgument, ZerobusError } from "./ZerobusError.ts"

/**
 * What the `onUnacked` handler of a stream is told when its scope closed with records not
 * acknowledged.
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
   * Records that the table's schema encoded but cannot decode, as the bytes that travel; empty for
   * schemas that do both.
   */
  readonly unreadable: ReadonlyArray<Uint8Array>
  /** Why they are left: what ended the stream, or the `FlushTimeout` of its closing. */
  readonly cause: ZerobusError
}

/**
 * What the `onRefused` handler of a stream is given: one record that the server refused, or the
 * batch that it came in.
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
  /** One record, or the atomic batch; without what the table's schema cannot decode. */
  readonly records: ReadonlyArray<A>
  /** The same, and what the schema cannot decode, as the bytes that travel. */
  readonly payloads: ReadonlyArray<Uint8Array>
  /** The server's reason, without quoted values. Its `offset` is the one above. */
  readonly cause: InvalidArgument
}
