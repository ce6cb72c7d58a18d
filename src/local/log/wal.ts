/**
 * The write-ahead log of one table: records are durable once their group is on disk.
 *
 * Groups form by themselves. While one is being written and synced (off the event loop), everything that arrives collects in
 * the next. The log is a row of segments, one file each, or several after a write that failed; `rotate` starts the next one,
 * `removeSegment` deletes one whose records are in the table. When a write fails, its group and all that wait behind it fail together,
 * and the log goes on in a new file as soon as writing works again.
 */
import { type FileEnd, FrameBuffer } from "../../internal/log/frames.ts"
import { GroupCommit } from "../../internal/log/groupCommit.ts"
import { nodeDisk } from "../../internal/log/logDisk.ts"
import { segmentPath } from "../../internal/log/segmentFiles.ts"
import { DeletedSegment, SegmentWriter } from "../../internal/log/segmentWriter.ts"
import { makeFolder, makeFoldersIn } from "../../internal/log/durableFile.ts"
import * as Path from "node:path"
import { type LogFormat, type RecordsFrame, type TableLogHeader, writeFormat, writeRecords } from "./logFrames.ts"
import { readFrames } from "./logSegments.ts"
import { StorageFailure, storageFailure } from "./storageErrors.ts"

/** Completes a ticket: undefined when durable, else why not. */
export type DurableCallback = (failure: StorageFailure | undefined) => void

/** A number for each writer of a table and what its records look like. */
export interface LogWriter {
  readonly id: number
  readonly format: LogFormat
}

interface Segment {
  readonly number: number
  /** Writers whose format is in the file that groups go to now. */
  readonly formats: Set<number>
  /** Its files, and how much of each belongs to the log. */
  readonly files: Array<FileEnd>
}

interface Group {
  readonly number: number
  readonly segment: Segment
  readonly frames: FrameBuffer
  readonly callbacks: Array<DurableCallback>
}

const keptBytes = 8 * 1024 * 1024

/** The log that takes new records. Made by `openWal`. */
export class Wal {
  readonly folder: string
  /** Called when groups fail, before their callbacks, with the number of the first one: roll back to before it. */
  onGroupsFailed: (firstGroup: number) => void = () => {}
  private readonly table: string
  private readonly firstSegment: number
  private readonly writer: SegmentWriter<TableLogHeader>
  private readonly groups: GroupCommit<Group>
  private readonly spare: Array<FrameBuffer> = []
  /** Segments of this process that were begun and not removed. */
  private readonly segments = new Map<number, Segment>()
  private segment: Segment
  /** The segment whose file is open. */
  private writing: Segment | undefined
  private open: Group | undefined
  private nextSequence: number
  /** The first sequence number of the open segment. */
  segmentStart: number
  private nextGroup = 1
  private durableGroup = 0
  /** Runs of groups that failed; neighbours are one entry, so the list stays short. */
  private readonly failures: Array<{ readonly first: number; last: number; failure: StorageFailure }> = []
  private closed = false

  constructor(folder: string, table: string, tableId: string, firstSegment: number, firstSequence: number) {
    this.folder = folder
    this.table = table
    this.firstSegment = firstSegment
    this.nextSequence = firstSequence
    this.segmentStart = firstSequence
    this.segment = this.newSegment(firstSegment)
    this.writer = new SegmentWriter<TableLogHeader>({
      disk: nodeDisk,
      folder,
      first: firstSegment,
      // A torn end of the last one that was found is cut off before this log takes its first record.
      before: undefined,
      sync: true,
      header: () => ({ version: 1, table, tableId }),
      begun: (file) => this.writing!.files.push({ file, bytes: 0 })
    })
    this.groups = new GroupCommit<Group>(
      (group) => this.write(group),
      (settled, failed) => this.settle(settled, failed)
    )
  }

  private newSegment(number: number): Segment {
    const segment: Segment = { number, formats: new Set(), files: [] }
    this.segments.set(number, segment)
    return segment
  }

  /** The number of the group that the next append joins. */
  get openGroup(): number {
    return this.open === undefined ? this.nextGroup : this.open.number
  }

  /** The sequence number of the last append, durable or not. */
  get lastSequence(): number {
    return this.nextSequence - 1
  }

  /** Up to which group everything is settled, on disk or failed. */
  get settledGroup(): number {
    return (this.groups.oldest?.number ?? this.nextGroup) - 1
  }

  /** Sets the next sequence number, before the first append. */
  startAt(sequence: number): void {
    this.nextSequence = sequence
    this.segmentStart = sequence
  }

  /** The number of the segment that the next append goes to. */
  get openSegment(): number {
    return this.segment.number
  }

  /** Appends the records of one message and answers the number of their group. Copies the bytes. */
  append(writer: LogWriter, records: ReadonlyArray<Uint8Array>): number {
    const group = this.open ?? this.openNext()
    if (!group.segment.formats.has(writer.id)) {
      group.segment.formats.add(writer.id)
      writeFormat(group.frames, writer.id, writer.format)
    }
    writeRecords(group.frames, writer.id, this.nextSequence++, records)
    return group.number
  }

  private openNext(): Group {
    const frames = this.spare.pop() ?? new FrameBuffer()
    const group: Group = { number: this.nextGroup++, segment: this.segment, frames, callbacks: [] }
    this.open = group
    this.groups.join(group)
    return group
  }

  /** Calls back once the group is on disk or has failed; at once when that is known already. */
  onDurable(group: number, callback: DurableCallback): void {
    const failed = this.failures.find((range) => range.first <= group && group <= range.last)
    if (failed !== undefined) return callback(failed.failure)
    if (group <= this.durableGroup) return callback(undefined)
    const found = this.groups.find((candidate) => candidate.number === group)
    if (found !== undefined) found.callbacks.push(callback)
    else callback(closedFailure(this.table))
  }

  /** Sends what comes next to a new segment. Answers the number of the one that ends here, and its first sequence number. */
  rotate(): { readonly segment: number; readonly firstSequence: number } {
    const { number: segment } = this.segment
    const firstSequence = this.segmentStart
    this.open = undefined
    this.segment = this.newSegment(segment + 1)
    this.segmentStart = this.nextSequence
    return { segment, firstSequence }
  }

  private async write(group: Group): Promise<void> {
    if (this.open === group) this.open = undefined
    if (this.closed) throw closedFailure(this.table)
    const { segment } = group
    if (this.writing !== segment) {
      await this.writer.end()
      this.writing = segment
    }
    const { end, file } = await this.writer.write(group.frames)
    segment.files[segment.files.length - 1] = { file, bytes: end }
  }

  private settle(groups: ReadonlyArray<Group>, failed: { readonly error: unknown } | undefined): void {
    const first = groups[0]!.number
    const last = groups[groups.length - 1]!.number
    const failure = failed === undefined ? undefined : this.failureOf(failed.error)
    if (failure === undefined) this.durableGroup = last
    else {
      this.open = undefined
      this.noteFailure(first, last, failure)
      // The next group begins a file that has no formats yet.
      for (const group of groups) group.segment.formats.clear()
      this.segment.formats.clear()
      this.onGroupsFailed(first)
    }
    for (const group of groups) {
      for (const callback of group.callbacks) callback(failure)
      if (this.spare.length >= 3) continue
      group.frames.clear(keptBytes)
      this.spare.push(group.frames)
    }
  }

  private failureOf(error: unknown): StorageFailure {
    return error instanceof DeletedSegment
      ? deletedFailure(error.path, this.table)
      : storageFailure(error, "writing the log", this.folder)
  }

  private noteFailure(first: number, last: number, failure: StorageFailure): void {
    const latest = this.failures[this.failures.length - 1]
    if (latest !== undefined && latest.last === first - 1) {
      latest.last = last
      latest.failure = failure
    } else {
      this.failures.push({ first, last, failure })
    }
  }

  /** Deletes a segment whose records are committed to the table. */
  async removeSegment(number: number): Promise<void> {
    for (const { file } of this.filesOf(number)) await nodeDisk.remove(segmentPath(this.folder, file))
    this.segments.delete(number)
  }

  /** Reads the durable records of a segment back. */
  async readBack(number: number): Promise<ReadonlyArray<RecordsFrame>> {
    const frames: Array<RecordsFrame> = []
    for (const file of this.filesOf(number)) frames.push(...(await readFrames(this.folder, file)))
    return frames
  }

  /** The files of a segment; one that was found at the start is one file. */
  private filesOf(number: number): ReadonlyArray<FileEnd> {
    if (number < this.firstSegment) return [{ file: number, bytes: Infinity }]
    return this.segments.get(number)?.files ?? []
  }

  /** Waits for the groups under way, then closes the files. Later appends fail. */
  async close(): Promise<void> {
    await this.groups.settled()
    this.closed = true
    await this.writer.end()
  }
}

const deletedFailure = (path: string, table: string): StorageFailure =>
  new StorageFailure({
    reason: "CorruptLog",
    message:
      `The log file ${path} of ${table} was deleted while the server ran. ` +
      `Records of the last second may be lost with it. Restart the server on a data folder that stays.`
  })

const closedFailure = (table: string): StorageFailure =>
  new StorageFailure({ reason: "Closed", message: `The storage of ${table} is closed.` })

/** Starts a log in its folder, behind the segments and sequence numbers already used. */
export const openWal = async (
  folder: string,
  table: string,
  tableId: string,
  firstSegment: number,
  firstSequence: number
): Promise<Wal> => {
  const above = Path.dirname(folder)
  await makeFolder(above)
  await makeFoldersIn(above, [Path.basename(folder)])
  return new Wal(folder, table, tableId, firstSegment, firstSequence)
}
