/**
 * The write-ahead log of all tables: records are durable once their group is on disk.
 *
 * A group holds records of all tables. While one group is written and synced (outside the event
 * loop), arriving records collect in the next one, so all tables share each sync. When a write
 * fails, its group and all waiting groups fail together. The log continues in a new file as soon as
 * writing works again.
 *
 * A file ends after a time or at a size. It is deleted when no table needs records in it or in an
 * older file any more. A table that cannot be written moves its records out (`ownLog.ts`).
 * `tableLog.ts` is the interface of one table to this log.
 */
import * as Path from "node:path"
import { makeFolder, makeFoldersIn } from "../../internal/log/durableFile.ts"
import { FrameBuffer, type SegmentHeader } from "../../internal/log/frames.ts"
import { GroupCommit } from "../../internal/log/groupCommit.ts"
import { nodeDisk } from "../../internal/log/logDisk.ts"
import { segmentPath } from "../../internal/log/segmentFiles.ts"
import { DeletedSegment, SegmentWriter } from "../../internal/log/segmentWriter.ts"
import { findRows, type FoundTable } from "./foundRows.ts"
import {
  type LogFormat,
  type RecordsFrame,
  type StreamPosition,
  writeRecords
} from "./logFrames.ts"
import { sharedFolder } from "./logFolders.ts"
import { addPlace, type Place, readPlaces } from "./placedRows.ts"
import { type OwnedFormat, writeDropped, writeOwned } from "./sharedFrames.ts"
import { StorageFailure, storageFailure } from "./storageErrors.ts"
import { syncedDisk } from "./syncThread.ts"

/** Called when a group is settled: with undefined when it is durable, or with the failure. */
export type DurableCallback = (failure: StorageFailure | undefined) => void

/** A writer of a table: its id, the table and the record format. */
export interface LogWriter extends OwnedFormat {
  readonly id: number
}

/**
 * Records and their places in the log. They keep the files with those places from being deleted.
 */
export interface PlacedRows {
  readonly places: Array<Place>
}

/**
 * The source of appended records. `groupsFailed` is called when groups fail, before their
 * callbacks, with the number of the first one.
 */
export interface Appender {
  readonly groupsFailed: (firstGroup: number) => void
}

interface Entry {
  readonly rows: PlacedRows
  readonly appender: Appender
  readonly start: number
  end: number
}

interface Group {
  readonly number: number
  readonly epoch: number
  readonly frames: FrameBuffer
  readonly writers: Array<LogWriter>
  readonly entries: Array<Entry>
  readonly callbacks: Array<DurableCallback>
  place: { readonly file: number; readonly start: number } | undefined
}

/** The writers in a file, and the rows that need it. */
interface LogFileUse {
  readonly writers: Map<number, OwnedFormat>
  readonly users: Set<object>
}

const keptBytes = 8 * 1024 * 1024
/** The size and the age (in milliseconds) at which a file ends. */
const fileBytes = 16 * 1024 * 1024
const fileMillis = 5000

/** The log that accepts new records. Created by `openSharedLog`. */
export class SharedLog {
  readonly folder: string
  /** The records found at start-up that no table has taken over yet. */
  readonly found: Map<string, FoundTable>
  private readonly now: () => number
  private readonly files = new Map<number, LogFileUse>()
  private readonly writer: SegmentWriter<SegmentHeader>
  private readonly groups: GroupCommit<Group>
  private readonly synced = syncedDisk()
  private readonly spare: Array<FrameBuffer> = []
  /** Groups of one epoch go into one file, or into several after a failed write. */
  private epoch = 0
  private epochBytes = 0
  private epochSince = -Infinity
  /** Writers whose format is already in the current file. */
  private readonly formats = new Set<number>()
  private writing: { readonly epoch: number; readonly file: number } | undefined
  private open: Group | undefined
  private nextGroup = 1
  private nextWriter = 1
  private durableGroup = 0
  /** Ranges of failed groups. Adjacent ranges are merged, so the list stays short. */
  private readonly failures: Array<{
    readonly first: number
    last: number
    failure: StorageFailure
  }> = []
  /** Whether the folder exists; it is created with the first record. */
  private hasFolder = false
  private closed = false
  private abandoned = false

  constructor(
    folder: string,
    found: Map<string, FoundTable>,
    files: ReadonlyMap<number, Map<number, OwnedFormat>>,
    now: () => number
  ) {
    this.folder = folder
    this.found = found
    this.now = now
    for (const [file, writers] of files) this.files.set(file, { writers, users: new Set() })
    for (const { parts } of found.values()) for (const part of parts) this.use(part, part.places)
    this.writer = new SegmentWriter({
      disk: this.synced.disk,
      folder,
      first: Math.max(0, ...files.keys()) + 1,
      // A torn end of the last file is truncated before this log accepts its first record.
      before: undefined,
      sync: true,
      header: () => ({ version: 2 }),
      begun: (file) => {
        const before = this.writing
        this.files.set(file, { writers: new Map(), users: new Set() })
        this.writing = { epoch: before?.epoch ?? this.epoch, file }
        // A group failed in the previous file. If deleting it fails now, it is tried again later.
        if (before !== undefined) void this.removeUnused().catch(() => {})
      }
    })
    this.groups = new GroupCommit<Group>(
      (group) => this.write(group),
      (settled, failed) => this.settle(settled, failed)
    )
  }

  /** The number of the group that the next append joins. */
  get openGroup(): number {
    return this.open === undefined ? this.nextGroup : this.open.number
  }

  /** The last group up to which all groups are settled: on disk, or failed. */
  get settledGroup(): number {
    return (this.groups.oldest?.number ?? this.nextGroup) - 1
  }

  /** A new writer. */
  writerOf(owned: OwnedFormat): LogWriter {
    return { ...owned, id: this.nextWriter++ }
  }

  /** Appends the records of one message and returns the number of their group. Copies the bytes. */
  append(
    appender: Appender,
    rows: PlacedRows,
    writer: LogWriter,
    sequence: number,
    records: ReadonlyArray<Uint8Array>,
    position?: StreamPosition
  ): number {
    const group = this.open ?? this.openNext()
    const { entries, frames } = group
    const start = frames.size
    if (!this.formats.has(writer.id)) {
      this.formats.add(writer.id)
      group.writers.push(writer)
      writeOwned(frames, writer.id, writer)
    }
    writeRecords(frames, writer.id, sequence, records, position)
    this.epochBytes += frames.size - start
    const last = entries[entries.length - 1]
    if (last?.rows === rows) last.end = frames.size
    else entries.push({ rows, appender, start, end: frames.size })
    return group.number
  }

  private openNext(): Group {
    const frames = this.spare.pop() ?? new FrameBuffer()
    if (this.epochBytes >= fileBytes || this.now() - this.epochSince >= fileMillis) this.endEpoch()
    const { epoch } = this
    const group: Group = {
      number: this.nextGroup++,
      epoch,
      frames,
      writers: [],
      entries: [],
      callbacks: [],
      place: undefined
    }
    this.open = group
    this.groups.join(group)
    return group
  }

  /** Makes the next group begin a new file. */
  private endEpoch(): void {
    this.epoch++
    this.epochBytes = 0
    this.epochSince = this.now()
    this.formats.clear()
  }

  /** Makes the next append begin a new group. */
  endGroup(): void {
    this.open = undefined
  }

  /** Calls back once the group is on disk or has failed; immediately if it already is or has. */
  onDurable(group: number, callback: DurableCallback): void {
    const failed = this.failures.find((range) => range.first <= group && group <= range.last)
    if (failed !== undefined) return callback(failed.failure)
    if (group <= this.durableGroup) return callback(undefined)
    const found = this.groups.find((candidate) => candidate.number === group)
    if (found !== undefined) found.callbacks.push(callback)
    else callback(closedFailure)
  }

  private async write(group: Group): Promise<void> {
    if (this.open === group) this.open = undefined
    if (this.closed) throw closedFailure
    if (this.writing?.epoch !== group.epoch) {
      const hasEnded = this.writing !== undefined
      await this.writer.end()
      this.writing = { epoch: group.epoch, file: -1 }
      // A failed deletion must not prevent the group from being written.
      if (hasEnded) await this.removeUnused().catch(() => {})
    }
    if (!this.hasFolder) await this.makeFolder()
    const { file, start } = await this.writer.write(group.frames)
    group.place = { file, start }
  }

  private async makeFolder(): Promise<void> {
    const above = Path.dirname(this.folder)
    await makeFolder(above)
    await makeFoldersIn(above, [Path.basename(this.folder)])
    this.hasFolder = true
  }

  private settle(
    groups: ReadonlyArray<Group>,
    failed: { readonly error: unknown } | undefined
  ): void {
    const first = groups[0]!.number
    const last = groups[groups.length - 1]!.number
    const failure = failed === undefined ? undefined : this.failureOf(failed.error)
    if (failure === undefined) {
      this.durableGroup = last
      for (const group of groups) this.place(group)
    } else {
      this.open = undefined
      this.noteFailure(first, last, failure)
      // The next group begins a new file, which has no formats yet.
      this.formats.clear()
      const appenders = new Set(
        groups.flatMap(({ entries }) => entries.map(({ appender }) => appender))
      )
      for (const appender of appenders) appender.groupsFailed(first)
    }
    for (const group of groups) {
      for (const callback of group.callbacks) callback(failure)
      if (this.spare.length >= 3) continue
      group.frames.clear(keptBytes)
      this.spare.push(group.frames)
    }
  }

  /** Records the places of a durable group's records. */
  private place({ entries, place, writers }: Group): void {
    const { file, start } = place!
    const use = this.files.get(file)!
    for (const { id, ...owned } of writers) use.writers.set(id, owned)
    for (const { end, rows, start: from } of entries) {
      addPlace(rows.places, file, start + from, start + end)
      use.users.add(rows)
    }
  }

  private failureOf(error: unknown): StorageFailure {
    return error instanceof DeletedSegment
      ? deletedFailure(error.path)
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

  /** Reads the durable records of rows back. With `all`, rejects when some cannot be read. */
  readBack({ places }: PlacedRows, all = false): Promise<ReadonlyArray<RecordsFrame>> {
    const formatOf = (file: number, writer: number): LogFormat | undefined =>
      this.files.get(file)?.writers.get(writer)?.format
    return readPlaces(this.folder, places, formatOf, all)
  }

  /** Keeps the files with these places for these rows. */
  use(rows: object, places: ReadonlyArray<Place>): void {
    for (const { file } of places) this.files.get(file)?.users.add(rows)
  }

  /** Releases the files that these rows needed. */
  async release(rows: object, places: ReadonlyArray<Place>): Promise<void> {
    for (const { file } of places) this.files.get(file)?.users.delete(rows)
    await this.removeUnused()
  }

  /**
   * Deletes unneeded files, oldest first, and stops at the first one that is needed. The current
   * file is deleted only when no group is pending. The order matters: each file states where the
   * previous one ends. Without the next file, the remains of a failed write at the end of a file
   * would count as records.
   */
  async removeUnused(): Promise<void> {
    for (const [file, { users }] of this.files) {
      if (users.size > 0 || this.abandoned) return
      if (this.writing?.file === file) {
        if (this.groups.oldest !== undefined) return
        this.writing = undefined
        this.endEpoch()
        await this.writer.end()
      }
      await nodeDisk.remove(segmentPath(this.folder, file))
      this.files.delete(file)
    }
  }

  /** Writes a notice that the records of a table up to a sequence number are not needed. */
  async disown(tableId: string, upTo: number): Promise<void> {
    // Without files, the log has no records of the table.
    if (this.files.size === 0 && this.groups.oldest === undefined) return
    const group = this.open ?? this.openNext()
    writeDropped(group.frames, tableId, upTo)
    const failure = await new Promise<StorageFailure | undefined>((resolve) =>
      this.onDurable(group.number, resolve)
    )
    if (failure !== undefined) throw failure
  }

  /** Stops writing and deleting, because another process owns the folder. */
  abandon(): void {
    this.closed = true
    this.abandoned = true
  }

  /**
   * Waits for the pending groups, closes the files, and deletes those that are not needed. Later
   * appends fail.
   */
  async close(): Promise<void> {
    await this.groups.settled()
    this.closed = true
    this.writing = undefined
    await this.writer.end()
    await this.removeUnused()
    await this.synced.close()
  }
}

const deletedFailure = (path: string): StorageFailure =>
  new StorageFailure({
    reason: "CorruptLog",
    message:
      `The log file ${path} was deleted while the server ran. ` +
      `Records of the last seconds may be lost with it. Restart the server on a data folder ` +
      `that nothing else deletes.`
  })

const closedFailure = new StorageFailure({ reason: "Closed", message: "The storage is closed." })

/** Opens the shared log of a data folder, with the records it holds. */
export const openSharedLog = async (dataFolder: string, now: () => number): Promise<SharedLog> => {
  const folder = sharedFolder(dataFolder)
  const { files, tables } = await findRows(folder, true)
  return new SharedLog(folder, tables, files, now)
}
