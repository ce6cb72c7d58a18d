/**
 * The write-ahead log of one table: records are durable once their group is on disk.
 *
 * Groups form by themselves. While one is being written and synced (off the event loop), everything that arrives collects in
 * the next. The log is a row of segment files; `rotate` starts the next one, `removeSegment` deletes one whose records are in the
 * table. When a write fails, its group and all that wait behind it fail together, the file is cut back to its last good byte, and the
 * log goes on as soon as writing works again.
 */
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { makeFolder, makeFoldersIn, syncFolder } from "../../internal/log/durableFile.ts"
import { FrameBuffer, type LogFormat, readSegment, type RecordsFrame } from "../../internal/log/logFrames.ts"
import { openPlain, readPlain } from "../../internal/log/plainFile.ts"
import { segmentName } from "./logSegments.ts"
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
  readonly mark: Buffer
  readonly formats: Set<number>
  handle: Fs.FileHandle | undefined
  /** Bytes known to be whole; everything behind them is cut off before the next write. */
  size: number
  damaged: boolean
  headerWritten: boolean
}

interface Group {
  readonly number: number
  readonly segment: Segment
  readonly frames: FrameBuffer
  readonly formats: Array<number>
  readonly callbacks: Array<DurableCallback>
  lastSequence: number
}

const keptBytes = 8 * 1024 * 1024

/** The log that takes new records. Made by `openWal`. */
export class Wal {
  readonly folder: string
  /** Called when groups fail, before their callbacks, with the number of the first one: roll back to before it. */
  onGroupsFailed: (firstGroup: number) => void = () => {}
  private readonly table: string
  private readonly tableId: string
  private readonly queue: Array<Group> = []
  private readonly spare: Array<FrameBuffer> = []
  private segment: Segment
  private open: Group | undefined
  private nextSequence: number
  /** The first sequence number of the open segment. */
  private segmentStart: number
  private nextGroup = 1
  private durableGroup = 0
  /** Runs of groups that failed; neighbours are one entry, so the list stays short. */
  private readonly failures: Array<{ readonly first: number; last: number; failure: StorageFailure }> = []
  private running = false
  private scheduled = false
  private closed = false
  private idle: Array<() => void> = []

  constructor(folder: string, table: string, tableId: string, firstSegment: number, firstSequence: number) {
    this.folder = folder
    this.table = table
    this.tableId = tableId
    this.nextSequence = firstSequence
    this.segmentStart = firstSequence
    this.segment = newSegment(firstSegment)
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
    return (this.writing ?? this.queue[0])?.number === undefined
      ? this.nextGroup - 1
      : (this.writing ?? this.queue[0])!.number - 1
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
      group.formats.push(writer.id)
      group.frames.format(writer.id, writer.format)
    }
    group.lastSequence = this.nextSequence
    group.frames.records(writer.id, this.nextSequence++, records)
    return group.number
  }

  private openNext(): Group {
    const frames = this.spare.pop() ?? new FrameBuffer()
    const segment = this.segment
    const group: Group = { number: this.nextGroup++, segment, frames, formats: [], callbacks: [], lastSequence: 0 }
    this.open = group
    this.queue.push(group)
    if (!this.running && !this.scheduled) {
      this.scheduled = true
      // One turn later, so that all messages read from the sockets in this turn share the write.
      setImmediate(() => {
        this.scheduled = false
        void this.run()
      })
    }
    return group
  }

  /** Calls back once the group is on disk or has failed; at once when that is known already. */
  onDurable(group: number, callback: DurableCallback): void {
    const failed = this.failures.find((range) => range.first <= group && group <= range.last)
    if (failed !== undefined) return callback(failed.failure)
    if (group <= this.durableGroup) return callback(undefined)
    const found =
      this.queue.find((candidate) => candidate.number === group) ??
      (this.writing?.number === group ? this.writing : undefined)
    if (found !== undefined) found.callbacks.push(callback)
    else callback(closedFailure(this.table))
  }

  /** Sends what comes next to a new segment. Answers the number of the one that ends here, and its first sequence number. */
  rotate(): { readonly segment: number; readonly firstSequence: number } {
    const { number: segment } = this.segment
    const firstSequence = this.segmentStart
    this.open = undefined
    this.segment = newSegment(segment + 1)
    this.segmentStart = this.nextSequence
    return { segment, firstSequence }
  }

  private writing: Group | undefined

  private async run(): Promise<void> {
    if (this.running) return
    this.running = true
    for (;;) {
      const group = this.queue.shift()
      if (group === undefined) break
      if (this.open === group) this.open = undefined
      this.writing = group
      let failure: StorageFailure | undefined
      try {
        if (this.closed) throw closedFailure(this.table)
        await this.write(group)
      } catch (error) {
        failure = storageFailure(error, "writing the log", this.folder)
      }
      this.writing = undefined
      if (failure === undefined) {
        this.durableGroup = group.number
        this.settle(group, undefined)
      } else {
        const failed = [group, ...this.queue.splice(0)]
        this.open = undefined
        this.noteFailure(group.number, failed[failed.length - 1]!.number, failure)
        for (const each of failed) for (const writer of each.formats) each.segment.formats.delete(writer)
        this.onGroupsFailed(group.number)
        for (const each of failed) this.settle(each, failure)
      }
    }
    this.running = false
    for (const resolve of this.idle.splice(0)) resolve()
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

  private settle(group: Group, failure: StorageFailure | undefined): void {
    for (const callback of group.callbacks) callback(failure)
    if (this.spare.length < 3) {
      group.frames.clear(keptBytes)
      this.spare.push(group.frames)
    }
  }

  private async write(group: Group): Promise<void> {
    const segment = group.segment
    const path = Path.join(this.folder, segmentName(segment.number))
    if (segment.handle === undefined) {
      await this.closeBefore()
      segment.handle = await openPlain(path, "replace")
      this.current = segment
    }
    const handle = segment.handle
    if (segment.damaged) {
      await handle.truncate(segment.size)
      await handle.datasync()
      segment.damaged = false
    }
    segment.damaged = true
    if (!segment.headerWritten) {
      const header = new FrameBuffer(512)
      header.header({ version: 1, table: this.table, tableId: this.tableId, mark: segment.mark.toString("hex") })
      await writeParts(handle, [header.bytes.subarray(0, header.size)], 0)
      // On disk before the first group, so that a group frame behind a damaged header proves the damage.
      await handle.datasync()
      await syncFolder(this.folder)
      segment.size = header.size
      segment.headerWritten = true
    }
    const opening = new FrameBuffer(64)
    opening.group(segment.mark, segment.size)
    const parts = [opening.bytes.subarray(0, opening.size), group.frames.bytes.subarray(0, group.frames.size)]
    await writeParts(handle, parts, segment.size)
    await handle.datasync()
    // An open file takes writes even after somebody deleted it; they would be gone with the process.
    if ((await handle.stat()).nlink === 0) {
      await this.abandon(segment)
      throw deletedFailure(path, this.table)
    }
    segment.size += opening.size + group.frames.size
    segment.damaged = false
  }

  /** Lets go of a deleted file, so that the next group starts the segment anew. */
  private async abandon(segment: Segment): Promise<void> {
    const handle = segment.handle
    segment.handle = undefined
    segment.size = 0
    segment.headerWritten = false
    segment.damaged = false
    segment.formats.clear()
    this.current = undefined
    await handle?.close()
  }

  /** The segment whose file is open. */
  private current: Segment | undefined

  /** Completes the segment before. Its torn end, if any, must be gone for good before a newer segment exists. */
  private async closeBefore(): Promise<void> {
    const before = this.current
    if (before?.handle === undefined) return
    if (before.damaged) {
      await before.handle.truncate(before.size)
      await before.handle.datasync()
    }
    const handle = before.handle
    before.handle = undefined
    this.current = undefined
    await handle.close()
  }

  /** Deletes a segment whose records are committed to the table. */
  async removeSegment(number: number): Promise<void> {
    await Fs.rm(Path.join(this.folder, segmentName(number)), { force: true })
  }

  /** Reads the durable records of a segment back. */
  async readBack(number: number): Promise<ReadonlyArray<RecordsFrame>> {
    try {
      return readSegment(await readPlain(Path.join(this.folder, segmentName(number)))).frames
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return []
      throw error
    }
  }

  /** Waits for the groups under way, then closes the files. Later appends fail. */
  async close(): Promise<void> {
    if (this.running || this.queue.length > 0) await new Promise<void>((resolve) => this.idle.push(resolve))
    this.closed = true
    await this.closeBefore().catch(() => {})
  }
}

const newSegment = (number: number): Segment => ({
  number,
  mark: randomBytes(16),
  formats: new Set(),
  handle: undefined,
  size: 0,
  damaged: false,
  headerWritten: false
})

const deletedFailure = (path: string, table: string): StorageFailure =>
  new StorageFailure({
    reason: "CorruptLog",
    message:
      `The log file ${path} of ${table} was deleted while the server ran. ` +
      `Records of the last second may be lost with it. Restart the server on a data folder that stays.`
  })

const closedFailure = (table: string): StorageFailure =>
  new StorageFailure({ reason: "Closed", message: `The storage of ${table} is closed.` })

const writeParts = async (handle: Fs.FileHandle, parts: ReadonlyArray<Uint8Array>, start: number): Promise<void> => {
  let position = start
  for (const part of parts) {
    for (let done = 0; done < part.length;) {
      const { bytesWritten } = await handle.write(part, done, part.length - done, position)
      done += bytesWritten
      position += bytesWritten
    }
  }
}

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
