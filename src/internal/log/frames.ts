/**
 * The bytes of a log: frames with length and CRC-32, written into a growing buffer and read back.
 *
 * A segment file begins with a header frame, which is synced on its own. Each group is written to
 * disk in one write. It begins with a group frame that holds its own position and the random mark
 * of the file. A group is written only after everything before it is on disk. So a group frame
 * behind damaged bytes proves that those bytes were durable. That distinguishes a damaged log from
 * a write torn by a crash. Other frames are defined by the log that writes them.
 */
import { crc32 } from "node:zlib"

/** The fields of every header; each log adds its own. */
export interface SegmentHeader {
  readonly version: number
  /** 32 hexadecimal digits. */
  readonly mark: string
  /**
   * Where the previous file ends. Bytes after that are not part of the log. Missing in files of
   * early versions.
   */
  readonly before?: FileEnd | undefined
}

/** How much of a file belongs to the log. */
export interface FileEnd {
  readonly file: number
  readonly bytes: number
}

const headerKind = 0
const groupKind = 3
/** Bytes in front of the body of a frame: its length and its checksum. */
export const FRAME_PREFIX = 8
const markBytes = 16
const initialBytes = 64 * 1024

/** Builds the bytes of one group. Reused for the next group after `clear`. */
export class FrameBuffer {
  bytes: Buffer
  size = 0
  /** Start of the body of the frame under construction. */
  private body = 0

  constructor(bytes = initialBytes) {
    this.bytes = Buffer.allocUnsafeSlow(bytes)
  }

  /** Empties the buffer. Memory beyond `keep` bytes is released. */
  clear(keep: number): void {
    this.size = 0
    if (this.bytes.length > keep) this.bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  /**
   * Begins a frame with a body of this size and returns where the body starts. `bytes` may be
   * another buffer afterwards.
   */
  begin(bodyBytes: number): number {
    this.body = this.reserve(FRAME_PREFIX + bodyBytes) + FRAME_PREFIX
    return this.body
  }

  /** Adds bytes to the frame that was begun and returns where they start. */
  reserve(bytes: number): number {
    const at = this.size
    const needed = at + bytes
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
      this.bytes.copy(grown, 0, 0, at)
      this.bytes = grown
    }
    this.size = needed
    return at
  }

  /** Completes the frame that was begun. */
  end(): void {
    const { body, bytes, size } = this
    bytes.writeUInt32LE(size - body, body - 8)
    bytes.writeUInt32LE(crc32(bytes.subarray(body, size)), body - 4)
  }

  /** Appends the frame that opens a file. */
  header(header: SegmentHeader): void {
    const text = Buffer.from(JSON.stringify(header), "utf8")
    const body = this.begin(1 + text.length)
    this.bytes[body] = headerKind
    text.copy(this.bytes, body + 1)
    this.end()
  }

  /** Appends the frame that opens a group; `position` is where it starts in the file. */
  group(mark: Buffer, position: number): void {
    const body = this.begin(groupBytes)
    this.bytes[body] = groupKind
    mark.copy(this.bytes, body + 1)
    this.bytes.writeDoubleLE(position, body + 1 + markBytes)
    this.end()
  }
}

/** The result of reading the frames of a file. */
export interface FileScan<Header extends SegmentHeader> {
  readonly header: Header | undefined
  /** Bytes up to the end of the last whole frame. */
  readonly wholeBytes: number
}

/**
 * The end of the whole frame that begins at `at`; -1 when there is none or its checksum is wrong.
 */
export const frameEnd = (file: Buffer, at: number): number => {
  if (at + FRAME_PREFIX >= file.length) return -1
  const body = at + FRAME_PREFIX
  const end = body + file.readUInt32LE(at)
  if (end === body || end > file.length) return -1
  return crc32(file.subarray(body, end)) === file.readUInt32LE(at + 4) ? end : -1
}

/**
 * Reads the whole frames of a file. `each` gets the body of every frame other than headers and
 * groups.
 */
export const scanFrames = <Header extends SegmentHeader>(
  file: Buffer,
  each: (body: number, end: number) => void
): FileScan<Header> => {
  let header: Header | undefined
  let at = 0
  for (let end = frameEnd(file, at); end >= 0; end = frameEnd(file, at)) {
    const body = at + FRAME_PREFIX
    const kind = file[body]
    if (kind === headerKind) header = JSON.parse(file.toString("utf8", body + 1, end)) as Header
    else if (header === undefined) break
    else if (kind !== groupKind) each(body, end)
    at = end
  }
  return { header, wholeBytes: at }
}

const groupBytes = 1 + markBytes + 8
/** Bytes of the frame that opens a group. */
export const GROUP_FRAME = FRAME_PREFIX + groupBytes
const groupLength = Buffer.from([groupBytes, 0, 0, 0])

/**
 * The start of the next whole group frame behind `from`, or -1. Such a frame proves that the bytes
 * at `from` were durable. When the header is damaged, its mark is unknown and any mark counts.
 */
export const groupBehind = (
  file: Buffer,
  from: number,
  header: SegmentHeader | undefined
): number => {
  const mark = header === undefined ? undefined : Buffer.from(header.mark, "hex")
  // The group that starts exactly at `from` may be the torn one.
  for (
    let start = file.indexOf(groupLength, from + 1);
    start >= 0;
    start = file.indexOf(groupLength, start + 1)
  ) {
    const body = start + FRAME_PREFIX
    const end = body + groupBytes
    if (end > file.length) return -1
    if (file[body] !== groupKind || file.readDoubleLE(body + 1 + markBytes) !== start) continue
    if (mark !== undefined && mark.compare(file, body + 1, body + 1 + markBytes) !== 0) continue
    if (crc32(file.subarray(body, end)) === file.readUInt32LE(start + 4)) return start
  }
  return -1
}

/** Whether the bytes at `from` were durable: a whole group frame follows them. */
export const wasDurable = (
  file: Buffer,
  from: number,
  header: SegmentHeader | undefined
): boolean => groupBehind(file, from, header) >= 0
