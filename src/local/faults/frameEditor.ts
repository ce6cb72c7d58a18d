/**
 * Applies scripted faults to the HTTP/2 frames of a connection: splits the byte streams at frame
 * boundaries, and inserts, drops, divides or damages frames. Frames from the client are parsed only
 * if changed settings require it.
 */
import { makeWindowKeeper, settingsPayload, type SettingValues } from "./frameSettings.ts"

/** A fault of the frames of a connection. DATA frames to the client are counted from 1. */
export type FrameFault =
  /** Inserts these bytes, usually complete frames, before the n-th DATA frame. */
  | { readonly _tag: "InsertFrames"; readonly nthData: number; readonly bytes: Uint8Array }
  /** Sets END_STREAM on the n-th DATA frame, so that the call ends without trailers. */
  | { readonly _tag: "EndWithoutTrailers"; readonly nthData: number }
  /** Sends these bytes in a DATA frame after the frame that ends a call. */
  | { readonly _tag: "DataAfterEnd"; readonly bytes: Uint8Array }
  /**
   * Sets the compressed flag of the message that starts in the n-th DATA frame, or changes its
   * length.
   */
  | {
      readonly _tag: "DamagePrefix"
      readonly nthData: number
      readonly compressed?: boolean | undefined
      readonly length?: number | undefined
    }
  /** Leaves the client's pings unanswered. */
  | { readonly _tag: "IgnorePings" }
  /** Changes the settings for the client, before the n-th DATA frame. */
  | { readonly _tag: "Settings"; readonly nthData: number; readonly values: SettingValues }
  /** Sends frames in two parts, divided in their header or in the prefix of their gRPC message. */
  | { readonly _tag: "SplitFrames"; readonly where: "header" | "prefix" }

/**
 * Edits the bytes of one connection. Both directions return parts that must be written one by one.
 */
export interface FrameEditor {
  readonly down: (chunk: Uint8Array) => ReadonlyArray<Buffer>
  /** `down` holds frames to send to the client in reaction. */
  readonly up: (chunk: Uint8Array) => {
    readonly up: ReadonlyArray<Buffer>
    readonly down: ReadonlyArray<Buffer>
  }
}

const headerLength = 9
const prefaceLength = 24
const dataType = 0
const headersType = 1
const settingsType = 4
const pingType = 6
const windowUpdateType = 8
const endStreamFlag = 1
const ackFlag = 1
const initialWindowSize = 4
/** The default maximum frame size of a server. */
const serverFrameSize = 16_384

/** Creates an editor for one connection. */
export const makeFrameEditor = (faults: ReadonlyArray<FrameFault>): FrameEditor => {
  const split = makeSplitter(0)
  const splitUp = makeSplitter(prefaceLength)
  const divide = faults.find((fault) => fault._tag === "SplitFrames")?.where
  const changesSettings = faults.some((fault) => fault._tag === "Settings")
  const windows = makeWindowKeeper()
  /**
   * For each SETTINGS frame that the client has not acknowledged yet, oldest first: whether it was
   * inserted here.
   */
  const unanswered: Array<boolean> = []
  let dataFrames = 0

  const edit = (frame: Buffer): Array<Buffer> => {
    const type = frame[3]!
    const isData = type === dataType && frame.length > headerLength
    if (isData) dataFrames++
    if (type === settingsType && (frame[4]! & ackFlag) === 0) unanswered.push(false)
    if (changesSettings && type === windowUpdateType) return regrant(frame)
    const before: Array<Buffer> = []
    const behind: Array<Buffer> = []
    for (const fault of faults) {
      switch (fault._tag) {
        case "IgnorePings":
          if (type === pingType && (frame[4]! & ackFlag) !== 0) return []
          break
        case "InsertFrames":
          if (isData && dataFrames === fault.nthData) before.push(Buffer.from(fault.bytes))
          break
        case "Settings":
          if (isData && dataFrames === fault.nthData) before.push(...change(fault.values))
          break
        case "EndWithoutTrailers":
          if (isData && dataFrames === fault.nthData) frame[4] = frame[4]! | endStreamFlag
          break
        case "DataAfterEnd":
          if ((type === dataType || type === headersType) && (frame[4]! & endStreamFlag) !== 0) {
            behind.push(http2Frame(dataType, 0, streamOf(frame), fault.bytes))
          }
          break
        case "DamagePrefix":
          if (!isData || dataFrames !== fault.nthData || frame.length < headerLength + 5) break
          if (fault.compressed === true) frame[headerLength] = 1
          if (fault.length !== undefined) frame.writeUInt32BE(fault.length, headerLength + 1)
          break
      }
    }
    return [...before, frame, ...behind]
  }

  const change = (values: SettingValues): ReadonlyArray<Buffer> => {
    unanswered.push(true)
    const size = values.find(([identifier]) => identifier === initialWindowSize)?.[1]
    const resized = size === undefined ? undefined : windows.resize(size)
    const said = values.map(([identifier, value]) =>
      identifier === initialWindowSize
        ? ([identifier, resized?.told ?? value] as const)
        : ([identifier, value] as const)
    )
    return [
      http2Frame(settingsType, 0, 0, settingsPayload(said)),
      ...(resized?.grants ?? []).map(([streamId, bytes]) => windowUpdate(streamId, bytes))
    ]
  }

  /** Limits the server's window update for a call to the scripted window. */
  const regrant = (frame: Buffer): Array<Buffer> => {
    const streamId = streamOf(frame)
    if (streamId === 0) return [frame]
    const bytes = windows.granted(streamId, frame.readUInt32BE(headerLength) & 0x7fffffff)
    if (bytes === undefined) return [frame]
    return bytes > 0 ? [windowUpdate(streamId, bytes)] : []
  }

  const editUp = (frame: Buffer, down: Array<Buffer>): ReadonlyArray<Buffer> => {
    const type = frame[3]!
    if (type === settingsType && (frame[4]! & ackFlag) !== 0)
      return unanswered.shift() === true ? [] : [frame]
    if (type !== dataType) return [frame]
    const more = windows.sent(streamOf(frame), frame.length - headerLength)
    if (more > 0) down.push(windowUpdate(streamOf(frame), more))
    return divideData(frame)
  }

  return {
    down: (chunk) => {
      const frames = split(chunk).flatMap(edit)
      return divide === undefined
        ? together(frames)
        : frames.flatMap((frame) => halves(frame, divide))
    },
    up: (chunk) => {
      if (!changesSettings) return { up: [Buffer.from(chunk)], down: [] }
      const down: Array<Buffer> = []
      const up = splitUp(chunk).flatMap((frame) =>
        frame.length < headerLength ? [frame] : editUp(frame, down)
      )
      return { up: together(up), down: together(down) }
    }
  }
}

/**
 * Splits a byte stream into frames. The preface before the first frame is passed as single bytes.
 */
const makeSplitter = (preface: number) => {
  let rest: Buffer = Buffer.alloc(0)
  let before = preface
  return (chunk: Uint8Array): ReadonlyArray<Buffer> => {
    let bytes = Buffer.concat([rest, chunk])
    const frames: Array<Buffer> = []
    for (; before > 0 && bytes.length > 0; before--) {
      frames.push(bytes.subarray(0, 1))
      bytes = bytes.subarray(1)
    }
    while (before === 0 && bytes.length >= headerLength) {
      const length = headerLength + bytes.readUIntBE(0, 3)
      if (bytes.length < length) break
      frames.push(Buffer.from(bytes.subarray(0, length)))
      bytes = bytes.subarray(length)
    }
    rest = bytes
    return frames
  }
}

const together = (frames: ReadonlyArray<Buffer>): ReadonlyArray<Buffer> =>
  frames.length === 0 ? [] : [Buffer.concat(frames)]

/** Divides a DATA frame into frames that the server accepts. */
const divideData = (frame: Buffer): ReadonlyArray<Buffer> => {
  const payload = frame.subarray(headerLength)
  if (payload.length <= serverFrameSize) return [frame]
  const parts: Array<Buffer> = []
  for (let from = 0; from < payload.length; from += serverFrameSize) {
    const part = payload.subarray(from, from + serverFrameSize)
    const isLast = from + part.length === payload.length
    parts.push(http2Frame(dataType, isLast ? frame[4]! : 0, streamOf(frame), part))
  }
  return parts
}

const halves = (frame: Buffer, where: "header" | "prefix"): ReadonlyArray<Buffer> => {
  const isData = frame[3] === dataType
  const at =
    where === "header" ? 4 : isData && frame.length >= headerLength + 5 ? headerLength + 2 : 0
  return at === 0 || at >= frame.length ? [frame] : [frame.subarray(0, at), frame.subarray(at)]
}

const streamOf = (frame: Buffer): number => frame.readUInt32BE(5) & 0x7fffffff

const windowUpdate = (streamId: number, bytes: number): Buffer => {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(bytes)
  return http2Frame(windowUpdateType, 0, streamId, payload)
}

/** One HTTP/2 frame. */
export const http2Frame = (
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array
): Buffer => {
  const header = Buffer.alloc(headerLength)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(streamId, 5)
  return Buffer.concat([header, payload])
}
