/**
 * HTTP/2 frames on their way to the client, as far as scripted faults change them: splits the byte stream at frame boundaries, and
 * inserts, drops or damages frames there.
 */

/** What happens to the frames of a connection. DATA frames are counted from 1. */
export type FrameFault =
  /** Puts these bytes, usually whole frames, in front of the n-th DATA frame. */
  | { readonly _tag: "InsertFrames"; readonly nthData: number; readonly bytes: Uint8Array }
  /** Sets END_STREAM on the n-th DATA frame, so that the call ends without trailers. */
  | { readonly _tag: "EndWithoutTrailers"; readonly nthData: number }
  /** Sets the compressed flag of the message that starts in the n-th DATA frame, or gives it another length. */
  | {
      readonly _tag: "DamagePrefix"
      readonly nthData: number
      readonly compressed?: boolean | undefined
      readonly length?: number | undefined
    }
  /** Leaves the client's pings unanswered. */
  | { readonly _tag: "IgnorePings" }

const headerLength = 9
const dataType = 0
const pingType = 6
const endStreamFlag = 1
const ackFlag = 1

/** Makes an editor: feed it chunks, send what it returns. */
export const makeFrameEditor = (faults: ReadonlyArray<FrameFault>): ((chunk: Uint8Array) => Buffer) => {
  let rest: Buffer = Buffer.alloc(0)
  let dataFrames = 0

  const edit = (frame: Buffer): ReadonlyArray<Uint8Array> => {
    const type = frame[3]!
    const isData = type === dataType && frame.length > headerLength
    if (isData) dataFrames++
    const out: Array<Uint8Array> = [frame]
    for (const fault of faults) {
      switch (fault._tag) {
        case "IgnorePings":
          if (type === pingType && (frame[4]! & ackFlag) !== 0) return []
          break
        case "InsertFrames":
          if (isData && dataFrames === fault.nthData) out.unshift(fault.bytes)
          break
        case "EndWithoutTrailers":
          if (isData && dataFrames === fault.nthData) frame[4] = frame[4]! | endStreamFlag
          break
        case "DamagePrefix":
          if (!isData || dataFrames !== fault.nthData || frame.length < headerLength + 5) break
          if (fault.compressed === true) frame[headerLength] = 1
          if (fault.length !== undefined) frame.writeUInt32BE(fault.length, headerLength + 1)
          break
      }
    }
    return out
  }

  return (chunk) => {
    let bytes = Buffer.concat([rest, chunk])
    const out: Array<Uint8Array> = []
    while (bytes.length >= headerLength) {
      const length = headerLength + bytes.readUIntBE(0, 3)
      if (bytes.length < length) break
      out.push(...edit(Buffer.from(bytes.subarray(0, length))))
      bytes = bytes.subarray(length)
    }
    rest = bytes
    return Buffer.concat(out)
  }
}

/** One HTTP/2 frame. */
export const http2Frame = (type: number, flags: number, streamId: number, payload: Uint8Array): Buffer => {
  const header = Buffer.alloc(headerLength)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(streamId, 5)
  return Buffer.concat([header, payload])
}
