/**
 * Gathers the records of a message into record batches when the message is sent: each record is a
 * row, encoded as protobuf.
 */
import { giveBuffer, sizeClass, takeBuffer } from "../landing/bufferPool.ts"
import { readLength } from "../protobuf/envelope.ts"
import type { WireMessage } from "../protobuf/streamRpc.ts"
import type { ByteSink } from "../recordCodec.ts"
import { type BodyCompression, writeBatchMessage } from "./batchMessage.ts"
import type { FlatColumns } from "./columnBuilders.ts"
import { messagesOf } from "./ipcStream.ts"
import type { MessageBuilder } from "./nestedBuilders.ts"
import type { Frame, FrameSource } from "./rowWire.ts"

/** Most bytes of a batch's buffers that travel together, before compression. */
export const LARGEST_BATCH = 2 * 1024 * 1024

/** A small record may take so many times its bytes in columns, such as lists of small numbers. */
const LARGEST_GROWTH = 8

/** Larger records have most of their bytes in texts, which stay as long as they are. */
const LARGE_RECORD = 16 * 1024

/** The frames of one session. */
export class RowBatches implements FrameSource {
  private readonly builder: MessageBuilder
  private readonly compression: BodyCompression | undefined
  private rows = 0
  /** Bytes of the latest batch message. */
  private latest = 4096

  constructor(builder: MessageBuilder, compression: BodyCompression | undefined) {
    this.builder = builder
    this.compression = compression
  }

  framesOf({ chunk: { buffer }, end, start }: WireMessage): ReadonlyArray<Frame> {
    const { builder } = this
    const frames: Array<Frame> = []
    for (let position = start; position < end;) {
      const { length, next } = readLength(buffer, position + 1)
      position = next + length
      const most = length < LARGE_RECORD ? length * LARGEST_GROWTH : length
      if (this.rows > 0 && builder.bytes + most > LARGEST_BATCH) frames.push(this.frame())
      builder.append(buffer, next, position)
      this.rows++
    }
    frames.push(this.frame())
    return frames
  }

  settled({ buffer }: Frame): void {
    giveBuffer(buffer)
  }

  private frame(): Frame {
    const { builder, compression, rows } = this
    const columns: FlatColumns = { nodes: [], buffers: [] }
    builder.flatten(columns)
    const sink = new PooledSink(this.latest)
    writeBatchMessage(sink, { rows, ...columns }, compression)
    builder.clear()
    this.rows = 0
    const { buffer, position } = sink
    this.latest = position
    const [message] = messagesOf(buffer, 0, position)
    return { ...message!, rows, buffer }
  }
}

/** Writes into a buffer of the pool. */
class PooledSink implements ByteSink {
  buffer: Buffer
  position = 0
  readonly mark = 0

  constructor(bytes: number) {
    this.buffer = takeBuffer(sizeClass(bytes))
  }

  ensure(bytes: number): void {
    const needed = this.position + bytes
    if (needed <= this.buffer.length) return
    const larger = takeBuffer(sizeClass(Math.max(needed, this.buffer.length * 2)))
    this.buffer.copy(larger, 0, 0, this.position)
    giveBuffer(this.buffer)
    this.buffer = larger
  }
}
