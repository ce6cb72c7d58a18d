/**
 * Reads the files of a spool for the history. It is written from the format of `docs/spool.md`, not
 * from the code that writes the files, so that it does not repeat an error of that code.
 */
import { crc32 } from "node:zlib"

/** An entry of a log file. A batch has one offset for all records; a run has one for each. */
export type SpoolText =
  | {
      readonly kind: "records"
      readonly offset: number
      readonly batch: boolean
      readonly payloads: Array<Uint8Array>
    }
  | { readonly kind: "header"; readonly first: number }

const prefixBytes = 8
const headBytes = 13
const keyBytes = 4

/** Reads the complete frames from an offset on, and returns where they end. */
export const readSpoolText = (
  file: Buffer,
  from: number
): { readonly entries: ReadonlyArray<SpoolText>; readonly end: number } => {
  const entries: Array<SpoolText> = []
  let at = from
  while (at + prefixBytes < file.length) {
    const body = at + prefixBytes
    const end = body + file.readUInt32LE(at)
    if (
      end === body ||
      end > file.length ||
      crc32(file.subarray(body, end)) !== file.readUInt32LE(at + 4)
    )
      break
    const kind = file[body]
    if (kind === 0) {
      const { first } = JSON.parse(file.toString("utf8", body + 1, end)) as {
        readonly first: number
      }
      entries.push({ kind: "header", first })
    } else if (kind === 4 || kind === 5 || kind === 7 || kind === 8) {
      const batch = kind === 5 || kind === 8
      const offset = file.readDoubleLE(body + 1)
      const keys = kind < 7 ? 0 : keyBytes * (batch ? 1 : file.readUInt32LE(body + 9))
      entries.push({
        kind: "records",
        offset,
        batch,
        payloads: payloadsOf(file, body + headBytes, end - keys)
      })
    }
    at = end
  }
  return { entries, end: at }
}

const payloadsOf = (file: Buffer, from: number, end: number): Array<Uint8Array> => {
  const payloads: Array<Uint8Array> = []
  for (let at = from; at < end;) {
    let length = 0
    let scale = 1
    let byte: number
    at++
    do {
      byte = file[at++]!
      length += (byte & 0x7f) * scale
      scale *= 128
    } while (byte >= 0x80)
    payloads.push(file.subarray(at, at + length))
    at += length
  }
  return payloads
}

const slotBytes = 32

/** The acknowledged offset in the file `acknowledged`; -1 if there is none. */
export const readAcknowledgedText = (file: Buffer | undefined): number => {
  let best = { count: -1, offset: -1 }
  for (const at of [0, slotBytes]) {
    if (file === undefined || file.length < at + slotBytes) continue
    const count = file.readDoubleLE(at + 8)
    const whole = crc32(file.subarray(at + 8, at + slotBytes)) === file.readUInt32LE(at)
    if (whole && count > best.count) best = { count, offset: file.readDoubleLE(at + 16) }
  }
  return best.offset
}
