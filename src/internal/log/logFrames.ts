/**
 * The bytes of a log segment: frames with length and CRC-32, how they are written into a growing buffer and read back.
 *
 * A segment begins with a header frame, synced by itself. Each group of records that goes to disk in one write begins with a group frame that holds its own
 * position and the segment's random mark. A group is only written once all before it is on disk, so a group frame found behind damaged bytes
 * proves that those bytes had been durable: that is how a damaged log is told from a write torn by a crash.
 */
import { crc32 } from "node:zlib"

/** How the records of a writer are encoded; enough to decode them again after a restart. */
export type LogFormat = { readonly _tag: "Json" } | { readonly _tag: "Proto"; readonly descriptor: Uint8Array }

/** What the header frame says about its segment. `mark` is 32 hexadecimal digits. */
export interface SegmentHeader {
  readonly version: 1
  readonly table: string
  readonly tableId: string
  readonly mark: string
}

/** The records of one message, read back from the log. */
export interface RecordsFrame {
  readonly sequence: number
  readonly format: LogFormat
  readonly records: ReadonlyArray<Uint8Array>
}

const headerKind = 0
const formatKind = 1
const recordsKind = 2
const groupKind = 3
const prefix = 8
const markBytes = 16
const initialBytes = 64 * 1024

/** Builds the bytes of one group. Reused for the next group after `clear`. */
export class FrameBuffer {
  bytes: Buffer
  size = 0

  constructor(bytes = initialBytes) {
    this.bytes = Buffer.allocUnsafeSlow(bytes)
  }

  /** Empties the buffer; memory beyond `keep` bytes is given back. */
  clear(keep: number): void {
    this.size = 0
    if (this.bytes.length > keep) this.bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  private start(bodyBytes: number): number {
    const at = this.size
    const needed = at + prefix + bodyBytes
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
      this.bytes.copy(grown, 0, 0, at)
      this.bytes = grown
    }
    this.bytes.writeUInt32LE(bodyBytes, at)
    this.size = needed
    return at + prefix
  }

  private finish(body: number): void {
    this.bytes.writeUInt32LE(crc32(this.bytes.subarray(body, this.size)), body - 4)
  }

  /** Appends the frame that opens a segment. */
  header(header: SegmentHeader): void {
    const text = Buffer.from(JSON.stringify(header), "utf8")
    const body = this.start(1 + text.length)
    this.bytes[body] = headerKind
    text.copy(this.bytes, body + 1)
    this.finish(body)
  }

  /** Appends the frame that opens a group; `position` is where it starts in the segment. */
  group(mark: Buffer, position: number): void {
    const body = this.start(1 + markBytes + 8)
    this.bytes[body] = groupKind
    mark.copy(this.bytes, body + 1)
    this.bytes.writeDoubleLE(position, body + 1 + markBytes)
    this.finish(body)
  }

  /** Appends the format of a writer; comes before its first records in each segment. */
  format(writer: number, format: LogFormat): void {
    const descriptor = format._tag === "Proto" ? format.descriptor : new Uint8Array(0)
    const body = this.start(6 + descriptor.length)
    this.bytes[body] = formatKind
    this.bytes.writeUInt32LE(writer, body + 1)
    this.bytes[body + 5] = format._tag === "Proto" ? 1 : 0
    this.bytes.set(descriptor, body + 6)
    this.finish(body)
  }

  /** Appends the records of one message. */
  records(writer: number, sequence: number, records: ReadonlyArray<Uint8Array>): void {
    let size = 17
    for (let i = 0; i < records.length; i++) size += 4 + records[i]!.length
    const body = this.start(size)
    const bytes = this.bytes
    bytes[body] = recordsKind
    bytes.writeUInt32LE(writer, body + 1)
    bytes.writeDoubleLE(sequence, body + 5)
    bytes.writeUInt32LE(records.length, body + 13)
    let at = body + 17
    for (let i = 0; i < records.length; i++) {
      const record = records[i]!
      const length = record.length
      bytes[at] = length
      bytes[at + 1] = length >>> 8
      bytes[at + 2] = length >>> 16
      bytes[at + 3] = length >>> 24
      at += 4
      if (length < 48) for (let j = 0; j < length; j++) bytes[at + j] = record[j]!
      else bytes.set(record, at)
      at += length
    }
    this.finish(body)
  }
}

/** A segment read back: its records, and how much of the file is whole. */
export interface SegmentContent {
  readonly header: SegmentHeader | undefined
  readonly frames: ReadonlyArray<RecordsFrame>
  /** Bytes up to the end of the last whole frame. */
  readonly wholeBytes: number
  /** False when bytes behind `wholeBytes` are damaged although they had been durable. */
  readonly tailIsTorn: boolean
}

/** Reads a segment. The records are views into `file`. */
export const readSegment = (file: Buffer): SegmentContent => {
  const frames: Array<RecordsFrame> = []
  const formats = new Map<number, LogFormat>()
  let header: SegmentHeader | undefined
  let at = 0
  while (at + prefix < file.length) {
    const end = at + prefix + file.readUInt32LE(at)
    if (end === at + prefix || end > file.length) break
    const body = file.subarray(at + prefix, end)
    if (crc32(body) !== file.readUInt32LE(at + 4)) break
    if (header === undefined && body[0] !== headerKind) break
    switch (body[0]) {
      case headerKind:
        header = JSON.parse(body.toString("utf8", 1)) as SegmentHeader
        break
      case formatKind:
        formats.set(
          body.readUInt32LE(1),
          body[5] === 1 ? { _tag: "Proto", descriptor: Uint8Array.from(body.subarray(6)) } : { _tag: "Json" }
        )
        break
      case recordsKind:
        frames.push({
          sequence: body.readDoubleLE(5),
          format: formats.get(body.readUInt32LE(1))!,
          records: recordsOf(body)
        })
        break
    }
    at = end
  }
  return { header, frames, wholeBytes: at, tailIsTorn: !groupBehind(file, at, header) }
}

const recordsOf = (body: Buffer): ReadonlyArray<Uint8Array> => {
  const records: Array<Uint8Array> = []
  let at = 17
  for (let left = body.readUInt32LE(13); left > 0; left--) {
    const length = body.readUInt32LE(at)
    records.push(body.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return records
}

const groupBytes = 1 + markBytes + 8
const groupLength = Buffer.from([groupBytes, 0, 0, 0])

/** Whether a whole group frame lies behind `from`. When the header is damaged its mark is unknown and any mark counts. */
const groupBehind = (file: Buffer, from: number, header: SegmentHeader | undefined): boolean => {
  const mark = header === undefined ? undefined : Buffer.from(header.mark, "hex")
  // The group that starts exactly at `from` may be the torn one.
  for (let start = file.indexOf(groupLength, from + 1); start >= 0; start = file.indexOf(groupLength, start + 1)) {
    const body = start + prefix
    const end = body + groupBytes
    if (end > file.length) return false
    if (file[body] !== groupKind || file.readDoubleLE(body + 1 + markBytes) !== start) continue
    if (mark !== undefined && mark.compare(file, body + 1, body + 1 + markBytes) !== 0) continue
    if (crc32(file.subarray(body, end)) === file.readUInt32LE(start + 4)) return true
  }
  return false
}
