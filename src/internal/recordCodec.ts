/**
 * What the engine needs to know of a record type: how to write one record as bytes, and how to read
 * it back for `getUnackedRecords`. Message framing, offsets and limits are the landing zone's
 * business.
 */
import { InvalidArgument } from "../ZerobusError.ts"
import type { StreamTable } from "./protobuf/envelope.ts"
import type { StreamRpc } from "./protobuf/streamRpc.ts"
import { thrownKind } from "./userCode/wake.ts"

/**
 * A growing byte buffer that records are written into. `ensure` may replace `buffer`, so read it
 * anew after each call.
 */
export interface ByteSink {
  /** The bytes written so far end at `position`; what lies beyond is undefined. */
  buffer: Buffer
  position: number
  /** Where the record, or the batch that it is in, begins; it moves with what is written. */
  readonly mark: number
  /**
   * Makes room for `bytes` more bytes at `position`; keeps everything written of the current
   * record.
   */
  readonly ensure: (bytes: number) => void
}

/** How the records of a codec travel, where it is not by the messages of the Zerobus service. */
export interface RecordProtocol {
  /** The RPC of sessions to a table. */
  readonly rpc: (table: StreamTable) => StreamRpc
  /**
   * What is left of records, with tags and lengths, without so many units from their front; and how
   * many records that is. At least one unit is left.
   */
  readonly suffix: (
    content: Uint8Array,
    units: number
  ) => { readonly content: Uint8Array; readonly records: number }
}

/** Writes and reads the payload of one record. Both run per record and are synchronous. */
export interface RecordCodec<in out A> {
  /**
   * Appends the payload of `record` to the sink. Returns why the record is refused, or `undefined`
   * when it was written. After a refusal the sink's position is undefined: the caller restores it.
   */
  readonly write: (record: A, sink: ByteSink) => InvalidArgument | undefined
  /** Reads a payload that `write` made back into a record. The bytes are the caller's to keep. */
  readonly read: (payload: Uint8Array) => A
  /** By default records travel as messages of the Zerobus service. */
  readonly protocol?: RecordProtocol | undefined
}

/**
 * Writes one record. What the record's own getters or the codec throw becomes a refusal, without
 * their text, which may quote values.
 */
export const encode = <A>(
  codec: RecordCodec<A>,
  record: A,
  sink: ByteSink
): InvalidArgument | undefined => {
  try {
    return codec.write(record, sink)
  } catch (error) {
    return new InvalidArgument({
      message:
        `The record cannot be encoded: reading it threw (${thrownKind(error)}). Correct ` +
        `the record.`,
      path: []
    })
  }
}
