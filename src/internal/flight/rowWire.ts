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

/** A batch message that is sent as a frame, and the buffer that it lies in. */
export type Frame = IpcMessage & { readonly rows: number; readonly buffer: Buffer }

/** Gives the frames of messages of the landing zone. */
export interface FrameSource {
  /** The frames of a message, in order. */
  readonly framesOf: (message: WireMessage) => ReadonlyArray<Frame>
  /** The rows of a frame are durable: nothing reads its bytes any more. */
  readonly settled?: (frame: Frame) => void
}

/** The batch messages of records that are IPC streams, from where they lie. */
export const ipcFrames: FrameSource = {
  framesOf: ({ chunk: { buffer }, end, start }) => {
    const frames: Array<Frame> = []
    for (let position = start; position < end;) {
      const { length, next } = readLength(buffer, position + 1)
      position = next + length
      for (const message of messagesOf(buffer, next, position)) {
        const { rows } = message
        if (rows !== undefined) frames.push({ ...message, rows, buffer })
      }
    }
    return frames
  }
}

// Entries that are no longer needed are dropped from this number on.
const DROP_FROM = 1024

/** A queue. */
class Line<A> {
  private entries: Array<A | undefined> = []
  private head = 0

  push(entry: A): void {
    this.entries.push(entry)
  }

  get first(): A | undefined {
    return this.entries[this.head]
  }

  shift(): void {
    this.entries[this.head++] = undefined
    if (this.head < DROP_FROM || this.head * 2 < this.entries.length) return
    this.entries = this.entries.slice(this.head)
    this.head = 0
  }
}

export class RowWire implements Wire {
  handed = 0
  settled = 0
  private readonly source: FrameSource
  private frames: ReadonlyArray<Frame> = []
  /** The next frame of the message, and its number in the session. */
  private nextFrame = 0
  private frameNumber = 0
  /** The last row of each unacknowledged message. */
  private readonly messageEnds = new Line<number>()
  /** The last row of each frame that has not left. */
  private readonly frameEnds = new Line<number>()
  /** Frames that are not durable, for a source that needs them back. */
  private readonly held = new Line<{ readonly frame: Frame; readonly end: number }>()
  private begun = 0
  private leftFrames = 0
  private leftRows = 0
  /** The first row of the oldest message that is not acknowledged completely. */
  private oldest = 0

  constructor(source: FrameSource = ipcFrames) {
    this.source = source
  }

  get partial(): number {
    return this.settled - this.oldest
  }

  begin(message: WireMessage): void {
    this.frames = this.source.framesOf(message)
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
    if (this.source.settled !== undefined) this.held.push({ frame, end: this.handed })
    return stampFrame(frame.buffer, frame, this.frameNumber++)
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
    for (let held = this.held.first; held !== undefined && held.end <= upTo;) {
      this.source.settled!(held.frame)
      this.held.shift()
      held = this.held.first
    }
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
