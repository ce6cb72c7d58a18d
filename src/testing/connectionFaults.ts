/**
 * Faults of a connection below gRPC, for `ZerobusLocal.injectConnection`: of its bytes, and of its
 * HTTP/2 frames. Those of frames need a server without TLS, since they cannot look inside. Part of
 * `Faults`.
 */
import type { ConnectionFault } from "../local/faults/faultySocket.ts"
import { type Http2Settings, settingsOf } from "../local/faults/frameSettings.ts"
import { http2Frame } from "../local/faults/frameEditor.ts"
import { ackResponse } from "../local/stream/streamMessages.ts"

export type { ConnectionFault } from "../local/faults/faultySocket.ts"
export type { Http2Settings } from "../local/faults/frameSettings.ts"

/**
 * Ends a connection after so many bytes in a direction (`up` is to the server): by RST (default),
 * by FIN, by silence in both directions with the connection left open (`"blackHole"`), or by
 * silence in this direction alone (`"halfOpen"`).
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
 * Passes so many bytes a second: a slow reader (`up`) or a slow writer (`down`).
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
 * Passes the bytes in pieces of `size`, so that frames and messages arrive in parts.
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
 * Sends every frame to the client in two parts: divided in the middle of its header (`"header"`),
 * or in the middle of the five bytes in front of a gRPC message (`"prefix"`).
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
 * Sends GOAWAY with an HTTP/2 error code (0 is NO_ERROR) in front of the n-th DATA frame to the
 * client. `lastStreamId` 0 says that the client's call was not processed; by default it is the
 * highest there is. Give two for a double one.
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
 * Sends RST_STREAM with an HTTP/2 error code in front of the n-th DATA frame.
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
 * Changes the connection's settings in front of the n-th DATA frame, in the middle of a call. The
 * server goes on under its old ones, and the connection translates: with a small
 * `initialWindowSize` the client may have no more than so many bytes of a call under way (0 stops
 * it, as a reader that takes nothing does, until later settings raise it), with a large
 * `maxFrameSize` its frames are divided again. Throws a `RangeError` for a window above the
 * server's own, 65,535 bytes. Values that HTTP/2 forbids are sent as they are.
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
 * Sends bytes, usually whole HTTP/2 frames, in front of the n-th DATA frame.
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
 * Sends an acknowledgement of `upTo` behind the frame that ends a call.
 *
 * @since 0.1.0
 * @category connection faults
 */
export const ackAfterEnd = (upTo: number): ConnectionFault => ({
  _tag: "DataAfterEnd",
  bytes: grpcMessage(ackResponse(upTo))
})

/**
 * Ends the call with trailers that hold one header of so many bytes, in front of the n-th DATA
 * frame.
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
 * Marks the message in the n-th DATA frame as compressed, or gives it another length.
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

/** A header field as HPACK has it, literally and outside its table. */
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
