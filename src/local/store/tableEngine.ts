/**
 * One table at work: decodes and checks records, logs them, and moves them to the table batch by batch.
 *
 *   append -> decode --> leaves (the open batch) -- seal --> batches, each with its chunks and its log segment
 *               |           |
 *               |           +--> wal.append -- group on disk --> onDurable --> acknowledgement
 *               |                    |          (with ackAfterCommit only once the batch is committed)
 *               |                    +-- group failed --> cutBack: its rows leave the open batch and the sealed ones
 *               +-- RecordRejected: the leaves are rolled back to where the call began
 *
 *   batches -- flushAll, one at a time --> settled (its groups are on disk) --> flusher: data file and commit
 *                                            --> written, onDurable, onRoom
 *   written -- a later look --> in place: segment removed
 *                           --> undone by another writer: decoded again --> flusher
 *   recover: segments found at start-up --> found in the table, or decoded again --> flusher --> written
 *
 * A batch is the content of the column buffers between two seals and owns one log segment. Batches are flushed in order, one
 * at a time; one whose flush failed is decoded again from its segment, so nothing depends on what a failed flush left behind. Groups
 * whose log write failed are cut out of their batch: they were never acknowledged and do not reach the table.
 */
import type { TableDefinition } from "../../internal/columns/columnType.ts"
import type { CommitFinder, CommitPlace } from "../delta/commitPlace.ts"
import type { LogFormat } from "../log/logFrames.ts"
import { isLatest, type SeenVersion, tableChanged } from "../delta/deltaLog.ts"
import { TableRefused } from "../delta/writability.ts"
import type { FoundSegment } from "../log/logSegments.ts"
import { type RecordRejected, StorageFailure, storageFailure } from "../log/storageErrors.ts"
import type { DurableCallback, Wal } from "../log/wal.ts"
import { rollBackChunks } from "../parquet/columnBuffer.ts"
import type { DecodedRows } from "../records/recordDecoder.ts"
import type { EngineLimits } from "./engineLimits.ts"
import type { Flusher, FlushOutcome, TableLook } from "./flushTable.ts"
import { type Batch, EngineWriter } from "./openBatch.ts"
import { framesIn, recoverSegments } from "./recovery.ts"
import { decodeAgain, followed, formOf, type TableForm } from "./tableForm.ts"
import { type SegmentRows, WrittenSegments } from "./writtenSegments.ts"

/** The log group of records that a refused table did not take; it never becomes durable. */
const REFUSED_GROUP = -1

/** For records that came before a refusal was taken back: their stream opens anew. */
const refusedBefore = new StorageFailure({
  reason: "TableRefused",
  message: "The table was refused when the records came. Send them again."
})

/** The working side of a table. */
export class TableEngine {
  readonly tableId: string
  readonly folder: string
  readonly appId: string
  /** Why the last flush failed, or the warning it gave; undefined when it went well. */
  lastProblem: string | undefined
  size: FlushOutcome
  private readonly wal: Wal
  private readonly flusher: Flusher
  private readonly limits: EngineLimits
  private readonly now: () => number
  private form: TableForm
  private readonly batches: Array<Batch> = []
  private readonly written: WrittenSegments
  private flushing: Promise<void> | undefined
  private readonly ackAfterCommit: boolean
  private committedGroup = 0
  private commitCallbacks: Array<{ readonly group: number; readonly callback: DurableCallback }> = []
  private readonly roomCallbacks: Array<() => void> = []
  private nextWriter = 1
  private stopped: StorageFailure | undefined
  /** Why the table cannot be written; undefined while it can. A later look or flush may take it back. */
  refusal: StorageFailure | undefined
  /** The version up to which other writers' changes were examined. */
  private seen: SeenVersion | undefined

  constructor(options: {
    readonly definition: TableDefinition
    readonly tableId: string
    /** The schema of the definition, as `schemaKey` gives it. */
    readonly schema: string
    readonly folder: string
    readonly appId: string
    readonly wal: Wal
    readonly flusher: Flusher
    readonly limits: EngineLimits
    readonly now: () => number
    readonly size: FlushOutcome
    /** Whether records count as durable only once they are in the table. */
    readonly ackAfterCommit: boolean
  }) {
    this.tableId = options.tableId
    this.folder = options.folder
    this.appId = options.appId
    this.wal = options.wal
    this.flusher = options.flusher
    this.limits = options.limits
    this.now = options.now
    this.size = options.size
    this.seen = options.size.seen
    this.ackAfterCommit = options.ackAfterCommit
    this.form = formOf(options.definition, options.schema)
    this.written = new WrittenSegments(this.folder, this.wal, this.now, this.limits.lookAfterMillis)
    this.wal.onGroupsFailed = (group) => this.cutBack(group)
  }

  /** The columns of the table as of the last look at it. */
  get definition(): TableDefinition {
    return this.form.definition
  }

  /** A new writer for records of this format. */
  openWriter(format: LogFormat): EngineWriter {
    return new EngineWriter({ id: this.nextWriter++, format }, this.form.open)
  }

  /**
   * Decodes all records or none, logs them, and answers the number of their log group. A refused table
   * takes nothing: `onDurable` of the answer calls back with the refusal.
   */
  append(writer: EngineWriter, records: ReadonlyArray<Uint8Array>): number | RecordRejected {
    if (this.refusal !== undefined) return REFUSED_GROUP
    const ticket = this.form.open.append(writer, records, this.wal)
    if (this.form.open.rows >= this.limits.maxBatchRows || this.form.open.bytes >= this.limits.maxBatchBytes)
      this.seal()
    return ticket
  }

  /** Calls back when the group is durable (with `ackAfterCommit`: committed) or has failed. */
  onDurable(group: number, callback: DurableCallback): void {
    if (this.stopped !== undefined) return callback(this.stopped)
    if (group === REFUSED_GROUP) return callback(this.refusal ?? refusedBefore)
    if (!this.ackAfterCommit) return this.wal.onDurable(group, callback)
    this.wal.onDurable(group, (failure) => {
      if (failure !== undefined || group <= this.committedGroup) callback(failure)
      else if (this.refusal?.reason === "TableRefused") callback(this.refusal)
      else this.commitCallbacks.push({ group, callback })
    })
  }

  private tellCommitted(): void {
    const { committedGroup, stopped } = this
    const told = this.commitCallbacks.filter((each) => stopped !== undefined || each.group <= committedGroup)
    this.commitCallbacks = this.commitCallbacks.filter((each) => stopped === undefined && each.group > committedGroup)
    for (const each of told) each.callback(each.group <= committedGroup ? undefined : stopped)
  }

  /**
   * Whether more rows wait for their flush than the limits allow. A refused table takes nothing, so its
   * streams are read on and get to know it.
   */
  get pressure(): boolean {
    if (this.refusal !== undefined) return false
    let rows = this.form.open.rows
    let bytes = 0
    for (const batch of this.batches) {
      rows += batch.rows
      bytes += batch.bytes
    }
    return rows > this.limits.maxPendingRows || bytes > this.limits.maxPendingBytes
  }

  /** Calls back once `pressure` is false. */
  onRoom(callback: () => void): void {
    if (this.pressure && this.stopped === undefined) this.roomCallbacks.push(callback)
    else callback()
  }

  private tellRoom(): void {
    if (this.roomCallbacks.length === 0 || (this.pressure && this.stopped === undefined)) return
    for (const callback of this.roomCallbacks.splice(0)) callback()
  }

  /** Undoes everything from a failed group on, in the open buffers and in sealed batches. */
  private cutBack(firstGroup: number): void {
    for (const batch of this.batches) {
      const found = batch.marks.find((each) => each.group >= firstGroup)
      if (found === undefined) continue
      if (batch.chunks !== undefined) rollBackChunks(batch.chunks, found.mark)
      batch.rows = found.mark.rows
      batch.lastSequence = found.lastSequence
      batch.marks = []
    }
    this.form.open.cutBack(firstGroup)
  }

  /** Ends the open batch, if it has rows, and starts its flush. */
  seal(): void {
    this.sealBatch()
    const blocked = this.refusal !== undefined && this.refusal.reason !== "TableRefused"
    if ((this.batches.length > 0 || this.written.due.length > 0 || blocked) && this.flushing === undefined) {
      // A failure stays in the queue and is tried again with the next seal; `flush` reports it.
      void this.flushAll().catch(() => {})
    }
  }

  private sealBatch(): void {
    if (this.form.open.rows === 0) return
    const lastSequence = this.wal.lastSequence
    const { firstSequence, segment } = this.wal.rotate()
    this.batches.push({ segment, firstSequence, lastSequence, ...this.form.open.seal() })
  }

  /**
   * Looks at what other writers did to the table: takes over new columns, and refuses the table or takes
   * the refusal back. Costs two calls of the file system while nobody else wrote.
   */
  async look(): Promise<void> {
    if (this.refusal === undefined && this.seen !== undefined && (await isLatest(this.folder, this.seen))) return
    try {
      await this.followTable()
    } catch (error) {
      const failure = storageFailure(error, "reading the table", this.folder)
      throw failure.reason === "TableRefused" ? this.refuse(failure) : failure
    }
    if (this.refusal !== undefined) throw this.refusal
  }

  private async followTable(): Promise<void> {
    this.follow(await this.flusher.look(this.folder, this.definition.name))
    if (this.refusal?.reason !== "TableRefused") return
    this.lastProblem = undefined
    this.refusal = undefined
  }

  /**
   * While the last flush failed, the table takes no records: what was acknowledged waits in the log, and clients get to
   * know it. Everybody who waits for a refused table is told as well; rows that a full disk holds up go in when there is room.
   */
  private refuse(error: unknown): StorageFailure {
    const failure = storageFailure(error, "writing the table", this.folder)
    if (this.stopped !== undefined) return failure
    this.refusal = failure
    this.lastProblem = failure.message
    if (failure.reason === "TableRefused") {
      this.seen = undefined
      for (const { callback } of this.commitCallbacks.splice(0)) callback(failure)
    }
    this.tellRoom()
    return failure
  }

  /** Takes over what a look found. Rows that are not committed yet are decoded again for new columns. */
  private follow({ metadata, protocol, seen, ...size }: TableLook): void {
    const form = followed(this.form, this.tableId, { metadata, protocol })
    this.size = { ...size, committed: false }
    this.seen = seen
    if (form === this.form) return
    this.sealBatch()
    for (const batch of this.batches) batch.chunks = undefined
    this.form = form
  }

  /** Seals, and resolves once everything appended before is committed to the table. Rejects with `StorageFailure`. */
  async flush(): Promise<void> {
    if (this.stopped !== undefined) throw this.stopped
    this.seal()
    const last = this.batches[this.batches.length - 1]
    await this.flushing
    while (last !== undefined && this.batches.includes(last)) {
      if (this.stopped !== undefined) throw this.stopped
      await (this.flushing ?? this.flushAll())
    }
  }

  /** Flushes the batches that wait now. The next round takes those that are sealed meanwhile, so that each round ends. */
  private flushAll(): Promise<void> {
    const work = async (): Promise<void> => {
      try {
        // Looking costs less than decoding a batch again for a table that is still refused.
        if (this.refusal?.reason === "TableRefused") await this.followTable()
        await this.written.look((rows) => this.commitAgain(rows))
        for (const batch of this.batches.slice()) {
          await this.settled(batch.lastGroup)
          if (this.stopped !== undefined) return
          await this.flushBatch(batch)
          this.batches.shift()
          this.lastProblem = this.size.warning
          this.refusal = undefined
          this.committedGroup = batch.lastGroup
          this.tellCommitted()
          this.tellRoom()
        }
        this.refusal = undefined
      } catch (error) {
        const failure = this.refuse(error)
        this.lastProblem = failure.message
        throw failure
      } finally {
        this.flushing = undefined
      }
      if (this.batches.length > 0) void this.flushAll().catch(() => {})
    }
    return (this.flushing = work())
  }

  /** Resolves when a group is on disk or has failed; failed groups have been cut out of their batch by then. */
  private settled(group: number): Promise<void> {
    return new Promise((resolve) => this.wal.onDurable(group, () => resolve()))
  }

  private async flushBatch(batch: Batch): Promise<void> {
    const { firstSequence, segment } = batch
    if (batch.rows === 0) return this.wal.removeSegment(segment)
    // Chunks are dropped when the form changes, so those that are there fit the form of this moment.
    const { form } = this
    const { chunks, lastSequence, rows } =
      batch.chunks === undefined ? await this.fromLog(batch, form) : { ...batch, chunks: batch.chunks }
    batch.chunks = undefined
    if (rows === 0) return this.wal.removeSegment(segment)
    const decoded = { chunks, rows, lastSequence }
    if (!(await this.commitRows(form, decoded, firstSequence, false))) return this.flushBatch(batch)
    await this.written.keep([{ segment, rows: batch.rows, firstSequence, lastSequence, place: this.size.place }])
  }

  /** Commits the rows of a segment that another writer has undone, as far as they are not in the table. */
  private async commitAgain(rows: SegmentRows): Promise<CommitPlace | undefined> {
    const { form } = this
    const decoded = await this.fromLog(rows, form)
    return (await this.commitRows(form, decoded, rows.firstSequence, true)) ? this.size.place : this.commitAgain(rows)
  }

  /** Commits rows; false when the table's columns changed, so that they have to be decoded again. */
  private async commitRows(
    { definition, schema }: TableForm,
    decoded: DecodedRows,
    firstSequence: number,
    again: boolean
  ): Promise<boolean> {
    try {
      this.size = await this.flusher.flush({
        name: definition.name,
        folder: this.folder,
        tableId: this.tableId,
        schema,
        appId: this.appId,
        columns: definition.columns,
        partitionColumns: definition.partitionColumns ?? [],
        rows: decoded.rows,
        chunks: decoded.chunks,
        firstSequence,
        lastSequence: decoded.lastSequence,
        again,
        unconfirmed: this.written.paths,
        now: this.now(),
        compactFiles: this.limits.compactFiles
      })
      this.seen = this.size.seen
      return true
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== tableChanged) throw error
      this.follow(await this.flusher.look(this.folder, this.definition.name))
      return false
    }
  }

  /**
   * Decodes rows of a segment again: other entries of it may be in commits of their own. It holds at least the
   * rows, or acknowledged records are gone.
   */
  private async fromLog(
    { firstSequence, lastSequence, rows, segment }: SegmentRows,
    form: TableForm
  ): Promise<DecodedRows> {
    const frames = await this.wal.readBack(segment)
    const decoded = decodeAgain(form, framesIn(frames, { firstSequence, lastSequence }))
    if (decoded.rows >= rows) return decoded
    throw new StorageFailure({
      reason: "CorruptLog",
      message:
        `The log in ${this.wal.folder} lost ${rows - decoded.rows} acknowledged records of ${this.definition.name} ` +
        `before they reached the table: a file was deleted or damaged while the server ran. Restore it from a backup.`
    })
  }

  /** Commits the records of segments found at start-up that `find` does not find in the table. */
  recover(segments: AsyncIterable<FoundSegment>, committed: number, find: CommitFinder): Promise<void> {
    const { form } = this
    return recoverSegments(segments, {
      appId: this.appId,
      committed,
      find,
      decode: (frames) => decodeAgain(form, frames),
      commit: async ({ firstSequence }, decoded, again) => {
        if (await this.commitRows(form, decoded, firstSequence, again)) return this.size.place
        // The table is refused now, and recovered with the next look.
        throw new TableRefused(this.definition.name, "another writer changes its columns right now")
      },
      keep: (rows) => this.written.keep(rows),
      remove: (segment) => this.wal.removeSegment(segment)
    })
  }

  /** Stops taking records: what follows fails with the given failure. */
  async stop(failure: StorageFailure): Promise<void> {
    this.stopped = failure
    await this.wal.close()
    await this.flushing?.catch(() => {})
    this.tellCommitted()
    this.tellRoom()
  }
}
