/**
 * Reads the entries of a spool in order, from the latest group while it is in memory, otherwise
 * from disk.
 *
 * It holds one block of a file and a position. An entry is a view that is valid until the next turn
 * of the event loop. Records that were not taken by then are found again at the same position.
 */
import { FRAME_PREFIX, frameEnd } from "../log/frames.ts"
import type { LogDisk, LogFile } from "../log/logDisk.ts"
import { segmentPath } from "../log/segmentFiles.ts"
import { type Entry, KEY_BYTES, makeEntry, offsetsOf, readEntry, skipRecords } from "./entries.ts"
import { damaged, SpoolFailure } from "./spoolFailure.ts"
import type { SpoolFile } from "./spoolScan.ts"

/** Bytes read from disk at once; more only for a larger entry. */
const STRETCH = 1024 * 1024

/** A group that is on disk, and its frames in memory. */
export interface RecentGroup {
  readonly first: number
  readonly file: number
  /** Where the frames start in the file. */
  readonly start: number
  readonly bytes: Buffer
  readonly size: number
}

/** What a reader reads from. */
export interface ReadableLog {
  readonly files: ReadonlyArray<SpoolFile>
  readonly recent: RecentGroup | undefined
  /** Offsets below this one are persisted. */
  readonly persistedNext: number
}

/** A reading position in a spool. */
export class SpoolReader {
  /** The next offset to be read. */
  offset: number
  private readonly disk: LogDisk
  private readonly folder: string
  private readonly log: ReadableLog
  /** Start of the next frame, and the bytes of its records that were taken. */
  private file = -1
  private byte = 0
  private taken = 0
  private stretch = Buffer.alloc(0)
  /** Reused memory of blocks. */
  private memory = Buffer.alloc(0)
  private stretchFile = -1
  private stretchStart = 0
  private closed = false
  private handle: { readonly file: number; readonly open: LogFile } | undefined
  private readonly entry: Entry = makeEntry()
  /** Where the frame of `entry` ends in its file. */
  private end = 0

  constructor(disk: LogDisk, folder: string, log: ReadableLog, offset: number) {
    this.disk = disk
    this.folder = folder
    this.log = log
    this.offset = offset
  }

  /** Starts at another offset. Only before anything was read. */
  startAt(offset: number): void {
    this.offset = offset
  }

  /** Whether there are entries that were not taken. */
  get hasMore(): boolean {
    return this.offset < this.log.persistedNext
  }

  /**
   * The next entry, or the rest of it; `undefined` when there is none, or when it has to be loaded.
   */
  peekUnsafe(): Entry | undefined {
    if (!this.hasMore) return undefined
    const { recent } = this.log
    if (recent !== undefined && this.offset >= recent.first && this.place(recent)) {
      return this.find(recent.bytes.subarray(0, recent.size), recent.start, false)
    }
    return this.stretchFile === this.file && this.byte >= this.stretchStart
      ? this.find(this.stretch, this.stretchStart, true)
      : undefined
  }

  /**
   * Takes records of the entry that `peekUnsafe` returned last. `bytes` is their size with tags and
   * lengths.
   */
  takeUnsafe(records: number, bytes: number): void {
    const { entry } = this
    this.offset += entry.atomic ? 1 : records
    if (records < entry.records) {
      this.taken += bytes
      return
    }
    this.byte = this.end
    this.taken = 0
  }

  /** Reads the next block from disk. Throws `SpoolFailure` when bytes are damaged or missing. */
  async load(): Promise<void> {
    this.locate()
    const { file } = this
    const known = this.log.files.find((each) => each.file === file)
    if (known === undefined) throw this.gone()
    const handle = await this.open(file)
    const left = known.bytes - this.byte
    let wanted = Math.min(STRETCH, left)
    // The memory of the previous block is overwritten.
    this.stretchFile = -1
    if (this.memory.length === 0) this.memory = Buffer.allocUnsafeSlow(STRETCH)
    let bytes = this.memory
    let read = await handle.read(bytes, wanted, this.byte)
    const frame = read < FRAME_PREFIX ? Infinity : FRAME_PREFIX + bytes.readUInt32LE(0)
    if (frame > left) throw damaged(segmentPath(this.folder, file), this.byte, known.bytes)
    if (frame > wanted) {
      wanted = frame
      bytes = Buffer.allocUnsafeSlow(wanted)
      read = await handle.read(bytes, wanted, this.byte)
    }
    if (read < wanted || frameEnd(bytes.subarray(0, wanted), 0) < 0) {
      throw damaged(segmentPath(this.folder, file), this.byte, known.bytes)
    }
    this.stretch = bytes.subarray(0, wanted)
    this.stretchFile = file
    this.stretchStart = this.byte
  }

  async close(): Promise<void> {
    this.closed = true
    await this.handle?.open.close().catch(() => {})
    this.handle = undefined
  }

  /**
   * Moves to a group in memory, if the next offset is its first one or this reader is already in
   * it.
   */
  private place(recent: RecentGroup): boolean {
    if (this.offset === recent.first && this.taken === 0) {
      this.file = recent.file
      this.byte = recent.start
      return true
    }
    return this.file === recent.file && this.byte >= recent.start
  }

  /**
   * Moves to the file with the next offset, and to its start unless the reader is already in it.
   */
  private locate(): void {
    const { files } = this.log
    const index = files.findLastIndex(({ first }) => first <= this.offset)
    const found = files[index]
    if (found === undefined) throw this.gone()
    if (found.file === this.file) return
    this.file = found.file
    this.byte = 0
    this.taken = 0
  }

  private gone(): SpoolFailure {
    return new SpoolFailure(
      "Damaged",
      `The spool ${this.folder} no longer has a file with the offset ${this.offset}. ` +
        "Put the file back and open the spool again."
    )
  }

  /**
   * Finds the next entry in bytes that start at `start` of the file; `undefined` when they end too
   * early.
   */
  private find(bytes: Buffer, start: number, check: boolean): Entry | undefined {
    for (;;) {
      const at = this.byte - start
      if (at + FRAME_PREFIX > bytes.length) return undefined
      const end = check ? frameEnd(bytes, at) : at + FRAME_PREFIX + bytes.readUInt32LE(at)
      if (end < 0 || end > bytes.length) return undefined
      const { entry } = this
      if (readEntry(bytes, at + FRAME_PREFIX, end, entry)) {
        const next = entry.offset + offsetsOf(entry)
        if (this.offset < next) {
          this.forward()
          this.end = start + end
          return entry
        }
      }
      this.byte = start + end
    }
  }

  /**
   * Skips records of the entry that were taken, or were acknowledged before the spool was opened.
   * In the second case the size of those records is not known yet.
   */
  private forward(): void {
    const { entry } = this
    const records = this.offset - entry.offset
    if (records === 0) return
    if (this.taken === 0) {
      this.taken = skipRecords(entry, records)
      return
    }
    entry.start += this.taken
    entry.offset = this.offset
    entry.records -= records
    if (entry.keys >= 0) entry.keys += records * KEY_BYTES
  }

  private async open(file: number): Promise<LogFile> {
    if (this.handle?.file === file) return this.handle.open
    await this.handle?.open.close().catch(() => {})
    this.handle = undefined
    const open = await this.disk
      .open(segmentPath(this.folder, file), true)
      .catch((error: NodeJS.ErrnoException) => {
        throw error.code === "ENOENT" ? this.gone() : error
      })
    // Closed while the file was being opened: nothing else would close it.
    if (this.closed) {
      await open.close().catch(() => {})
      throw new SpoolFailure("Unavailable", `The spool ${this.folder} is closed.`)
    }
    this.handle = { file, open }
    return open
  }
}
