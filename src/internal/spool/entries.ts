/**
 * The entries of a spool's log: runs of single records, and batches.
 *
 *   body of a frame:
 *   kind (1 byte) | first offset (double) | records (uint32) | records, each with tag and length
 *
 * In a run every record has its own offset; a batch has one. A position frame holds an opaque
 * position that belongs to an offset: kind | offset | 0 | bytes.
 *
 * Entries of a stream with several lanes have a key (uint32) per offset after the records. Records
 * with the same key are sent in order: the lane is the key modulo the number of lanes.
 */
import { FRAME_PREFIX, FrameBuffer } from "../log/frames.ts"
import { recordEnd } from "../protobuf/envelope.ts"

const runKind = 4
const batchKind = 5
const positionKind = 6
const keyedRunKind = 7
const keyedBatchKind = 8
const headBytes = 13

/** Bytes of a key. */
export const KEY_BYTES = 4

/**
 * The most bytes of the records of a run, unless it is a single record: the size of one message.
 */
const RUN_BYTES = 256 * 1024

/** The most bytes that an entry takes beyond its records. */
export const ENTRY_OVERHEAD = FRAME_PREFIX + headBytes + KEY_BYTES

/** The largest position in bytes. */
export const MAX_POSITION_BYTES = 1024

/** A position and the offset that it belongs to. */
export interface Position {
  readonly offset: number
  readonly bytes: Uint8Array
}

/** The entries of one group, in the form that is written to disk. */
export class EntryBuffer {
  readonly frames = new FrameBuffer()
  /** Start of the body of the open run; -1 when none is open. */
  private run = -1
  private runRecords = 0
  /** The keys of the records of the open run; empty for one without keys. */
  private keys: Array<number> = []

  /** Its bytes, including the completion of its open run. */
  get size(): number {
    return this.frames.size + this.keys.length * KEY_BYTES
  }

  /** Appends one record from `source`, including its tag and length. */
  single(offset: number, source: Buffer, start: number, end: number, key?: number): void {
    const isFull = this.size - this.run + end - start > RUN_BYTES
    if (this.run >= 0 && (isFull || this.keys.length > 0 !== (key !== undefined))) this.seal()
    if (this.run < 0) this.run = this.head(key === undefined ? runKind : keyedRunKind, offset, 0)
    this.runRecords++
    this.copy(source, start, end)
    if (key !== undefined) this.keys.push(key)
  }

  /** Appends a batch. */
  batch(
    offset: number,
    records: number,
    source: Buffer,
    start: number,
    end: number,
    key?: number
  ): void {
    this.seal()
    this.head(key === undefined ? batchKind : keyedBatchKind, offset, records)
    this.copy(source, start, end)
    if (key !== undefined) this.writeKey(key)
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
    for (const key of this.keys) this.writeKey(key)
    this.frames.end()
    this.reset()
  }

  /** Empties it for the next group. Memory beyond `keep` bytes is released. */
  clear(keep: number): void {
    this.reset()
    this.frames.clear(keep)
  }

  private reset(): void {
    this.run = -1
    this.runRecords = 0
    if (this.keys.length > 0) this.keys = []
  }

  private writeKey(key: number): void {
    const at = this.frames.reserve(KEY_BYTES)
    this.frames.bytes.writeUInt32LE(key, at)
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
  /** The range of its records, including tags and lengths. */
  start: number
  end: number
  /** Its first offset. */
  offset: number
  records: number
  /** Whether it is a batch, which has one offset. */
  atomic: boolean
  /** Start of the consecutive keys of its offsets; -1 when it has none. */
  keys: number
}

/** Reads an entry into `entry`. Returns false for a frame of another kind. */
export const readEntry = (buffer: Buffer, body: number, end: number, entry: Entry): boolean => {
  const kind = buffer[body]
  const keyed = kind === keyedRunKind || kind === keyedBatchKind
  if ((kind !== runKind && kind !== batchKind && !keyed) || end - body <= headBytes) return false
  entry.buffer = buffer
  entry.start = body + headBytes
  entry.offset = buffer.readDoubleLE(body + 1)
  entry.records = buffer.readUInt32LE(body + 9)
  entry.atomic = kind === batchKind || kind === keyedBatchKind
  entry.end = keyed ? end - offsetsOf(entry) * KEY_BYTES : end
  entry.keys = keyed ? entry.end : -1
  return entry.end > entry.start
}

/** Reads a position; `undefined` for a frame of another kind. */
export const readPosition = (buffer: Buffer, body: number, end: number): Position | undefined =>
  buffer[body] === positionKind && end - body >= headBytes
    ? {
        offset: buffer.readDoubleLE(body + 1),
        bytes: Uint8Array.from(buffer.subarray(body + headBytes, end))
      }
    : undefined

/** An empty entry to read into. */
export const makeEntry = (): Entry => ({
  buffer: Buffer.alloc(0),
  start: 0,
  end: 0,
  offset: 0,
  records: 0,
  atomic: false,
  keys: -1
})

/** How many offsets an entry has. */
export const offsetsOf = (entry: Entry): number => (entry.atomic ? 1 : entry.records)

/** The key of the n-th offset of an entry; `undefined` when it has none. */
export const keyAt = (
  { buffer, keys }: Pick<Entry, "buffer" | "keys">,
  n: number
): number | undefined => (keys < 0 ? undefined : buffer.readUInt32LE(keys + n * KEY_BYTES))

/** Moves the start of a run forward by this many records. Returns their bytes. */
export const skipRecords = (entry: Entry, records: number): number => {
  const before = entry.start
  for (let left = records; left > 0; left--) entry.start = recordEnd(entry.buffer, entry.start)
  entry.offset += records
  entry.records -= records
  if (entry.keys >= 0) entry.keys += records * KEY_BYTES
  return entry.start - before
}
