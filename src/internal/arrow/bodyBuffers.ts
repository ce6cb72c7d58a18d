/**
 * The buffers of a record batch in the order of its header: taken from the body, and decompressed
 * one by one, all within a byte limit.
 */
import { ArrowProblem, refuseArrow } from "./arrowProblem.ts"
import type { BatchHeader, BodyCodec } from "./ipcMessage.ts"

/**
 * Decompresses bytes to exactly `size` bytes, never more. An exception becomes an `ArrowProblem`.
 */
export type Decompress = (codec: BodyCodec, bytes: Uint8Array, size: number) => Uint8Array

/** The limits of a batch. */
export interface BatchLimits {
  /** Uncompressed bytes of all its buffers. */
  readonly bytes: number
  /** Values of one column. */
  readonly values: number
}

const none = new Uint8Array(0)
/** Prefix of a compressed buffer: its uncompressed size, or -1 if it is not compressed. */
const sizePrefix = 8

/** Takes the nodes and the buffers of a batch one after another. */
export class BodyBuffers {
  private readonly header: BatchHeader
  private readonly body: Uint8Array
  private readonly decompress: Decompress
  private readonly limits: BatchLimits
  private nextNode = 0
  private nextBuffer = 0
  private bytesLeft: number

  constructor(header: BatchHeader, body: Uint8Array, decompress: Decompress, limits: BatchLimits) {
    this.header = header
    this.body = body
    this.decompress = decompress
    this.limits = limits
    this.bytesLeft = limits.bytes
  }

  /** Whether all nodes and buffers were taken. */
  get isEmpty(): boolean {
    const { lengths, offsets } = this.header
    return this.nextNode === lengths.length && this.nextBuffer === offsets.length
  }

  /** The length and the number of NULLs of the next column. */
  node(): { readonly length: number; readonly nulls: number } {
    const index = this.nextNode++
    const { lengths, nulls } = this.header
    if (index >= lengths.length) refuseArrow("The batch has fewer columns than the schema.")
    const length = lengths[index]!
    if (length > this.limits.values) {
      refuseArrow(
        `A column of the batch has ${length} values, above the limit of ${this.limits.values}. ` +
          "Send smaller batches."
      )
    }
    if (nulls[index]! > length) refuseArrow("A column of the batch has more NULLs than values.")
    return { length, nulls: nulls[index]! }
  }

  /** The next buffer, uncompressed. */
  buffer(): Uint8Array {
    const index = this.nextBuffer++
    const { codec, offsets, sizes } = this.header
    if (index >= offsets.length) refuseArrow("The batch has fewer buffers than its columns need.")
    const offset = offsets[index]!
    const size = sizes[index]!
    if (size === 0) return none
    if (offset + size > this.body.length) {
      refuseArrow("A buffer of the batch lies outside its body.")
    }
    const bytes = this.body.subarray(offset, offset + size)
    return this.spend(codec === undefined ? bytes : this.decompressed(codec, bytes))
  }

  private decompressed(codec: BodyCodec, bytes: Uint8Array): Uint8Array {
    if (bytes.length < sizePrefix) refuseArrow("A compressed buffer of the batch has no size.")
    const view = new DataView(bytes.buffer, bytes.byteOffset, sizePrefix)
    const [size, high] = [view.getUint32(0, true), view.getInt32(4, true)]
    const rest = bytes.subarray(sizePrefix)
    if (high === -1 && size === 0xffff_ffff) return rest
    if (high !== 0 || size > this.bytesLeft) return this.refuseSize()
    if (size === 0) return none
    let plain: Uint8Array
    try {
      plain = this.decompress(codec, rest, size)
    } catch (error) {
      if (error instanceof ArrowProblem) throw error
      return refuseArrow(`A buffer of the batch is not valid ${codec}.`)
    }
    if (plain.length !== size) refuseArrow("A compressed buffer of the batch has another size.")
    return plain
  }

  /** Buffers may overlap in the body, so each of them counts. */
  private spend(bytes: Uint8Array): Uint8Array {
    this.bytesLeft -= bytes.length
    return this.bytesLeft < 0 ? this.refuseSize() : bytes
  }

  private refuseSize(): never {
    return refuseArrow(
      `The buffers of the batch take more than ${this.limits.bytes} bytes. Send smaller batches.`
    )
  }
}
