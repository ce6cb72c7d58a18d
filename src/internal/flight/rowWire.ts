/**
 * How Arrow batches travel in one session: each record batch message of a record is a separate
 * frame, and acknowledgements count rows.
 *
 *   message of the zone: tag, length, IPC stream (schema, batch, batch, end) | tag, length, ...
 *   frames:              FlightData { header, {"offset_id": n}, body } for each batch
 */
import { readLength } from "../protobuf/envelope.ts"
import type { Wire, WireMessage } from "../protobuf/streamRpc.ts"
import { stampFrame } from "./flightFrame.ts"
import { type IpcMessage, messagesOf } from "./ipcStream.ts"

/** A message that is sent as a frame. */
type Frame = IpcMessage & { readonly rows: number }

const isFrame = (message: IpcMessage): message is Frame => message.rows !== undefined

/** The frames of a message of the landing zone, in order. */
export const framesOf = ({
  chunk: { buffer },
  end,
  start
}: Pick<WireMessage, "chunk" | "end" | "start">) => {
  const frames: Array<Frame> = []
  for (let position = start; position < end;) {
    const { length, next } = readLength(buffer, position + 1)
    position = next + length
    for (const message of messagesOf(buffer, next, position))
      if (isFrame(message)) frames.push(message)
  }
  return frames
}

// Numbers that are no longer needed are dropped from this number on.
const DROP_FROM = 1024

/** Rising row numbers, taken from the front. */
class RowEnds {
  private ends: Array<number> = []
  private head = 0

  push(end: number): void {
    this.ends.push(end)
  }

  get first(): number | undefined {
    return this.ends[this.head]
  }

  shift(): void {
    this.head++
    if (this.head < DROP_FROM || this.head * 2 < this.ends.length) return
    this.ends = this.ends.slice(this.head)
    this.head = 0
  }
}

export class RowWire implements Wire {
  handed = 0
  settled = 0
  private buffer: Buffer = Buffer.alloc(0)
  private frames: ReadonlyArray<Frame> = []
  /** The next frame of the message, and its number in the session. */
  private nextFrame = 0
  private frameNumber = 0
  /** The last row of each unacknowledged message, and of each frame that has not left. */
  private readonly messageEnds = new RowEnds()
  private readonly frameEnds = new RowEnds()
  private begun = 0
  private leftFrames = 0
  private leftRows = 0
  /** The first row of the oldest message that is not acknowledged completely. */
  private oldest = 0

  get partial(): number {
    return this.settled - this.oldest
  }

  begin(message: WireMessage): void {
    this.buffer = message.chunk.buffer
    this.frames = framesOf(message)
    this.nextFrame = 0
    for (const { rows } of this.frames) this.begun += rows
    this.messageEnds.push(this.begun)
  }

  next(): Uint8Array | undefined {
    const frame = this.frames[this.nextFrame]
    if (frame === undefined) {
      this.frames = []
      this.nextFrame = 0
      return undefined
    }
    this.nextFrame++
    this.handed += frame.rows
    this.frameEnds.push(this.handed)
    return stampFrame(this.buffer, frame, this.frameNumber++)
  }

  left(requests: number): number {
    for (; this.leftFrames < requests; this.leftFrames++) {
      const end = this.frameEnds.first
      if (end === undefined) break
      this.leftRows = end
      this.frameEnds.shift()
    }
    return this.leftRows
  }

  settle(upTo: number): number {
    this.settled = upTo
    let count = 0
    for (
      let end = this.messageEnds.first;
      end !== undefined && end <= upTo;
      end = this.messageEnds.first
    ) {
      this.oldest = end
      this.messageEnds.shift()
      count++
    }
    return count
  }

  beyond(upTo: number): string {
    const sent = `only ${this.handed} were sent on this connection`
    return `The server acknowledged ${upTo + 1} rows, but ${sent}.`
  }
}
