/**
 * The memory of records between the ingest call and their acknowledgement.
 *
 * A record is copied once, straight into a pooled chunk, with its tag and length in front. The
 * first chunk after everything was acknowledged has 4 KiB. Each one after it is eight times as
 * large, up to 256 KiB, or less in a zone with small bounds. So a thousand streams with one record
 * each take only megabytes. A write that would waste the rest of a chunk gets a separate buffer of
 * about its size.
 *
 * A message is a section of a chunk that travels as one request. The 32 bytes of head room in front
 * of it take the request's header, which is written again for every session. A chunk returns to the
 * pool when its last message is acknowledged.
 */
import { giveBuffer, joinPool, leavePool, sizeClass, takeBuffer } from "./bufferPool.ts"
import {
  HEAD_ROOM,
  type MessageType,
  payloadTag,
  readLength,
  stampHeader
} from "../protobuf/envelope.ts"
import type { ByteSink } from "../recordCodec.ts"

/**
 * Size of the largest pooled chunk in bytes. Chunks of 64 KiB and 1 MiB measured 15-60 % slower.
 */
export const CHUNK_SIZE = 256 * 1024

/**
 * What a message costs of the byte budget beyond its bytes: the object, and its places in the queue
 * and in the window. The budget bounds memory, so it counts them. `scripts/messageMemory.ts`
 * measures 105 to 118 bytes. Otherwise empty records that each travel alone would take four times
 * the memory that they are charged.
 */
export const MESSAGE_OVERHEAD = 128

/** What a separate message costs beyond its content. */
export const ALONE = HEAD_ROOM + MESSAGE_OVERHEAD

// A write that does not fit the rest of a chunk gets its own buffer from this part of a chunk on,
// so that at most an eighth is wasted.
const OWN_BUFFER_PART = 8
// A chunk has a quarter of the zone's byte budget. One that is being filled and one that is
// acknowledged in part come on top of what is in flight.
const CHUNKS_OF_ZONE = 4
/** Size of the first chunk of an empty stream, in bytes. */
export const LEAST_CHUNK_SIZE = 4096
/** The factor by which the next chunk is larger. */
const CHUNK_GROWTH = 8

/** The chunk size of a zone that may hold this many bytes. */
export const chunkSize = (maxInflightBytes: number): number =>
  Math.min(CHUNK_SIZE, sizeClass(Math.max(LEAST_CHUNK_SIZE, maxInflightBytes / CHUNKS_OF_ZONE)))

// Spare bytes for a record's length that is longer than guessed, so that the buffer need not grow
// again.
const LENGTH_SLACK = 8
// A separate buffer that is larger than this factor times the need is replaced by a smaller one.
const LARGEST_EXCESS = 1.25

/** A buffer shared by messages, with a reference count. */
export class Chunk {
  readonly buffer: Buffer
  references = 0

  constructor(size: number) {
    this.buffer = takeBuffer(size)
  }

  retain(): this {
    this.references++
    return this
  }

  release(): void {
    if (--this.references === 0) giveBuffer(this.buffer)
  }
}

/** Records that travel as one request, in one section of a chunk. */
export class Message {
  readonly chunk: Chunk
  /** Position of the first record's tag. The `HEAD_ROOM` bytes before it are free. */
  readonly start: number
  end: number
  /** Its first lifetime offset. */
  readonly offset: number
  /** How many lifetime offsets it takes: one per single record, one for a whole batch. */
  offsets: number
  records: number
  /** True for an explicit batch, which is never split or merged. */
  readonly atomic: boolean
  /** When its first record was accepted, in milliseconds. */
  readonly acceptedAt: number
  /** How many sessions have sent it. */
  sends = 0
  /** When it was handed to the latest session, in milliseconds. */
  handedAt = 0

  constructor(options: {
    readonly chunk: Chunk
    readonly start: number
    readonly end: number
    readonly offset: number
    readonly records: number
    readonly atomic: boolean
    readonly acceptedAt: number
  }) {
    this.chunk = options.chunk.retain()
    this.start = options.start
    this.end = options.end
    this.offset = options.offset
    this.offsets = 1
    this.records = options.records
    this.atomic = options.atomic
    this.acceptedAt = options.acceptedAt
  }

  /** Its bytes, including framing. */
  get charge(): number {
    return HEAD_ROOM + this.end - this.start
  }

  get lastOffset(): number {
    return this.offset + this.offsets - 1
  }

  /** Writes the header for one session and returns the whole request, a view of the chunk. */
  request(wireOffset: number, recordType: MessageType, tagShift = 0): Uint8Array {
    const buffer = this.chunk.buffer
    const batch = this.atomic || this.records > 1
    const contentStart = batch ? this.start : readLength(buffer, this.start + 1).next
    return buffer.subarray(
      stampHeader(
        buffer,
        contentStart,
        this.end,
        wireOffset,
        payloadTag(recordType),
        batch,
        tagShift
      ),
      this.end
    )
  }

  /** Copies of the payloads, in order. */
  payloads(): Array<Uint8Array> {
    return payloadsIn(this.chunk.buffer, this.start, this.end)
  }
}

/** Copies of the payloads in a section of records with tags and lengths, in order. */
export const payloadsIn = (buffer: Buffer, start: number, end: number): Array<Uint8Array> => {
  const payloads: Array<Uint8Array> = []
  for (let position = start; position < end;) {
    const { length, next } = readLength(buffer, position + 1)
    payloads.push(new Uint8Array(buffer.subarray(next, next + length)))
    position = next + length
  }
  return payloads
}

const NOTHING = Buffer.alloc(0)

/**
 * Writes into the current chunk after the committed bytes. A write begins, may move into another
 * chunk, and is then committed or dropped. Nothing counts before the commit.
 *
 * Nearly all writes stay in the current chunk and only change numbers. V8's garbage collector
 * tracks every stored reference, and one stored per record took up to a tenth of the time of a
 * small record. Rare steps are separate functions, since V8 inlines only a limited amount of code.
 */
export class ChunkWriter implements ByteSink {
  /** The buffer of the current chunk, unless the write in progress has moved. */
  buffer: Buffer = NOTHING
  position = 0
  /** Where the write in progress starts. */
  mark = 0
  /** Whether the write in progress moved to another chunk, where it starts a new message. */
  moved = false
  private current: Chunk | undefined
  private committed = 0
  /** The chunk of a write that has moved, once its size is known. */
  private target: Chunk | undefined
  /** Whether `target` is a separate buffer. */
  private own = false
  /** Size of the next chunk. */
  private nextSize: number
  /**
   * Whether it is registered as a user of the pool: from the first committed write until it is
   * empty or the stream has ended.
   */
  private usesPool = false
  private readonly chunkSize: number
  private readonly firstSize: number

  /**
   * Writes into chunks of up to `size` bytes, the first of `first` bytes. Both are size classes.
   */
  constructor(size = CHUNK_SIZE, first = LEAST_CHUNK_SIZE) {
    this.chunkSize = size
    this.firstSize = this.nextSize = first
  }

  /** Begins a write, `headRoom` bytes after the committed ones. */
  begin(headRoom: number): void {
    if (this.moved) this.forget()
    this.mark = this.position = this.committed + headRoom
    if (this.position > this.buffer.length) this.moveOut()
  }

  /** Replaces a buffer that is far too large. Call it before the write becomes a message. */
  fit(): void {
    const { target } = this
    if (target === undefined || !this.own) return
    const needed = sizeClass(this.position)
    if (target.buffer.length > needed * LARGEST_EXCESS) this.move(needed, true)
  }

  /** The chunk that holds the write in progress. */
  get chunk(): Chunk {
    if (this.moved && this.target === undefined) this.moveToChunk(0)
    return this.target ?? this.current!
  }

  ensure(bytes: number): void {
    if (this.position + bytes > this.buffer.length) this.grow(bytes)
  }

  private grow(bytes: number): void {
    const used = this.position - this.mark
    const needed = used + bytes
    const own = needed >= this.chunkSize / OWN_BUFFER_PART
    // A write that grows record by record doubles its buffer; a write of known size gets exactly
    // that size.
    const grown = this.target === undefined ? needed : Math.max(needed, used * 2)
    if (own) this.move(sizeClass(HEAD_ROOM + grown + LENGTH_SLACK), true)
    else this.moveToChunk(grown)
  }

  /** Moves the write in progress, of `bytes` bytes, into a new chunk. */
  private moveToChunk(bytes: number): void {
    let size = this.nextSize
    while (size < HEAD_ROOM + bytes + LENGTH_SLACK) size *= CHUNK_GROWTH
    this.move(Math.min(size, this.chunkSize), false)
  }

  /** Leaves the current chunk, which has no room for the start of the write. */
  private moveOut(): void {
    this.moved = true
    this.buffer = NOTHING
    this.mark = this.position = 0
  }

  /** Moves the write in progress into a new buffer. */
  private move(size: number, own: boolean): void {
    const used = this.position - this.mark
    const next = new Chunk(size)
    if (used > 0) this.buffer.copy(next.buffer, HEAD_ROOM, this.mark, this.position)
    this.forget()
    this.moved = true
    this.target = next
    this.own = own
    this.buffer = next.buffer
    this.mark = HEAD_ROOM
    this.position = HEAD_ROOM + used
  }

  /** Moves the write in progress behind its own head room, so that it can start a message. */
  detach(): void {
    const used = this.position - this.mark
    this.ensure(HEAD_ROOM)
    if (this.moved) return
    this.buffer.copyWithin(this.mark + HEAD_ROOM, this.mark, this.mark + used)
    this.mark += HEAD_ROOM
    this.position += HEAD_ROOM
  }

  /** Commits the write in progress. Returns whether the next write can continue right after it. */
  commit(): boolean {
    if (this.moved && !this.adopt(this.chunk)) return false
    this.committed = this.position
    return true
  }

  /** Makes the chunk of a moved write the current one, unless the write has a separate buffer. */
  private adopt(target: Chunk): boolean {
    if (!this.usesPool) joinPool()
    this.usesPool = true
    const continues = !this.own
    if (continues) {
      this.nextSize = Math.min(this.chunkSize, target.buffer.length * CHUNK_GROWTH)
      this.current?.release()
      this.current = target.retain()
    }
    this.target = undefined
    this.stay()
    return continues
  }

  /** Drops the write. Its new chunk returns to the pool. */
  private forget(): void {
    this.target?.retain().release()
    this.target = undefined
    this.stay()
  }

  /** The next write goes into the current chunk. */
  private stay(): void {
    this.moved = false
    this.buffer = this.current?.buffer ?? NOTHING
  }

  /**
   * Returns the current chunk to the pool when it is empty, so that an idle stream holds no memory.
   */
  releaseIdle(): void {
    // The buffer of a dropped write returns to the pool as well.
    this.forget()
    if (this.current?.references === 1) {
      this.current.release()
      this.current = undefined
      this.committed = 0
      this.buffer = NOTHING
      this.nextSize = this.firstSize
    }
    this.leave()
  }

  /** Unregisters as a user of the pool. */
  leave(): void {
    if (this.usesPool) leavePool()
    this.usesPool = false
  }
}
