/**
 * Writes records into chunk memory in their wire format: tag and length in front of each payload.
 *
 * It refuses records that cannot be encoded. The landing zone handles room, offsets and the limits
 * of the whole zone.
 */
import { InvalidArgument } from "../../ZerobusError.ts"
import { ChunkWriter } from "./chunk.ts"
import { HEAD_ROOM, RECORD_TAG } from "../protobuf/envelope.ts"
import { encode, type RecordCodec } from "../recordCodec.ts"
import { isRefusedForColumn, refusedForColumn } from "../tableForm.ts"
import { varintSize, writeVarint } from "../protobuf/writer.ts"

export class RecordWriter<A> extends ChunkWriter {
  private readonly codec: RecordCodec<A>
  private lengthSize = 1
  /** Bytes of the last batch. */
  private batchSize = 0

  constructor(codec: RecordCodec<A>, chunkSize?: number, firstSize?: number) {
    super(chunkSize, firstSize)
    this.codec = codec
  }

  /** Bytes of the write in progress. */
  get size(): number {
    return this.position - this.mark
  }

  /** Bytes of the payload, if the write in progress is a single record. */
  get payloadSize(): number {
    return this.size - 1 - this.lengthSize
  }

  /**
   * Adds one record to the write in progress. The size of the length prefix is guessed from the
   * previous record.
   */
  writeRecord(record: A): InvalidArgument | undefined {
    const before = this.position - this.mark
    this.ensure(1 + this.lengthSize)
    this.position += 1 + this.lengthSize
    const refusal = encode(this.codec, record, this)
    if (refusal !== undefined) return refusal
    const tagAt = this.mark + before
    const length = this.position - tagAt - 1 - this.lengthSize
    if (length < 0x80 && this.lengthSize === 1) {
      this.buffer[tagAt] = RECORD_TAG
      this.buffer[tagAt + 1] = length
    } else this.frame(before, length)
    return undefined
  }

  /**
   * Writes tag and length in front of a payload. Moves the payload when its length prefix has
   * another size than guessed.
   */
  private frame(before: number, length: number): void {
    const size = varintSize(length)
    if (size !== this.lengthSize) {
      const shift = size - this.lengthSize
      this.ensure(shift) // a shorter length needs no room
      const payload = this.mark + before + 1 + this.lengthSize
      this.buffer.copyWithin(payload + shift, payload, this.position)
      this.position += shift
      this.lengthSize = size
    }
    this.buffer[this.mark + before] = RECORD_TAG
    writeVarint(this.buffer, length, this.mark + before + 1)
  }

  /** Begins a write and fills it with a batch. Stops early once it is larger than `limit` bytes. */
  writeBatch(records: ReadonlyArray<A>, limit: number): InvalidArgument | undefined {
    this.begin(HEAD_ROOM)
    // Batches are often alike. Reserving the size of the last one saves growing the buffer record
    // by record.
    this.ensure(this.batchSize)
    for (let i = 0; i < records.length; i++) {
      const refusal = this.writeRecord(records[i]!)
      if (refusal !== undefined) return atIndex(refusal, i)
      // Checked while it grows, so that a batch that is too large is not encoded to its end.
      if (this.size > limit) break
    }
    this.batchSize = Math.min(this.size, limit)
    this.fit()
    return undefined
  }

  /** Adds content of an earlier write, including tags and lengths. */
  writeContent(content: Uint8Array): void {
    this.ensure(content.length)
    this.buffer.set(content, this.position)
    this.position += content.length
  }
}

const atIndex = (refusal: InvalidArgument, index: number): InvalidArgument => {
  const message = `Record ${index} of the batch: ${refusal.message}`
  const placed = new InvalidArgument({ message, path: [index, ...refusal.path] })
  return isRefusedForColumn(refusal) ? refusedForColumn(placed) : placed
}
