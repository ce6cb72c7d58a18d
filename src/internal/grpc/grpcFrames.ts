/**
 * Sends requests over one gRPC call without copying them.
 *
 * grpc-js frames a request by copying it behind five bytes in a fresh buffer. At a gigabyte per
 * second those buffers, more than the copying, are what a client spends its time on: each 64 MB of
 * them make V8 mark the program's whole heap. Our requests have room in front, so their frame is
 * written there, and they are handed to the HTTP/2 stream. That is no public part of grpc-js, so it
 * is used only after it was seen at work: the first request goes the ordinary way, one at a time,
 * and only when it arrives at the stream as exactly its frame do the next ones go there directly.
 * With any other version of grpc-js all go the ordinary way.
 *
 * A layer that keeps frames for retries, and counts them as written at once, is passed by as well.
 * A request whose bytes may not be handed on is copied and sent directly all the same, so that it
 * counts as written when it was.
 *
 * Whoever sends directly keeps the bytes unchanged until the request counts as written, or the
 * connection is gone.
 */
import type * as Grpc from "@grpc/grpc-js"
import type { ClientHttp2Stream } from "node:http2"
import { committedStreamOf } from "./grpcSession.ts"

/** Bytes of the frame in front of each message: one for compression, four for the length. */
export const FRAME_HEADER = 5

type Written = () => void

/** Whether these bytes are exactly the frame of a message that is not compressed. */
export const isFrameOf = (frame: unknown, message: Uint8Array): frame is Buffer =>
  Buffer.isBuffer(frame) &&
  frame.length === FRAME_HEADER + message.length &&
  frame[0] === 0 &&
  frame.readUInt32BE(1) === message.length &&
  frame.subarray(FRAME_HEADER).equals(message)

/** The requests of one call. */
export class FrameSender {
  private readonly call: Grpc.ClientDuplexStream<Buffer, Buffer>
  private readonly mayShare: boolean
  private mode: "unknown" | "probing" | "direct" | "copied" = "unknown"
  private stream: ClientHttp2Stream | undefined
  /** Requests that go the ordinary way and are not written yet. */
  private copying = 0

  /** `mayShare` says whether the bytes of requests may be handed on as they are. */
  constructor(call: Grpc.ClientDuplexStream<Buffer, Buffer>, mayShare: boolean) {
    this.call = call
    this.mayShare = mayShare
  }

  /** Whether the next request has to wait until the last one is written. */
  get probing(): boolean {
    return this.mode === "probing"
  }

  /** Whether requests are sent from where they lie. */
  get direct(): boolean {
    return this.mode === "direct" && this.mayShare
  }

  /** Sends one request. `room` bytes in front of it, in the same buffer, may be overwritten. */
  send(request: Uint8Array, room: number, written: Written): void {
    if (this.mode === "copied" || (this.mayShare && room < FRAME_HEADER))
      return this.sendCopied(request, written)
    if (this.mode === "unknown") {
      // Looked at when nothing else is on its way, so that what arrives below is this request.
      const stream = this.copying === 0 ? committedStreamOf(this.call) : undefined
      if (stream === undefined) return this.sendCopied(request, written)
      return this.probe(stream, request, written)
    }
    // A write that fails ends the stream, and grpc-js the call.
    this.stream!.write(this.frameOf(request), written)
  }

  /** The request's frame: in place, or a copy where its bytes may not be handed on. */
  private frameOf(request: Uint8Array): Buffer {
    const { buffer, byteOffset, length } = request
    const frame = this.mayShare
      ? Buffer.from(buffer, byteOffset - FRAME_HEADER, FRAME_HEADER + length)
      : Buffer.allocUnsafe(FRAME_HEADER + length)
    frame[0] = 0
    frame.writeUInt32BE(length, 1)
    if (!this.mayShare) frame.set(request, FRAME_HEADER)
    return frame
  }

  private sendCopied(request: Uint8Array, written: Written): void {
    // grpc-js copies with the methods of Buffer; a view costs nothing.
    const bytes = Buffer.isBuffer(request)
      ? request
      : Buffer.from(request.buffer, request.byteOffset, request.byteLength)
    // The call's own `write` hands over one request at a time and waits for the socket in between.
    // Below it HTTP/2 takes several, in order, and writes them together.
    this.copying++
    const callback = () => {
      this.copying--
      written()
    }
    this.call.call!.sendMessageWithContext({ callback }, bytes)
  }

  private probe(stream: ClientHttp2Stream, request: Uint8Array, written: Written): void {
    this.mode = "probing"
    const { write } = stream
    let arrived = false
    // Put back and not deleted: an object that loses a property is slow from then on.
    const stop = () => {
      stream.write = write
    }
    stream.write = ((frame: unknown, callback?: (error?: Error | null) => void) => {
      stop()
      this.mode = isFrameOf(frame, request) ? "direct" : "copied"
      this.stream = stream
      arrived = true
      // Written when it is written here: the layer above may say so as soon as it keeps the frame.
      return Reflect.apply(write, stream, [
        frame,
        (error?: Error | null) => {
          callback?.(error)
          written()
        }
      ])
    }) as ClientHttp2Stream["write"]
    this.sendCopied(request, () => {
      if (arrived) return
      stop()
      this.mode = "copied"
      written()
    })
  }
}
