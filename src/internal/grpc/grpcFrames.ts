/**
 * Sends requests over one gRPC call without copying them.
 *
 * grpc-js frames a request by copying it behind five bytes in a fresh buffer. At a gigabyte per second those buffers, more than the
 * copying, are what a client spends its time on: each 64 MB of them make V8 mark the program's whole heap. Our requests have room in
 * front, so their frame is written there, and they are handed to the layer below the framing. That layer is no public part of
 * grpc-js, so it is used only after it was seen at work: the first request goes the ordinary way, one at a time, and only when it
 * arrives below as exactly its frame do the next ones go there directly. With any other version of grpc-js all go the ordinary way.
 *
 * The layer that is passed by also keeps frames for retries and counts them as written at once. A request
 * whose bytes may not be handed on is copied and sent directly all the same, so that it counts as
 * written when it was.
 *
 * Whoever sends directly keeps the bytes unchanged until the request counts as written, or the connection is gone.
 */
import type * as Grpc from "@grpc/grpc-js"

/** Bytes of the frame in front of each message: one for compression, four for the length. */
export const FRAME_HEADER = 5

type Written = () => void

/** The layer that writes frames, as far as it is used here. */
interface FrameLayer {
  sendMessageWithContext: (context: { readonly callback: Written }, frame: Buffer) => void
}

/** The inside of grpc-js's calls, as far as it is looked at. Everything may be missing. */
interface Inside {
  readonly call?: {
    readonly child?:
      | (Partial<FrameLayer> & {
          /** The attempts of a call that may be retried; the one that was decided for is the only one left. */
          readonly underlyingCalls?: ReadonlyArray<{ readonly call?: Partial<FrameLayer> }>
          readonly committedCallIndex?: number | null
        })
      | null
  }
}

const frameLayer = (call: Grpc.ClientDuplexStream<Buffer, Buffer>): FrameLayer | undefined => {
  const below = (call.call as Inside | undefined)?.call?.child
  // The layer of retries would keep every frame, say that it was written when it was not, and send one at a time.
  const attempt = below?.underlyingCalls?.[below.committedCallIndex ?? -1]?.call
  const layer = below?.underlyingCalls === undefined ? below : attempt
  return typeof layer?.sendMessageWithContext === "function" ? (layer as FrameLayer) : undefined
}

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
  private layer: FrameLayer | undefined
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
    if (this.mode === "copied" || (this.mayShare && room < FRAME_HEADER)) return this.sendCopied(request, written)
    if (this.mode === "unknown") {
      // Looked at when nothing else is on its way, so that what arrives below is this request.
      const layer = this.copying === 0 ? frameLayer(this.call) : undefined
      return layer === undefined ? this.sendCopied(request, written) : this.probe(layer, request, written)
    }
    this.layer!.sendMessageWithContext({ callback: written }, this.frameOf(request))
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
    // The call's own `write` hands over one request at a time and waits for the socket in between. Below it HTTP/2 takes several, in
    // order, and writes them together.
    this.copying++
    const callback = () => {
      this.copying--
      written()
    }
    this.call.call!.sendMessageWithContext({ callback }, bytes)
  }

  private probe(layer: FrameLayer, request: Uint8Array, written: Written): void {
    this.mode = "probing"
    let arrived = false
    const watch: FrameLayer["sendMessageWithContext"] = (context, frame) => {
      Reflect.deleteProperty(layer, "sendMessageWithContext")
      this.mode = isFrameOf(frame, request) ? "direct" : "copied"
      this.layer = layer
      arrived = true
      // Written when it is written below: the layer above says so as soon as it keeps the frame.
      const callback = () => {
        context.callback()
        written()
      }
      layer.sendMessageWithContext({ ...context, callback }, frame)
    }
    layer.sendMessageWithContext = watch
    this.sendCopied(request, () => {
      if (arrived) return
      Reflect.deleteProperty(layer, "sendMessageWithContext")
      this.mode = "copied"
      written()
    })
  }
}
