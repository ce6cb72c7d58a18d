/**
 * Faults of a connection below gRPC, for `ZerobusLocal.injectConnection`: of its bytes and of its
 * HTTP/2 frames. Frame faults need a server without TLS, because they read the frames. Part of
 * `Faults`.
 */
import type { ConnectionFault } from "../local/faults/faultySocket.ts"
import { type Http2Settings, settingsOf } from "../local/faults/frameSettings.ts"
import { http2Frame } from "../local/faults/frameEditor.ts"
import { ackResponse } from "../local/stream/streamMessages.ts"

export type { ConnectionFault } from "../local/faults/faultySocket.ts"
export type { Http2Settings } from "../local/faults/frameSettings.ts"

/**
 * Ends a connection after a number of bytes in a direction (`up` is to the server): by RST
 * (default), by FIN, by silence in both directions with the connection left open (`"blackHole"`),
 * or by silence in this direction only (`"halfOpen"`).
 *
 * @since 0.1.0
 * @category connection faults
 */
export const cutAfterBytes = (
  direction: "up" | "down",
  bytes: number,
  how: "reset" | "fin" | "blackHole" | "halfOpen" = "reset"
): ConnectionFault => ({ _tag: "CutAfter", direction, bytes, how })

/**
 * Limits the bytes per second: a slow reader (`up`) or a slow writer (`down`).
 *
 * @since 0.1.0
 * @category connection faults
 */
export const throttle = (direction: "up" | "down", bytesPerSecond: number): ConnectionFault => ({
  _tag: "Throttle",
  direction,
  bytesPerSecond
})

/**
 * Delivers the bytes in pieces of `size`, so that frames and messages arrive in parts.
 *
 * @since 0.1.0
 * @category connection faults
 */
export const pieces = (direction: "up" | "down", size: number): ConnectionFault => ({
  _tag: "Pieces",
  direction,
  size
})

/**
 * Sends every frame to the client in two parts: split in the middle of its header (`"header"`), or
 * in the middle of the five bytes before a gRPC message (`"prefix"`).
 *
 * @since 0.1.0
 * @category connection faults
 */
export const splitFrames = (where: "header" | "prefix"): ConnectionFault => ({
  _tag: "SplitFrames",
  where
})

/**
 * Leaves the client's HTTP/2 pings unanswered.
 *
 * @since 0.1.0
 * @category connection faults
 */
export const ignorePings: ConnectionFault = { _tag: "IgnorePings" }

/**
 * Sends GOAWAY with an HTTP/2 error code (0 is NO_ERROR) before the n-th DATA frame to the client.
 * `lastStreamId` 0 means that the client's call was not processed; the default is the highest
 * possible id. Inject two for a double GOAWAY.
 *
 * @since 0.1.0
 * @category connection faults
 */
export const goAway = (
  code: number,
  options: { readonly nthData?: number; readonly lastStreamId?: number } = {}
) => {
  const payload = Buffer.alloc(8)
  payload.writeUInt32BE(options.lastStreamId ?? 0x7fffffff, 0)
  payload.writeUInt32BE(code, 4)
  return insertFrames(http2Frame(7, 0, 0, payload), options.nthData)
}

/**
 * Sends RST_STREAM with an HTTP/2 error code before the n-th DATA frame.
 *
 * @since 0.1.0
 * @category connection faults
 */
export const rstStream = (
  code: number,
  options: { readonly nthData?: number; readonly streamId?: number } = {}
) => {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(code)
  return insertFrames(http2Frame(3, 0, options.streamId ?? 1, payload), options.nthData)
}

/**
 * Changes the connection's settings before the n-th DATA frame, in the middle of a call. The server
 * keeps its old settings, and the connection translates. With a small `initialWindowSize`, the
 * client may have only that many bytes of a call in flight; 0 blocks it, like a reader that stops
 * reading, until later settings raise it. With a large `maxFrameSize`, the client's frames are
 * split again. Throws a `RangeError` for a window above the server's own, 65,535 bytes. Values that
 * HTTP/2 forbids are sent unchanged.
 *
 * @since 0.1.0
 * @category connection faults
 */
export const settings = (
  values: Http2Settings,
  options: { readonly nthData?: number } = {}
): ConnectionFault => {
  if ((values.initialWindowSize ?? 0) > 65_535) {
    throw new RangeError(
      "The initialWindowSize of scripted settings must be at most 65535, the window of the server."
    )
  }
  return { _tag: "Settings", nthData: options.nthData ?? 1, values: settingsOf(values) }
}

/**
 * Sends bytes, usually complete HTTP/2 frames, before the n-th DATA frame.
 *
 * @since 0.1.0
 * @category connection faults
 */
export const insertFrames = (bytes: Uint8Array, nthData = 1): ConnectionFault => ({
  _tag: "InsertFrames",
  nthData,
  bytes
})

/**
 * Ends the call with the n-th DATA frame, without trailers.
 *
 * @since 0.1.0
 * @category connection faults
 */
export const endWithoutTrailers = (nthData = 1): ConnectionFault => ({
  _tag: "EndWithoutTrailers",
  nthData
})

/**
 * Sends an acknowledgement of `upTo` after the frame that ends a call.
 *
 * @since 0.1.0
 * @category connection faults
 */
export const ackAfterEnd = (upTo: number): ConnectionFault => ({
  _tag: "DataAfterEnd",
  bytes: grpcMessage(ackResponse(upTo))
})

/**
 * Ends the call with trailers that contain one header of a given size in bytes, before the n-th
 * DATA frame.
 *
 * @since 0.1.0
 * @category connection faults
 */
export const largeHeader = (
  bytes: number,
  options: { readonly nthData?: number; readonly streamId?: number } = {}
): ConnectionFault => {
  const block = Buffer.concat([
    headerField("grpc-status", "14"),
    headerField("x-large", "x".repeat(bytes))
  ])
  const frames: Array<Buffer> = []
  for (let from = 0; from < block.length; from += 16_384) {
    const part = block.subarray(from, from + 16_384)
    const last = from + part.length === block.length ? 4 : 0
    frames.push(
      http2Frame(from === 0 ? 1 : 9, (from === 0 ? 1 : 0) | last, options.streamId ?? 1, part)
    )
  }
  return insertFrames(Buffer.concat(frames), options.nthData)
}

/**
 * Marks the message in the n-th DATA frame as compressed, or changes its length.
 *
 * @since 0.1.0
 * @category connection faults
 */
export const damagePrefix = (options: {
  readonly nthData?: number
  readonly compressed?: boolean
  readonly length?: number
}): ConnectionFault => ({
  _tag: "DamagePrefix",
  nthData: options.nthData ?? 1,
  compressed: options.compressed,
  length: options.length
})

const grpcMessage = (message: Uint8Array): Buffer => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** A header field in HPACK, as a literal without indexing. */
const headerField = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.of(0), headerText(name), headerText(value)])

const headerText = (text: string): Buffer => {
  const length: Array<number> = []
  if (text.length < 127) length.push(text.length)
  else {
    length.push(127)
    let rest = text.length - 127
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128)
    length.push(rest)
  }
  return Buffer.concat([Buffer.from(length), Buffer.from(text)])
}
