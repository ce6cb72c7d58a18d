/**
 * Assembles the messages of a gRPC call from the chunks in which HTTP/2 delivers its frames. A
 * message within one chunk is a view of it. A message of several chunks is copied once, into memory
 * that is reused when the message is released.
 *
 * New memory for each message is expensive: V8 counts it, and marks the program's whole heap more
 * often.
 */
import { FRAME_HEADER } from "./grpcFrames.ts"

/** Shorter messages get their own memory. */
const shortBytes = 16 * 1024
/** Sizes of longer ones are multiples of this, so that released memory fits other messages. */
const unitBytes = 64 * 1024
/** Larger memory is not kept. */
const longBytes = 1024 * 1024
const mostKept = 8

/** Memory of released messages. */
const kept: Array<Buffer> = []

const takeMemory = (bytes: number): Buffer => {
  if (bytes < shortBytes) return Buffer.allocUnsafe(bytes)
  const memory = kept.pop()
  if (memory !== undefined && memory.length >= bytes) return memory
  return Buffer.allocUnsafeSlow(Math.ceil(bytes / unitBytes) * unitBytes)
}

const giveMemory = (memory: Buffer): void => {
  if (memory.length >= unitBytes && memory.length <= longBytes && kept.length < mostKept)
    kept.push(memory)
}

/** The frames of one direction of a call. */
export class FrameSplitter {
  private readonly largest: number
  private readonly deliver: (message: Buffer) => boolean
  /** The header of the current message, if it is split over chunks. */
  private head: Buffer | undefined
  private headBytes = 0
  /** The length of the current message, or -1 while its header is incomplete. */
  private length = -1
  /** Its parts that have arrived, if it is split over chunks. */
  private parts: Array<Buffer> = []
  private partBytes = 0
  private readonly used: (memory: ArrayBufferLike) => void
  /** The memory of the message that is being delivered, until it is released. */
  private memory: ArrayBufferLike | undefined

  /**
   * `deliver` takes a message of at most `largest` bytes, returns whether the next one may follow,
   * and must not throw. `used` is called with the memory of a chunk when a message in it was not
   * released.
   */
  constructor(
    largest: number,
    deliver: (message: Buffer) => boolean,
    used: (memory: ArrayBufferLike) => void = () => {}
  ) {
    this.largest = largest
    this.deliver = deliver
    this.used = used
  }

  /** The memory of the chunk in which the current message begins. */
  get unfinished(): ArrayBufferLike | undefined {
    return this.parts[0]?.buffer
  }

  /**
   * Delivers the messages that are complete with this chunk. Returns the remaining bytes from the
   * first frame that it does not read: one that is compressed or too large, or one after a message
   * that no other may follow. Those bytes are no longer held here.
   */
  split(chunk: Buffer): Buffer | undefined {
    let at = 0
    for (;;) {
      if (this.length < 0 && this.headBytes === 0 && chunk.length - at >= FRAME_HEADER) {
        const length = chunk.readUInt32BE(at + 1)
        if (chunk[at] !== 0 || length > this.largest) return chunk.subarray(at)
        this.length = length
        at += FRAME_HEADER
      } else if (this.length < 0) {
        const head = (this.head ??= Buffer.alloc(FRAME_HEADER))
        while (this.headBytes < FRAME_HEADER && at < chunk.length)
          head[this.headBytes++] = chunk[at++]!
        if (this.headBytes < FRAME_HEADER) return undefined
        this.headBytes = 0
        const length = head.readUInt32BE(1)
        if (head[0] !== 0 || length > this.largest) return Buffer.concat([head, chunk.subarray(at)])
        this.length = length
      }
      const end = at + this.length - this.partBytes
      if (end > chunk.length) {
        this.keep(chunk, at)
        return undefined
      }
      const mayFollow = this.take(chunk.subarray(at, end))
      at = end
      if (at === chunk.length) return undefined
      if (!mayFollow) return chunk.subarray(at)
    }
  }

  /** Releases the message that is being delivered; `view` is a part of it. */
  release(view: Uint8Array): void {
    if (view.buffer === this.memory) this.memory = undefined
  }

  private keep(chunk: Buffer, at: number): void {
    if (at === chunk.length) return
    this.parts.push(at === 0 ? chunk : chunk.subarray(at))
    this.partBytes += chunk.length - at
  }

  /** Delivers the message that ends with this part. */
  private take(last: Buffer): boolean {
    const { length, parts } = this
    this.length = -1
    if (parts.length === 0) {
      this.memory = last.buffer
      const mayFollow = this.deliver(last)
      if (this.memory !== undefined) this.used(last.buffer)
      return mayFollow
    }
    this.parts = []
    this.partBytes = 0
    // Assembled once, not with each chunk: the other side may send any number of them.
    const memory = takeMemory(length)
    let at = 0
    for (const part of parts) {
      memory.set(part, at)
      at += part.length
    }
    memory.set(last, at)
    this.memory = memory.buffer
    const mayFollow = this.deliver(memory.subarray(0, length))
    if (this.memory === undefined) giveMemory(memory)
    return mayFollow
  }
}
