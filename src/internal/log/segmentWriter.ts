/**
 * Writes groups into the segment files of a log, one after another.
 *
 * After a failed sync it is unknown which bytes of the file are on disk, and a second sync may
 * report success for lost bytes. So a file with a failed group is never synced again. The next
 * group begins a new file, whose header states where the previous one ends.
 */
import { randomBytes } from "node:crypto"
import { type FileEnd, FrameBuffer, GROUP_FRAME, type SegmentHeader } from "./frames.ts"
import type { LogDisk, LogFile } from "./logDisk.ts"
import { segmentPath } from "./segmentFiles.ts"

/** The position of a group. */
export interface GroupPlace {
  readonly file: number
  /** Where the frames of the group start, after the group's own frame. */
  readonly start: number
  readonly end: number
}

/**
 * A file of the log was deleted while it was open: what was written to it is lost with the process.
 */
export class DeletedSegment extends Error {
  override readonly name = "DeletedSegment"
  readonly path: string
  constructor(path: string) {
    super(`The log file ${path} was deleted while it was in use.`)
    this.path = path
  }
}

interface OpenFile {
  readonly number: number
  readonly mark: Buffer
  readonly file: LogFile
  /** Bytes that are complete and, with syncing, on disk. */
  size: number
}

/** The current file, and the following ones. */
export class SegmentWriter<Header extends SegmentHeader> {
  private readonly disk: LogDisk
  private readonly folder: string
  private readonly sync: boolean
  private readonly headerOf: () => Omit<Header, "mark" | "before">
  private readonly begun: (file: number) => void
  private readonly opening = new FrameBuffer(GROUP_FRAME)
  private next: number
  private current: OpenFile | undefined
  private before: FileEnd | undefined

  constructor(options: {
    readonly disk: LogDisk
    readonly folder: string
    /** Number of the first file that is written. */
    readonly first: number
    /** Where the previous file ends, if there is one. */
    readonly before: FileEnd | undefined
    /** Whether a group counts as written only once it is synced. */
    readonly sync: boolean
    /** Returns the fields of the log's header when a file begins. */
    readonly header: () => Omit<Header, "mark" | "before">
    /** Called with the number of each file that was begun. */
    readonly begun: (file: number) => void
  }) {
    this.disk = options.disk
    this.folder = options.folder
    this.next = options.first
    this.before = options.before
    this.sync = options.sync
    this.headerOf = options.header
    this.begun = options.begun
  }

  /** Bytes of the file that the next group is appended to; 0 when it begins a new one. */
  get size(): number {
    return this.current?.size ?? 0
  }

  /** Writes one group. Do not call it again before it has ended. */
  async write(group: FrameBuffer): Promise<GroupPlace> {
    const open = this.current ?? (await this.begin())
    const { file, mark, number, size } = open
    const start = size + GROUP_FRAME
    const end = start + group.size
    this.opening.clear(GROUP_FRAME)
    this.opening.group(mark, size)
    try {
      await file.write(
        [this.opening.bytes.subarray(0, GROUP_FRAME), group.bytes.subarray(0, group.size)],
        size
      )
      // An open file accepts writes even after it was deleted.
      const [isDeleted] = await Promise.all([
        file.isDeleted(),
        this.sync ? file.datasync() : undefined
      ])
      if (isDeleted) throw new DeletedSegment(segmentPath(this.folder, number))
    } catch (error) {
      await file.truncate(size).catch(() => {})
      await this.end()
      throw error
    }
    open.size = end
    return { file: number, start, end }
  }

  /** Makes the next group begin a new file. */
  async end(): Promise<void> {
    const open = this.current
    if (open === undefined) return
    this.current = undefined
    this.before = { file: open.number, bytes: open.size }
    await open.file.close().catch(() => {})
  }

  private async begin(): Promise<OpenFile> {
    const number = this.next
    const path = segmentPath(this.folder, number)
    const mark = randomBytes(16)
    const header = new FrameBuffer(1024)
    header.header({ ...this.headerOf(), mark: mark.toString("hex"), before: this.before } as Header)
    const file = await this.disk.create(path)
    try {
      await file.write([header.bytes.subarray(0, header.size)], 0)
      // On disk before the first group, so that a group frame behind a damaged header proves the
      // damage.
      if (this.sync) await file.datasync()
      if (this.sync) await this.disk.syncFolder(this.folder)
    } catch (error) {
      await file.close().catch(() => {})
      // The next attempt creates the file again: a file whose sync failed is not synced again.
      await this.disk.remove(path).catch(() => {})
      throw error
    }
    this.next++
    this.current = { number, mark, file, size: header.size }
    this.begun(number)
    return this.current
  }
}
