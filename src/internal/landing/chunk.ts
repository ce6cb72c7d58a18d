/**
 * The memory that records live in between the ingest call and their acknowledgement.
 *
 * A record is copied once, straight into a pooled chunk, with its tag and length in front. The
 * first chunk after everything was acknowledged has 4 KiB, and each that follows eight times as
 * many, up to 256 KiB or less where the zone has small bounds: a thousand streams with a record
 * each take megabytes. What would waste the rest of a chunk gets a buffer of its own, of about its
 * size.
 *
 * A message is a stretch of a chunk that travels as one request; 32 bytes of head room in front of
 * it take the request's header, which is stamped anew for every session. A chunk goes back to the
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
 * What a message takes of the byte budget beyond its bytes, since memory is what the budget bounds:
 * the object and its places in the queue and in the window. `scripts/messageMemory.ts` measures 105
 * to 118 bytes. Without it empty records that each travel alone would take four times what they are
 * charged.
 */
export const MESSAGE_OVERHEAD = 128

/** What a message of its own adds to its content. */
export const ALONE = HEAD_ROOM + MESSAGE_OVERHEAD

// What is this part of a chunk or more and does not fit its rest gets its own buffer, so that at
// most an eighth is wasted.
const OWN_BUFFER_PART = 8
// A zone holds chunks of a quarter of its byte budget: one that is being filled and one that is
// acknowledged in part come on top of what is in flight.
const CHUNKS_OF_ZONE = 4
/** Size of the first chunk of a stream that holds nothing, in bytes. */
export const LEAST_CHUNK_SIZE = 4096
/** How many times as large the next chunk is. */
const CHUNK_GROWTH = 8

/** The size of the chunks of a zone that may hold so many bytes. */
export const chunkSize = (maxInflightBytes: number): number =>
  Math.min(CHUNK_SIZE, sizeClass(Math.max(LEAST_CHUNK_SIZE, maxInflightBytes / CHUNKS_OF_ZONE)))

// Room for the length in front of a record to turn out longer than guessed without growing the
// buffer again.
const LENGTH_SLACK = 8
// A buffer of its own that was guessed larger than this times the need is exchanged for a smaller
// one.
const LARGEST_EXCESS = 1.25

/** A buffer shared by messages, counted by reference. */
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

/** Records that travel as one request, in one stretch of a chunk. */
export class Message {
  readonly chunk: Chunk
  /** Where the first record's tag lies; `HEAD_ROOM` bytes before it are free. */
  readonly start: number
  end: number
  /** The first of its lifetime offsets. */
  readonly offset: number
  /** How many lifetime offsets it takes: one per single record, one for a whole batch. */
  offsets: number
  records: number
  /** True for an explicit batch, which is never split or merged. */
  readonly atomic: boolean
  /** When its first record was accepted, in milliseconds. */
  readonly acceptedAt: number
  /** How many sessions it was sent on before. */
  sends = 0
  /** When it was handed to the latest of them, in milliseconds. */
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

  /** Its bytes, framing included. */
  get charge(): number {
    return HEAD_ROOM + this.end - this.start
  }

  get lastOffset(): number {
    return this.offset + this.offsets - 1
  }

  /** Stamps the header for one session and returns the whole request, a view of the chunk. */
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

/** Copies of the payloads in a stretch of records with tags and lengths, in order. */
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
 * Writes into the current chunk behind what is committed. A write begins, may grow into another
 * chunk, and is then committed or simply forgotten: nothing counts before the commit.
 *
 * A write that stays in the current chunk, as nearly all do, only moves numbers. A reference that
 * is stored per record has to be reported to V8's collector, which took up to a tenth of the time
 * of a small record; and what is done seldom is in functions of its own, since V8 puts only so much
 * code into one.
 */
export class ChunkWriter implements ByteSink {
  /** What is written into: the current chunk's, unless the write in progress has moved. */
  buffer: Buffer = NOTHING
  position = 0
  /** Where the write in progress starts. */
  mark = 0
  /**
   * Whether the write in progress had to move to another chunk, where it starts a message of its
   * own.
   */
  moved = false
  private current: Chunk | undefined
  private committed = 0
  /** The chunk of a write that has moved, once it is known how large it has to be. */
  private target: Chunk | undefined
  /** Whether that is a buffer of its own. */
  private own = false
  /** Size of the next chunk. */
  private nextSize: number
  /**
   * Whether it counts as a user of the pool: from the first write that is kept until nothing is
   * left, or the stream has ended.
   */
  private usesPool = false
  private readonly chunkSize: number
  private readonly firstSize: number

  /** Writes into chunks of up to this size, the first of `first` bytes; both are size classes. */
  constructor(size = CHUNK_SIZE, first = LEAST_CHUNK_SIZE) {
    this.chunkSize = size
    this.firstSize = this.nextSize = first
  }

  /** Begins a write, `headRoom` bytes behind the committed ones. */
  begin(headRoom: number): void {
    if (this.moved) this.forget()
    this.mark = this.position = this.committed + headRoom
    if (this.position > this.buffer.length) this.moveOut()
  }

  /**
   * Exchanges a buffer that turned out far too large. To be called before the write is kept as a
   * message.
   */
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
    // A write that grows piece by piece doubles its buffer; one of known size gets exactly that.
    const grown = this.target === undefined ? needed : Math.max(needed, used * 2)
    if (own) this.move(sizeClass(HEAD_ROOM + grown + LENGTH_SLACK), true)
    else this.moveToChunk(grown)
  }

  /** Moves the write in progress, which has so many bytes, into a fresh chunk. */
  private moveToChunk(bytes: number): void {
    let size = this.nextSize
    while (size < HEAD_ROOM + bytes + LENGTH_SLACK) size *= CHUNK_GROWTH
    this.move(Math.min(size, this.chunkSize), false)
  }

  /** Leaves the current chunk, in which the write does not even begin. */
  private moveOut(): void {
    this.moved = true
    this.buffer = NOTHING
    this.mark = this.position = 0
  }

  /** Moves the write in progress into a fresh buffer. */
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

  /** Moves the write in progress behind head room of its own, so that it can start a message. */
  detach(): void {
    const used = this.position - this.mark
    this.ensure(HEAD_ROOM)
    if (this.moved) return
    this.buffer.copyWithin(this.mark + HEAD_ROOM, this.mark, this.mark + used)
    this.mark += HEAD_ROOM
    this.position += HEAD_ROOM
  }

  /** Keeps the write in progress. Returns whether the next write can continue right behind it. */
  commit(): boolean {
    if (this.moved && !this.adopt(this.chunk)) return false
    this.committed = this.position
    return true
  }

  /**
   * Makes the chunk of a write that has moved the current one, unless the write has a buffer of its
   * own.
   */
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

  /** A fresh chunk whose write was given up goes back to the pool. */
  private forget(): void {
    this.target?.retain().release()
    this.target = undefined
    this.stay()
  }

  /** The next write is into the current chunk. */
  private stay(): void {
    this.moved = false
    this.buffer = this.current?.buffer ?? NOTHING
  }

  /**
   * Gives the current chunk back when nothing is left in it, so that an idle stream holds no
   * memory.
   */
  releaseIdle(): void {
    // The buffer of a write that was given up goes back as well.
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

  /** Stops counting as a user of the pool. */
  leave(): void {
    if (this.usesPool) leavePool()
    this.usesPool = false
  }
}
