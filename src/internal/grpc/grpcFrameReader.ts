/**
 * Reads the responses of one gRPC call directly from its HTTP/2 stream.
 *
 * In grpc-js a response pauses and resumes its HTTP/2 stream, is copied, waits for two promises and
 * passes a second stream. That is a quarter of the processor time of a client with one response per
 * record. Reading directly depends on internals of grpc-js, so it is used only after a check: a
 * response comes out of the call, and the bytes received since the previous one were exactly its
 * frame. Then nothing else is in progress, and the next frames are read here. With any other
 * version of grpc-js all responses take the regular path.
 *
 * grpc-js still handles the end of the call and its status. It also handles invalid responses: a
 * frame that is compressed or too large is given back, and grpc-js reads it and all following ones.
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
  /** The listener with which grpc-js reads the HTTP/2 stream. */
  private listener: DataListener | undefined
  /** While watching: the chunks received since the last response. */
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

  /** Starts checking whether responses can be read here. */
  watch(): void {
    const stream = committedStreamOf(this.call)
    const listeners = stream?.listeners("data") ?? []
    if (stream === undefined || listeners.length !== 1 || this.mode !== "ordinary") return
    this.mode = "watching"
    this.stream = stream
    this.listener = listeners[0] as DataListener
    stream.prependListener("data", this.read)
  }

  /** Notes that a response came out of the call. */
  arrived(response: Uint8Array): void {
    if (this.mode !== "watching") return
    const { chunks } = this
    this.chunks = []
    if (chunks.length !== 1 || !isFrameOf(chunks[0], response)) return
    this.mode = "direct"
    this.stream!.removeListener("data", this.listener!)
  }

  /** Ends reading: nothing more is delivered. */
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

  /** Leaves this frame and all following ones to grpc-js. */
  private giveBack(bytes: Buffer): void {
    const stream = this.stream!
    const listener = this.listener!
    this.end()
    stream.on("data", listener)
    stream.removeListener("data", this.read)
    listener.call(stream, bytes)
  }
}
