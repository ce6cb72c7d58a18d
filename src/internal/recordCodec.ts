/**
 * The engine's interface to a record type: writing one record as bytes, and reading it back for
 * `getUnackedRecords`. The landing zone handles message framing, offsets and limits.
 */
import { InvalidArgument } from "../ZerobusError.ts"
import type { StreamTable } from "./protobuf/envelope.ts"
import type { StreamRpc } from "./protobuf/streamRpc.ts"
import { thrownKind } from "./userCode/wake.ts"

/**
 * A growing byte buffer for records. `ensure` may replace `buffer`, so read the property again
 * after each call.
 */
export interface ByteSink {
  /** The bytes written so far end at `position`. The content after that is undefined. */
  buffer: Buffer
  position: number
  /** Start of the current record or batch. It moves with the content. */
  readonly mark: number
  /**
   * Makes room for `bytes` more bytes at `position`. Keeps everything written of the current
   * record.
   */
  readonly ensure: (bytes: number) => void
}

/** How the records of a codec travel, if not as messages of the Zerobus service. */
export interface RecordProtocol {
  /** The type of the bytes that `write` makes, as a spool keeps them. */
  readonly stored: "proto" | "arrow"
  /**
   * Whether records of several calls may be one message, each within `maxPayloadBytes`. Otherwise
   * each is a message, of several requests.
   */
  readonly gathers: boolean
  /** The RPC of sessions to a table. */
  readonly rpc: (table: StreamTable) => StreamRpc
  /**
   * The rest of records, with tags and lengths, without their first `units` units, and the number
   * of remaining records. At least one unit remains.
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
  /** Reads a payload of `write` back into a record. The caller may keep the bytes. */
  readonly read: (payload: Uint8Array) => A
  /** By default records travel as messages of the Zerobus service. */
  readonly protocol?: RecordProtocol | undefined
  /** Loads the protocol when a stream opens, so that other programs do not load its modules. */
  readonly loadProtocol?: (() => Promise<RecordProtocol>) | undefined
}

/**
 * Writes one record. An exception of the record's own getters or of the codec becomes a refusal,
 * without its text, which may quote values.
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
