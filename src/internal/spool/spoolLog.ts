/**
 * The log of a spool: entries are on disk before their calls complete, and stay until they are
 * acknowledged.
 *
 *   offer --> open group --> written and synced --> reader --> sent --> acknowledge
 *                                |   one group at a time                    |
 *                                |                                          +--> files deleted
 *                                +-- failed: cut off with all groups behind it,
 *                                    their offsets are given out again
 *
 * Nothing is stored per record: a group holds its bytes, its callbacks and its first offset.
 */
import { GroupCommit } from "../log/groupCommit.ts"
import type { FolderLock } from "../log/folderLock.ts"
import type { LogDisk } from "../log/logDisk.ts"
import { segmentPath } from "../log/segmentFiles.ts"
import { SegmentWriter } from "../log/segmentWriter.ts"
import type { AcknowledgedFile } from "./acknowledgedFile.ts"
import { ENTRY_OVERHEAD, EntryBuffer, MAX_POSITION_BYTES, type Position } from "./entries.ts"
import type { SpoolHeader, SpoolIdentity } from "./identity.ts"
import { SpoolFailure, spoolFailure } from "./spoolFailure.ts"
import { type RecentGroup, SpoolReader } from "./spoolReader.ts"
import type { SpoolContent, SpoolFile } from "./spoolScan.ts"

/** The spool has no room for the call right now. */
export const Full = -1

/** Bytes of memory of a group. */
const GROUP_BYTES = 4 * 1024 * 1024
/**
 * Bytes of an open group above which callers wait, so that memory is bounded when the disk is
 * slower than they are. Only a single larger entry exceeds it. The rest of the memory is for a
 * position.
 */
const MOST_GROUP_BYTES = GROUP_BYTES - 2 * MAX_POSITION_BYTES
/**
 * Bytes after which a file is complete. A spool with a small byte limit has at least this many
 * files.
 */
const FILE_BYTES = 32 * 1024 * 1024
const LEAST_FILES = 8
/** After this many milliseconds without a check, the lock is checked before a group completes. */
const LOCK_TRUST = 10_000

/** Entries that go to disk together. */
export class SpoolGroup {
  readonly first: number
  readonly entries: EntryBuffer
  /** Undefined until the group is on disk or has failed. */
  outcome: "persisted" | SpoolFailure | undefined
  position: Position | undefined
  private callbacks: Array<(outcome: "persisted" | SpoolFailure) => void> | undefined

  constructor(first: number, entries: EntryBuffer) {
    this.first = first
    this.entries = entries
  }

  /** Calls back once the group is on disk or has failed; immediately if it already is or has. */
  onSettled(callback: (outcome: "persisted" | SpoolFailure) => void): void {
    if (this.outcome !== undefined) callback(this.outcome)
    else if (this.callbacks === undefined) this.callbacks = [callback]
    else this.callbacks.push(callback)
  }

  /** Sets the outcome, and returns the callbacks to call. */
  settle(
    outcome: "persisted" | SpoolFailure
  ): ReadonlyArray<(outcome: "persisted" | SpoolFailure) => void> {
    const { callbacks = [] } = this
    this.outcome = outcome
    this.callbacks = undefined
    return callbacks
  }
}

/** How a spool is opened. */
export interface SpoolOptions {
  readonly folder: string
  readonly identity: SpoolIdentity
  /** Bytes on disk above which callers wait. */
  readonly maxBytes: number
  /** Whether a group counts as persisted once it is synced, or once it is written. */
  readonly sync: "group" | "os"
  readonly disk: LogDisk
  /**
   * Milliseconds of a monotonic clock and of the wall clock. Either may stand still while the
   * machine sleeps.
   */
  readonly now: () => { readonly monotonic: number; readonly wall: number }
  /** Runs a task in the next turn of the event loop; `setImmediate` by default. */
  readonly soon?: ((run: () => void) => void) | undefined
}

/** The log of an open spool. Made by `openSpool`. */
export class SpoolLog {
  /** The next offset to be given out. */
  nextOffset: number
  /** Offsets below this one are persisted. */
  persistedNext: number
  /** Everything up to this offset is acknowledged. */
  acknowledged: number
  /** Why the spool takes nothing more. */
  failure: SpoolFailure | undefined
  /** The latest group that is on disk and still in memory. */
  recent: RecentGroup | undefined
  readonly files: Array<SpoolFile>
  readonly reader: SpoolReader
  /** Called when waiting callers may find room. */
  onRoom: () => void = () => {}
  /** Called when there is more to read. */
  onPersisted: () => void = () => {}
  /** Called once when the spool takes nothing more. */
  onFailed: (failure: Pick<SpoolFailure, "kind" | "message">) => void = () => {}
  /** The persistent stream that the spool belongs to. */
  streamId: string | undefined
  private readonly options: SpoolOptions
  private readonly lock: FolderLock
  private readonly noted: AcknowledgedFile
  private readonly writer: SegmentWriter<SpoolHeader>
  private readonly groups: GroupCommit<SpoolGroup>
  private readonly spare: Array<EntryBuffer> = []
  private recentEntries: EntryBuffer | undefined
  private position: Position | undefined
  private open: SpoolGroup | undefined
  private writing: SpoolGroup | undefined
  private keeping: Promise<void> | undefined
  private closed = false
  private notedOffset: number
  private lockSeen: { readonly monotonic: number; readonly wall: number }

  constructor(
    options: SpoolOptions,
    content: SpoolContent,
    lock: FolderLock,
    noted: AcknowledgedFile
  ) {
    const { disk, folder, sync } = options
    const last = content.files.at(-1)
    this.options = options
    this.lock = lock
    this.lockSeen = options.now()
    this.noted = noted
    this.files = content.files
    this.streamId = content.header?.streamId
    this.position = content.position
    this.acknowledged = content.acknowledged
    this.notedOffset = content.acknowledged
    this.nextOffset = content.next
    this.persistedNext = content.next
    this.reader = new SpoolReader(disk, folder, this, content.acknowledged + 1)
    this.writer = new SegmentWriter<SpoolHeader>({
      disk,
      folder,
      first: (last?.file ?? 0) + 1,
      before: last === undefined ? undefined : { file: last.file, bytes: last.bytes },
      sync: sync === "group",
      header: () => this.header(),
      begun: (file) => this.files.push({ file, first: this.writing!.first, bytes: 0 })
    })
    this.groups = new GroupCommit<SpoolGroup>(
      (group) => this.write(group),
      (groups, failed) => this.settle(groups, failed),
      options.soon
    )
    void lock.lost.then(() => this.fail(this.replaced()))
    this.keep()
  }

  /** The group that is being filled or written, whichever is newer. */
  get latestGroup(): SpoolGroup | undefined {
    return this.open ?? this.writing
  }

  /** The latest persisted position. */
  get lastPosition(): Position | undefined {
    return this.position
  }

  /** Bytes on disk and on their way there. */
  get bytes(): number {
    let bytes = this.open?.entries.size ?? 0
    bytes += this.writing?.entries.size ?? 0
    for (const file of this.files) bytes += file.bytes
    return bytes
  }

  /**
   * Appends records from `source`, including tags and lengths: one record, or a batch. Returns
   * their offset, or `Full`. `force` ignores the bounds. The bytes are copied. `key` is their key,
   * if entries have keys. Do not call it after `failure` is set.
   */
  offer(
    source: Buffer,
    start: number,
    end: number,
    records: number,
    atomic: boolean,
    force: boolean,
    key?: number
  ): number {
    const open = this.open
    if (!force && !this.fits(open, end - start + ENTRY_OVERHEAD)) return Full
    const group = open ?? this.openNext()
    const offset = this.nextOffset++
    if (atomic) group.entries.batch(offset, records, source, start, end, key)
    else group.entries.single(offset, source, start, end, key)
    return offset
  }

  /**
   * Adds the position that belongs to an offset to the open group. Do not call it after `failure`
   * is set.
   */
  notePosition(offset: number, bytes: Uint8Array): void {
    const group = this.open ?? this.openNext()
    group.position = { offset, bytes }
  }

  /**
   * Binds an empty spool to a persistent stream, which has everything up to an offset. The id is in
   * the header of each file, so it is on disk with the first record.
   */
  bind(streamId: string, acknowledged: number): void {
    this.streamId = streamId
    this.acknowledged = this.notedOffset = acknowledged
    this.nextOffset = this.persistedNext = acknowledged + 1
    this.reader.startAt(acknowledged + 1)
  }

  /**
   * Stores that everything up to an offset is acknowledged, and deletes files that hold only such
   * records.
   */
  acknowledge(offset: number): void {
    if (offset <= this.acknowledged || this.closed) return
    this.acknowledged = offset
    this.keep()
    // An empty log has room for a call however large its last file is. That file stays.
    if (this.nextOffset === offset + 1) this.onRoom()
  }

  /**
   * Waits for pending groups and pending stores of acknowledgements, then closes the files and
   * releases the lock.
   */
  async close(): Promise<void> {
    await this.groups.settled()
    this.failure ??= new SpoolFailure("Unavailable", `The spool ${this.options.folder} is closed.`)
    while (this.keeping !== undefined) await this.keeping
    this.closed = true
    await this.reader.close()
    await this.noted.close().catch(() => {})
    await this.writer.end()
    // A lock that cannot be deleted is taken over after this process has ended.
    await this.lock.release().catch(() => {})
  }

  private fits(open: SpoolGroup | undefined, bytes: number): boolean {
    const size = open?.entries.size ?? 0
    if (size > 0 && size + bytes > MOST_GROUP_BYTES) return false
    if (this.bytes + bytes <= this.options.maxBytes) return true
    // When everything is acknowledged, only files that are being deleted are worth waiting for.
    return (
      this.nextOffset === this.acknowledged + 1 &&
      (this.keeping === undefined || !this.isDeletable())
    )
  }

  /** Whether the oldest file is acknowledged completely and a later file exists. */
  private isDeletable(): boolean {
    const { acknowledged, files } = this
    return files.length > 1 && files[1]!.first <= acknowledged + 1
  }

  private openNext(): SpoolGroup {
    const group = new SpoolGroup(this.nextOffset, this.spare.pop() ?? new EntryBuffer())
    this.open = group
    this.groups.join(group)
    return group
  }

  private async write(group: SpoolGroup): Promise<void> {
    if (this.open === group) this.open = undefined
    this.writing = group
    const { entries } = group
    if (group.position !== undefined) entries.position(group.position)
    entries.seal()
    this.onRoom()
    if (this.failure !== undefined) throw this.failure
    const { maxBytes } = this.options
    if (this.writer.size >= Math.min(FILE_BYTES, maxBytes / LEAST_FILES)) await this.writer.end()
    const { end, file, start } = await this.writer.write(entries.frames)
    // Another process may have taken the folder over while this one was suspended. It does not read
    // records written since then.
    if (this.distrustsLock() && !(await this.lock.isHeld())) throw this.replaced()
    this.files[this.files.length - 1]!.bytes = end
    const { bytes, size } = entries.frames
    this.recent = { first: group.first, file, start, bytes, size }
  }

  private settle(
    groups: ReadonlyArray<SpoolGroup>,
    failed: { readonly error: unknown } | undefined
  ): void {
    this.writing = undefined
    const [first] = groups
    let outcome: "persisted" | SpoolFailure = "persisted"
    if (failed === undefined) {
      this.persistedNext = this.open?.first ?? this.nextOffset
      this.position = first!.position ?? this.position
      this.recycle(this.recentEntries)
      this.recentEntries = first!.entries
    } else {
      outcome = spoolFailure(failed.error, "writing a group of records", this.options.folder)
      this.open = undefined
      this.nextOffset = first!.first
      for (const group of groups) this.recycle(group.entries)
      if (outcome.kind === "Locked") this.fail(outcome)
    }
    const told = groups.flatMap((group) => group.settle(outcome))
    if (failed === undefined) this.onPersisted()
    for (const callback of told) callback(outcome)
    this.onRoom()
    this.keep()
  }

  private recycle(entries: EntryBuffer | undefined): void {
    if (entries === undefined || this.spare.length >= 2) return
    entries.clear(GROUP_BYTES)
    this.spare.push(entries)
  }

  private fail(failure: SpoolFailure): void {
    if (this.failure !== undefined) return
    this.failure = failure
    this.onFailed(failure)
    this.onRoom()
  }

  private replaced(): SpoolFailure {
    return new SpoolFailure(
      "Locked",
      `The spool ${this.options.folder} was taken over by another process, or its folder was ` +
        `deleted. ` +
        `Persisted records stay there. Run one process per spool.`
    )
  }

  /** Whether another process may have replaced the lock since the last check. */
  private distrustsLock(): boolean {
    const now = this.options.now()
    const { monotonic, wall } = this.lockSeen
    if (now.monotonic - monotonic < LOCK_TRUST && Math.abs(now.wall - wall) < LOCK_TRUST)
      return false
    this.lockSeen = now
    return true
  }

  private header(): Omit<SpoolHeader, "mark" | "before"> {
    const { descriptor, keyed, recordType, table } = this.options.identity
    const { position, streamId } = this
    return {
      version: keyed === true ? 3 : streamId === undefined ? 1 : 2,
      format: "zerobus-spool",
      table,
      recordType,
      descriptor: descriptor === undefined ? undefined : Buffer.from(descriptor).toString("base64"),
      streamId,
      first: this.writing!.first,
      position:
        position === undefined
          ? undefined
          : { offset: position.offset, bytes: Buffer.from(position.bytes).toString("base64") }
    }
  }

  /**
   * Stores what is acknowledged and deletes files, one task at a time. A failed task is retried
   * with the next acknowledgement.
   */
  private keep(): void {
    if (this.keeping !== undefined) return
    const task = this.nextTask()
    if (task === undefined) return
    this.keeping = task().then(
      () => {
        this.keeping = undefined
        this.keep()
      },
      // A failure costs only space, and sends records again.
      () => {
        this.keeping = undefined
        this.onRoom()
      }
    )
  }

  private nextTask(): (() => Promise<void>) | undefined {
    // The stored offset and the files belong to the process that holds the lock.
    if (this.failure?.kind === "Locked") return undefined
    const { acknowledged, files, noted } = this
    if (this.notedOffset < acknowledged) {
      return async () => {
        await noted.write(acknowledged)
        this.notedOffset = acknowledged
      }
    }
    if (!this.isDeletable()) return undefined
    return async () => {
      await noted.synchronise()
      await this.options.disk.remove(segmentPath(this.options.folder, files[0]!.file))
      files.shift()
      this.onRoom()
    }
  }
}
