/**
 * Sends requests over one gRPC call without copying them.
 *
 * grpc-js frames a request by copying it behind five bytes in a new buffer. At a gigabyte per
 * second a client spends most of its time on those buffers, more than on the copying: every 64 MB
 * of them make V8 mark the program's whole heap. Requests of this package have room in front. So
 * their frame is written there, and they are handed to the HTTP/2 stream. That depends on internals
 * of grpc-js, so it is used only after a check: the first requests take the regular path, one at a
 * time. Only when one arrives at the stream as exactly its frame do the next ones go there
 * directly. With any other version of grpc-js all requests take the regular path.
 *
 * This also bypasses a layer that keeps frames for retries, and counts them as written at once. A
 * request whose bytes may not be shared is copied and sent directly too, so that it counts as
 * written when it really is.
 *
 * A caller that sends directly keeps the bytes unchanged until the request counts as written, or
 * the connection is gone.
 */
import type * as Grpc from "@grpc/grpc-js"
import type { ClientHttp2Stream } from "node:http2"
import { committedStreamOf } from "./grpcSession.ts"

/** Bytes of the frame before each message: one for compression, four for the length. */
export const FRAME_HEADER = 5

type Written = () => void

/** Whether these bytes are exactly the frame of an uncompressed message. */
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
  /** Requests on the regular path that are not written yet. */
  private copying = 0

  /** `mayShare` states whether the bytes of requests may be passed on without a copy. */
  constructor(call: Grpc.ClientDuplexStream<Buffer, Buffer>, mayShare: boolean) {
    this.call = call
    this.mayShare = mayShare
  }

  /** Whether the next request has to wait until the last one is written. */
  get probing(): boolean {
    return this.mode === "probing"
  }

  /** Whether requests are sent without a copy. */
  get direct(): boolean {
    return this.mode === "direct" && this.mayShare
  }

  /** Sends one request. `room` bytes before it, in the same buffer, may be overwritten. */
  send(request: Uint8Array, room: number, written: Written): void {
    if (this.mode === "copied" || (this.mayShare && room < FRAME_HEADER))
      return this.sendCopied(request, written)
    if (this.mode === "unknown") {
      // Checked while no other request is pending, so that the next bytes on the stream are this
      // request.
      const stream = this.copying === 0 ? committedStreamOf(this.call) : undefined
      if (stream === undefined) return this.sendCopied(request, written)
      return this.probe(stream, request, written)
    }
    // A failed write ends the stream, and grpc-js ends the call.
    this.stream!.write(this.frameOf(request), written)
  }

  /** The frame of a request: in place, or a copy if its bytes may not be shared. */
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
    // The call's own `write` passes one request at a time and waits for the socket in between. The
    // HTTP/2 stream below takes several, in order, and writes them together.
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
    // Restored and not deleted: deleting a property makes an object slow.
    const stop = () => {
      stream.write = write
    }
    stream.write = ((frame: unknown, callback?: (error?: Error | null) => void) => {
      stop()
      this.mode = isFrameOf(frame, request) ? "direct" : "copied"
      this.stream = stream
      arrived = true
      // Counted as written when it is written here: the layer above may report that as soon as it
      // keeps the frame.
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
