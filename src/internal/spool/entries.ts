/**
 * The entries of a spool's log: runs of single records, and batches.
 *
 *   body of a frame: kind (1 byte) | first offset (double) | records (uint32) | records, each with tag and length as they travel
 *
 * In a run every record has an offset of its own; a batch has one. A position frame holds an opaque position that belongs to an offset:
 * kind | offset | 0 | bytes.
 */
import { FRAME_PREFIX, FrameBuffer } from "../log/frames.ts"
import { readLength } from "../protobuf/envelope.ts"

const runKind = 4
const batchKind = 5
const positionKind = 6
const headBytes = 13

/** The most bytes that records of a run take together, unless it is one record: what one message holds. */
const RUN_BYTES = 256 * 1024

/** What an entry takes besides its records, at most. */
export const ENTRY_OVERHEAD = FRAME_PREFIX + headBytes

/** Most bytes of a position. */
export const MAX_POSITION_BYTES = 1024

/** A position and the offset that it belongs to. */
export interface Position {
  readonly offset: number
  readonly bytes: Uint8Array
}

/** The entries of one group, as they go to disk. */
export class EntryBuffer {
  readonly frames = new FrameBuffer()
  /** Where the body of the open run begins; -1 when none is open. */
  private run = -1
  private runRecords = 0

  /** Appends one record, which lies in `source` with tag and length. */
  single(offset: number, source: Buffer, start: number, end: number): void {
    const { frames } = this
    if (this.run >= 0 && frames.size - this.run + end - start > RUN_BYTES) this.seal()
    if (this.run < 0) this.run = this.head(runKind, offset, 0)
    this.runRecords++
    this.copy(source, start, end)
  }

  /** Appends a batch. */
  batch(offset: number, records: number, source: Buffer, start: number, end: number): void {
    this.seal()
    this.head(batchKind, offset, records)
    this.copy(source, start, end)
    this.frames.end()
  }

  /** Appends the position that belongs to an offset. */
  position({ bytes, offset }: Position): void {
    this.seal()
    this.head(positionKind, offset, 0)
    const at = this.frames.reserve(bytes.length)
    this.frames.bytes.set(bytes, at)
    this.frames.end()
  }

  /** Completes the open run. */
  seal(): void {
    if (this.run < 0) return
    this.frames.bytes.writeUInt32LE(this.runRecords, this.run + 9)
    this.frames.end()
    this.run = -1
    this.runRecords = 0
  }

  /** Empties it for the next group; memory beyond `keep` bytes is given back. */
  clear(keep: number): void {
    this.run = -1
    this.runRecords = 0
    this.frames.clear(keep)
  }

  private head(kind: number, offset: number, records: number): number {
    const body = this.frames.begin(headBytes)
    const { bytes } = this.frames
    bytes[body] = kind
    bytes.writeDoubleLE(offset, body + 1)
    bytes.writeUInt32LE(records, body + 9)
    return body
  }

  private copy(source: Buffer, start: number, end: number): void {
    const length = end - start
    const at = this.frames.reserve(length)
    const { bytes } = this.frames
    if (length < 48) for (let i = 0; i < length; i++) bytes[at + i] = source[start + i]!
    else source.copy(bytes, at, start, end)
  }
}

/** An entry that was read: a view of `buffer`. */
export interface Entry {
  buffer: Buffer
  /** Where its records lie, with tags and lengths. */
  start: number
  end: number
  /** The first of its offsets. */
  offset: number
  records: number
  /** Whether it is a batch, which has one offset. */
  atomic: boolean
}

/** Reads an entry into `entry`; false for a frame that is none. */
export const readEntry = (buffer: Buffer, body: number, end: number, entry: Entry): boolean => {
  const kind = buffer[body]
  if ((kind !== runKind && kind !== batchKind) || end - body <= headBytes) return false
  entry.buffer = buffer
  entry.start = body + headBytes
  entry.end = end
  entry.offset = buffer.readDoubleLE(body + 1)
  entry.records = buffer.readUInt32LE(body + 9)
  entry.atomic = kind === batchKind
  return true
}

/** Reads a position; `undefined` for a frame that is none. */
export const readPosition = (buffer: Buffer, body: number, end: number): Position | undefined =>
  buffer[body] === positionKind && end - body >= headBytes
    ? { offset: buffer.readDoubleLE(body + 1), bytes: Uint8Array.from(buffer.subarray(body + headBytes, end)) }
    : undefined

/** An empty entry to read into. */
export const makeEntry = (): Entry => ({
  buffer: Buffer.alloc(0),
  start: 0,
  end: 0,
  offset: 0,
  records: 0,
  atomic: false
})

/** How many offsets an entry has. */
export const offsetsOf = (entry: Entry): number => (entry.atomic ? 1 : entry.records)

/** Where a record ends that begins at `start` with its tag and length. */
export const recordEnd = (buffer: Buffer, start: number): number => {
  const { length, next } = readLength(buffer, start + 1)
  return next + length
}
