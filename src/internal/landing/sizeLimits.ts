/**
 * The bounds of a landing zone, and which records and batches they refuse for good.
 */
import { InvalidArgument, PayloadTooLarge } from "../../ZerobusError.ts"
import { ALONE } from "./chunk.ts"
import { HEAD_ROOM, requestSize } from "../protobuf/envelope.ts"

const refuse = (message: string) => (): InvalidArgument =>
  new InvalidArgument({ message, path: [] })

/** The refusal of a record beyond the last offset. */
export const exhausted = refuse("The stream's offsets are exhausted. Open a new stream.")

/** The refusal of a record that was ingested while another one was being encoded. */
export const nested = refuse(
  "Encoding a record of this stream ingested another one into it. Do that before or after, not " +
    "in toJSON or a getter."
)

/**
 * The bounds of a landing zone. Bytes include framing; bytes in flight also include
 * `MESSAGE_OVERHEAD` per message. A record and an explicit batch each count as one record.
 */
export interface LandingZoneLimits {
  readonly maxInflightRecords: number
  readonly maxInflightBytes: number
  readonly maxPayloadBytes: number
  readonly maxBatchRecords: number
  /** Bounds of a message that combines single records. One record each when `batching` is off. */
  readonly coalesceBytes: number
  readonly coalesceRecords: number
}

/** Refuses records and batches that are too large for any zone with these limits, full or not. */
export class SizeLimits {
  private readonly limits: LandingZoneLimits
  /** Content of at most this many bytes needs no closer check. */
  private readonly safe: number

  constructor(limits: LandingZoneLimits) {
    this.limits = limits
    this.safe = Math.min(limits.maxPayloadBytes - HEAD_ROOM, limits.maxInflightBytes - ALONE)
  }

  /**
   * Checks one request: the bytes of its payload, and those of its content, which is the payload
   * with tag and length.
   */
  check(payload: number, content: number): PayloadTooLarge | undefined {
    return content <= this.safe ? undefined : this.checkEach(payload, content)
  }

  checkBatch(records: number): PayloadTooLarge | undefined {
    const limit = this.limits.maxBatchRecords
    return records > limit
      ? new PayloadTooLarge({ size: records, limit, option: "maxBatchRecords" })
      : undefined
  }

  private checkEach(payload: number, content: number): PayloadTooLarge | undefined {
    const { maxInflightBytes, maxPayloadBytes } = this.limits
    const size = requestSize(payload)
    if (size > maxPayloadBytes)
      return new PayloadTooLarge({ size, limit: maxPayloadBytes, option: "maxPayloadBytes" })
    const alone = ALONE + content
    return alone > maxInflightBytes
      ? new PayloadTooLarge({ size: alone, limit: maxInflightBytes, option: "maxInflightBytes" })
      : undefined
  }
}
