/**
 * Reads the responses of one gRPC call where HTTP/2 delivers them.
 *
 * In grpc-js a response pauses and resumes its HTTP/2 stream, is copied, waits for two promises and
 * passes a second stream: a quarter of the processor time of a client whose records each get a
 * response of their own. That way is no public part of grpc-js, so it is left only once it was seen
 * at work: when a response comes out of the call and what came in since the one before was exactly
 * its frame, nothing else is under way, and the next frames are read here. With any other version
 * of grpc-js all responses go the ordinary way.
 *
 * The end of the call and its status stay with grpc-js. So does what is wrong with a response: a
 * frame that is compressed or too large is given back, and grpc-js reads it and all that follow.
 */
import type * as Grpc from "@grpc/grpc-js"
import type { ClientHttp2Stream } from "node:http2"
import { FRAME_HEADER, isFrameOf } from "./grpcFrames.ts"
import { LARGEST_RESPONSE } from "./grpcReplies.ts"
import { committedStreamOf } from "./grpcSession.ts"

type Call = Grpc.ClientDuplexStream<Buffer, Buffer>

type DataListener = (chunk: Buffer) => void

/** The responses of one call. */
export class FrameReader {
  private readonly call: Call
  private readonly deliver: (response: Uint8Array) => void
  private mode: "ordinary" | "watching" | "direct" | "over" = "ordinary"
  private stream: ClientHttp2Stream | undefined
  /** What reads the HTTP/2 stream for grpc-js. */
  private listener: DataListener | undefined
  /** While watching: what came in since the last response. */
  private chunks: Array<Buffer> = []
  /** The beginning of a frame whose end has not arrived. */
  private parts: Array<Buffer> = []
  private partBytes = 0
  /** How many bytes it takes to go on: those of the header, or of the frame. */
  private needed = FRAME_HEADER

  /** `deliver` is called with each response that is read here, and must not throw. */
  constructor(call: Call, deliver: (response: Uint8Array) => void) {
    this.call = call
    this.deliver = deliver
  }

  /** Whether responses are read here. */
  get direct(): boolean {
    return this.mode === "direct"
  }

  /** Looks from now on whether responses can be read here. */
  watch(): void {
    const stream = committedStreamOf(this.call)
    const listeners = stream?.listeners("data") ?? []
    if (stream === undefined || listeners.length !== 1 || this.mode !== "ordinary") return
    this.mode = "watching"
    this.stream = stream
    this.listener = listeners[0] as DataListener
    stream.prependListener("data", this.read)
  }

  /** A response came out of the call. */
  arrived(response: Uint8Array): void {
    if (this.mode !== "watching") return
    const { chunks } = this
    this.chunks = []
    if (chunks.length !== 1 || !isFrameOf(chunks[0], response)) return
    this.mode = "direct"
    this.stream!.removeListener("data", this.listener!)
  }

  /** The call is over: nothing more is delivered. */
  end(): void {
    this.mode = "over"
    this.chunks = []
    this.parts = []
  }

  private readonly read = (chunk: Buffer): void => {
    if (this.mode === "direct") this.readFrames(chunk)
    else if (this.mode === "watching") this.chunks.push(chunk)
  }

  private readFrames(chunk: Buffer): void {
    let bytes = chunk
    if (this.partBytes > 0) {
      this.parts.push(chunk)
      this.partBytes += chunk.length
      // Put together once and not with each chunk, of which a server may send any number.
      if (this.partBytes < this.needed) return
      bytes = Buffer.concat(this.parts)
      this.parts = []
      this.partBytes = 0
    }
    let position = 0
    this.needed = FRAME_HEADER
    while (bytes.length - position >= FRAME_HEADER) {
      const length = bytes.readUInt32BE(position + 1)
      const readable = bytes[position] === 0 && length <= LARGEST_RESPONSE
      if (!readable) return this.giveBack(bytes.subarray(position))
      const end = position + FRAME_HEADER + length
      if (end > bytes.length) {
        this.needed = end - position
        break
      }
      this.deliver(bytes.subarray(position + FRAME_HEADER, end))
      // The response may have ended the call.
      if (!this.direct) return
      position = end
    }
    if (position === bytes.length) return
    this.parts.push(bytes.subarray(position))
    this.partBytes = bytes.length - position
  }

  /** Leaves this frame and all that follow to grpc-js. */
  private giveBack(bytes: Buffer): void {
    const stream = this.stream!
    const listener = this.listener!
    this.end()
    stream.on("data", listener)
    stream.removeListener("data", this.read)
    listener.call(stream, bytes)
  }
}
