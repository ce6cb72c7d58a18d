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
import { FrameSplitter } from "./frameSplitter.ts"
import { isFrameOf } from "./grpcFrames.ts"
import { LARGEST_RESPONSE } from "./grpcReplies.ts"
import { committedStreamOf } from "./grpcSession.ts"

type Call = Grpc.ClientDuplexStream<Buffer, Buffer>

type DataListener = (chunk: Buffer) => void

/** The responses of one call. */
export class FrameReader {
  private readonly call: Call
  private readonly splitter: FrameSplitter
  private mode: "ordinary" | "watching" | "direct" | "over" = "ordinary"
  private stream: ClientHttp2Stream | undefined
  /** What reads the HTTP/2 stream for grpc-js. */
  private listener: DataListener | undefined
  /** While watching: what came in since the last response. */
  private chunks: Array<Buffer> = []

  /** `deliver` is called with each response that is read here, and must not throw. */
  constructor(call: Call, deliver: (response: Uint8Array) => void) {
    this.call = call
    this.splitter = new FrameSplitter(LARGEST_RESPONSE, (response) => {
      deliver(response)
      // The response may have ended the call.
      return this.direct
    })
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
  }

  private readonly read = (chunk: Buffer): void => {
    if (this.mode === "direct") this.readFrames(chunk)
    else if (this.mode === "watching") this.chunks.push(chunk)
  }

  private readFrames(chunk: Buffer): void {
    const rest = this.splitter.split(chunk)
    if (rest !== undefined && this.direct) this.giveBack(rest)
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
