/**
 * The segment files of a log on disk: their names, and reading all of them after a restart.
 *
 * The header of the next file states where a file ends. Bytes after that were never confirmed: they
 * belong to a group whose write or sync failed, or to the torn end that an earlier crash left. Only
 * the last file has no such bound, so only there a torn end is cut off.
 */
import * as Path from "node:path"
import { FRAME_PREFIX, frameEnd, scanFrames, type SegmentHeader, wasDurable } from "./frames.ts"
import type { LogDisk } from "./logDisk.ts"

/** The file name of a segment. */
export const segmentName = (number: number): string => `${String(number).padStart(12, "0")}.log`
const segmentPattern = /^(\d{12})\.log$/

/** The path of a segment. */
export const segmentPath = (folder: string, number: number): string =>
  Path.join(folder, segmentName(number))

/** The numbers of the segments in a folder, ascending; empty when there is no folder. */
export const segmentNumbers = async (
  disk: LogDisk,
  folder: string
): Promise<ReadonlyArray<number>> =>
  (await disk.list(folder))
    .flatMap((name) => segmentPattern.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)

/** A log holds bytes that were durable and have changed since. Nothing was modified. */
export class DamagedLog extends Error {
  override readonly name = "DamagedLog"
  readonly path: string
  /** Where the damage begins, and how long the file is. */
  readonly byte: number
  readonly bytes: number

  constructor(path: string, byte: number, bytes: number) {
    super(`The log ${path} is damaged at byte ${byte} of ${bytes}.`)
    this.path = path
    this.byte = byte
    this.bytes = bytes
  }
}

/** A segment found on disk. */
export interface FoundFile<Header extends SegmentHeader> {
  readonly number: number
  /** `undefined` for a file whose creation a crash interrupted; it holds nothing. */
  readonly header: Header | undefined
  /** The bytes of the log in it. */
  readonly content: Buffer
}

/** How segments are read. */
export interface ReadOptions<Header extends SegmentHeader> {
  /**
   * Whether the content of a file is valid only until the next one is read, which reuses the memory
   * if it fits.
   */
  readonly reuse?: boolean
  /**
   * Whether the file before the one with this header is no longer needed. Such a file is yielded as
   * it is, without calls of `each`. After a power loss the file that states where it ends may be
   * missing, so its frames cannot be told from what follows them.
   */
  readonly isSettled?: (following: Header) => boolean
}

/**
 * Reads the segments of a folder in order, one at a time. `each` gets the body of every frame in
 * `content`; after that the file is yielded. With `repair`, a torn end of the last file is cut off.
 * Damage throws `DamagedLog`.
 */
export const readSegmentFiles = async function* <Header extends SegmentHeader>(
  disk: LogDisk,
  folder: string,
  repair: boolean,
  each: (content: Buffer, body: number, end: number) => void,
  { isSettled = () => false, reuse = false }: ReadOptions<Header> = {}
): AsyncGenerator<FoundFile<Header>> {
  const numbers = await segmentNumbers(disk, folder)
  let buffer: Buffer | undefined = reuse ? Buffer.alloc(0) : undefined
  try {
    for (const [index, number] of numbers.entries()) {
      const path = segmentPath(folder, number)
      const next = numbers[index + 1]
      const following =
        next === undefined ? undefined : await readHeader<Header>(disk, segmentPath(folder, next))
      const file: Buffer = await disk.readFile(path, buffer)
      if (buffer !== undefined && file.length > buffer.length) {
        giveBack(buffer)
        buffer = file
      }
      if (following !== undefined && isSettled(following)) {
        yield { number, header: headerOf<Header>(file), content: file }
        continue
      }
      const bound = following?.before?.file === number ? following.before.bytes : undefined
      const content = bound === undefined ? file : file.subarray(0, bound)
      const { header, wholeBytes } = scanFrames<Header>(content, (body, end) =>
        each(content, body, end)
      )
      const isLast = next === undefined || (following === undefined && index === numbers.length - 2)
      if (wholeBytes < (bound ?? file.length)) {
        if (!isLast || wasDurable(content, wholeBytes, header))
          throw new DamagedLog(path, wholeBytes, file.length)
        if (repair) await disk.truncate(path, wholeBytes)
      }
      yield { number, header, content: content.subarray(0, wholeBytes) }
    }
  } finally {
    if (buffer !== undefined) giveBack(buffer)
  }
}

/** From this size on a buffer has its own memory; smaller buffers may share one. */
const LARGE = 1024 * 1024

/** Releases large memory at once, not with the next garbage collection. */
const giveBack = ({ buffer, length }: Buffer): void => {
  if (length >= LARGE && buffer instanceof ArrayBuffer) buffer.transfer(0)
}

/** The header of a file; `undefined` when it has no whole one. */
export const readHeader = async <Header extends SegmentHeader>(
  disk: LogDisk,
  path: string
): Promise<Header | undefined> => {
  const file = await disk.open(path, true)
  try {
    const prefix = Buffer.alloc(FRAME_PREFIX)
    if ((await file.read(prefix, FRAME_PREFIX, 0)) < FRAME_PREFIX) return undefined
    const bytes = FRAME_PREFIX + prefix.readUInt32LE(0)
    if (bytes > LARGEST_HEADER) return undefined
    const frame = Buffer.alloc(bytes)
    const read = await file.read(frame, bytes, 0)
    return headerOf<Header>(frame.subarray(0, read))
  } finally {
    await file.close()
  }
}

/** The header at the start of a file's bytes; `undefined` when there is no whole one. */
const headerOf = <Header extends SegmentHeader>(bytes: Buffer): Header | undefined => {
  const end = frameEnd(bytes, 0)
  return end < 0 ? undefined : scanFrames<Header>(bytes.subarray(0, end), () => {}).header
}

/** Larger than any header: a descriptor of 4 MiB in base64, and the rest. */
const LARGEST_HEADER = 8 * 1024 * 1024
