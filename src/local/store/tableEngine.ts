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
 *                                            --> segment removed, onDurable, onRoom
 *   recover: segments found at start-up --> decoded again --> flusher
 *
 * A batch is the content of the column buffers between two seals and owns one log segment. Batches are flushed in order, one
 * at a time; one whose flush failed is decoded again from its segment, so nothing depends on what a failed flush left behind. Groups
 * whose log write failed are cut out of their batch: they were never acknowledged and do not reach the table.
 */
import type { TableDefinition } from "../../internal/columns/columnType.ts"
import { type ColumnTree, columnTree, makeLeaves } from "../parquet/columnTree.ts"
import type { Flusher, FlushOutcome } from "./flushTable.ts"
import { bytesOf, type Leaf, type LeafChunk, type Mark, rollBack, rollBackChunks } from "../parquet/columnBuffer.ts"
import type { LogFormat } from "../../internal/log/logFrames.ts"
import type { FoundSegment } from "../log/logSegments.ts"
import { type DecodedRows, type Decoder, decodeFrames, makeDecoder } from "../records/recordDecoder.ts"
import { problemOf } from "../records/recordProblem.ts"
import { RecordRejected, StorageFailure, storageFailure } from "../log/storageErrors.ts"
import type { DurableCallback, LogWriter, Wal } from "../log/wal.ts"

/** Limits of a table. A batch is sealed when it reaches one of them. */
export interface EngineLimits {
  /** Rows of one batch, and so of one data file. */
  readonly maxBatchRows: number
  /** Bytes of column data of one batch. */
  readonly maxBatchBytes: number
  /** Rows that may wait for their flush before writers are asked to pause. */
  readonly maxPendingRows: number
  /** Bytes of column data that may wait for their flush before writers are asked to pause. */
  readonly maxPendingBytes: number
  /** From how many small files on a flush also merges some of them; 0 never does. */
  readonly compactFiles: number
}

interface GroupMark {
  readonly group: number
  readonly mark: Mark
  readonly lastSequence: number
}

interface Batch {
  readonly segment: number
  readonly lastGroup: number
  rows: number
  bytes: number
  lastSequence: number
  /** Undefined when they have been handed to a flush; after a failure they are decoded from the log again. */
  chunks: ReadonlyArray<LeafChunk> | undefined
  marks: ReadonlyArray<GroupMark>
}

/** The working side of a table. */
export class TableEngine {
  readonly definition: TableDefinition
  readonly folder: string
  readonly appId: string
  /** Why the last flush failed, or the warning it gave; undefined when it went well. */
  lastProblem: string | undefined
  size: FlushOutcome
  private readonly wal: Wal
  private readonly flusher: Flusher
  private readonly limits: EngineLimits
  private readonly now: () => number
  private readonly tree: ColumnTree
  private readonly leaves: ReadonlyArray<Leaf>
  private readonly messageMark: { rows: number; entries: Float64Array; sizes: Float64Array }
  private rows = 0
  private marks: Array<GroupMark> = []
  private readonly batches: Array<Batch> = []
  private flushing: Promise<void> | undefined
  private readonly ackAfterCommit: boolean
  private committedGroup = 0
  private commitCallbacks: Array<{ readonly group: number; readonly callback: DurableCallback }> = []
  private readonly roomCallbacks: Array<() => void> = []
  private nextWriter = 1
  private stopped: StorageFailure | undefined

  constructor(options: {
    readonly definition: TableDefinition
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
    this.definition = options.definition
    this.folder = options.folder
    this.appId = options.appId
    this.wal = options.wal
    this.flusher = options.flusher
    this.limits = options.limits
    this.now = options.now
    this.size = options.size
    this.ackAfterCommit = options.ackAfterCommit
    this.tree = columnTree(options.definition.columns)
    this.leaves = makeLeaves(this.tree)
    const count = this.leaves.length
    this.messageMark = { rows: 0, entries: new Float64Array(count), sizes: new Float64Array(count) }
    this.wal.onGroupsFailed = (group) => this.cutBack(group)
  }

  /** A number for a new writer and the decoder that fills this table's buffers. */
  openWriter(format: LogFormat): { readonly writer: LogWriter; readonly decode: Decoder } {
    return { writer: { id: this.nextWriter++, format }, decode: makeDecoder(this.tree, format, this.leaves) }
  }

  /** Decodes all records or none, logs them, and answers the number of their log group. */
  append(writer: LogWriter, decode: Decoder, records: ReadonlyArray<Uint8Array>): number | RecordRejected {
    const mark = this.messageMark
    for (let i = 0; i < this.leaves.length; i++) {
      mark.entries[i] = this.leaves[i]!.entries
      mark.sizes[i] = this.leaves[i]!.size
    }
    let index = 0
    try {
      for (; index < records.length; index++) decode(records[index]!)
    } catch (error) {
      rollBack(this.leaves, mark)
      const { expected, path } = problemOf(error)
      return new RecordRejected(index, path, expected)
    }
    const group = this.wal.openGroup
    if (this.marks.length > 64) this.dropOldMarks()
    if (this.marks.length === 0 || this.marks[this.marks.length - 1]!.group !== group) {
      const entries = mark.entries.slice()
      this.marks.push({
        group,
        mark: { rows: this.rows, entries, sizes: mark.sizes.slice() },
        lastSequence: this.wal.lastSequence
      })
    }
    this.rows += records.length
    const ticket = this.wal.append(writer, records)
    if (this.rows >= this.limits.maxBatchRows || this.openBytes() >= this.limits.maxBatchBytes) this.seal()
    return ticket
  }

  /** Marks of settled groups are not needed any more, but for the last, which tells the group to wait for. */
  private dropOldMarks(): void {
    const settled = this.wal.settledGroup
    const last = this.marks.length - 1
    this.marks = this.marks.filter((each, index) => each.group > settled || index === last)
  }

  private openBytes(): number {
    let bytes = 0
    for (let i = 0; i < this.leaves.length; i++) bytes += this.leaves[i]!.size + this.leaves[i]!.entries
    return bytes
  }

  /** Calls back when the group is durable (with `ackAfterCommit`: committed) or has failed. */
  onDurable(group: number, callback: DurableCallback): void {
    if (this.stopped !== undefined) return callback(this.stopped)
    if (!this.ackAfterCommit) return this.wal.onDurable(group, callback)
    this.wal.onDurable(group, (failure) => {
      if (failure !== undefined || group <= this.committedGroup) callback(failure)
      else this.commitCallbacks.push({ group, callback })
    })
  }

  private tellCommitted(): void {
    const { committedGroup, stopped } = this
    const told = this.commitCallbacks.filter((each) => stopped !== undefined || each.group <= committedGroup)
    this.commitCallbacks = this.commitCallbacks.filter((each) => stopped === undefined && each.group > committedGroup)
    for (const each of told) each.callback(each.group <= committedGroup ? undefined : stopped)
  }

  /** Whether more rows wait for their flush than the limits allow. */
  get pressure(): boolean {
    let rows = this.rows
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
      if (found === undefined || batch.chunks === undefined) continue
      rollBackChunks(batch.chunks, found.mark)
      batch.rows = found.mark.rows
      batch.lastSequence = found.lastSequence
      batch.marks = []
    }
    const found = this.marks.find((each) => each.group >= firstGroup)
    if (found === undefined) return
    rollBack(this.leaves, found.mark)
    this.rows = found.mark.rows
    this.marks = this.marks.filter((each) => each.group < firstGroup)
  }

  /** Ends the open batch, if it has rows, and starts its flush. */
  seal(): void {
    if (this.rows > 0) {
      const lastGroup = this.marks[this.marks.length - 1]!.group
      const chunks = this.leaves.map((leaf) => leaf.seal())
      const lastSequence = this.wal.lastSequence
      const segment = this.wal.rotate()
      this.batches.push({
        segment,
        lastGroup,
        rows: this.rows,
        bytes: bytesOf(chunks),
        lastSequence,
        chunks,
        marks: this.marks
      })
      this.rows = 0
      this.marks = []
    }
    if (this.batches.length > 0 && this.flushing === undefined) {
      // A failure stays in the queue and is tried again with the next seal; `flush` reports it.
      void this.flushAll().catch(() => {})
    }
  }

  /** Seals, and resolves once everything appended before is committed to the table. Rejects with `StorageFailure`. */
  async flush(): Promise<void> {
    if (this.stopped !== undefined) throw this.stopped
    this.seal()
    const last = this.batches[this.batches.length - 1]
    while (last !== undefined && this.batches.includes(last)) {
      if (this.stopped !== undefined) throw this.stopped
      await (this.flushing ?? this.flushAll())
    }
  }

  private flushAll(): Promise<void> {
    const work = async (): Promise<void> => {
      try {
        for (let batch = this.batches[0]; batch !== undefined; batch = this.batches[0]) {
          await this.settled(batch.lastGroup)
          if (this.stopped !== undefined) return
          await this.flushBatch(batch)
          this.batches.shift()
          this.lastProblem = this.size.warning
          this.committedGroup = batch.lastGroup
          this.tellCommitted()
          this.tellRoom()
        }
      } catch (error) {
        const failure = storageFailure(error, "writing the table", this.folder)
        this.lastProblem = failure.message
        throw failure
      } finally {
        this.flushing = undefined
      }
    }
    const flushing = work()
    this.flushing = flushing
    return flushing
  }

  /** Resolves when a group is on disk or has failed; failed groups have been cut out of their batch by then. */
  private settled(group: number): Promise<void> {
    return new Promise((resolve) => this.wal.onDurable(group, () => resolve()))
  }

  private async flushBatch(batch: Batch): Promise<void> {
    if (batch.rows > 0) {
      const { chunks, rows, lastSequence } =
        batch.chunks === undefined
          ? await this.fromLog(batch)
          : { chunks: batch.chunks, rows: batch.rows, lastSequence: batch.lastSequence }
      batch.chunks = undefined
      if (rows > 0) await this.commitRows(chunks, rows, lastSequence)
    }
    await this.wal.removeSegment(batch.segment)
  }

  private async commitRows(chunks: ReadonlyArray<LeafChunk>, rows: number, lastSequence: number): Promise<void> {
    this.size = await this.flusher.flush({
      folder: this.folder,
      appId: this.appId,
      columns: this.definition.columns,
      partitionColumns: this.definition.partitionColumns ?? [],
      rows,
      chunks,
      lastSequence,
      now: this.now(),
      compactFiles: this.limits.compactFiles
    })
  }

  /** Decodes a batch again from its log segment. The segment holds at least its rows, or acknowledged records are gone. */
  private async fromLog(batch: Batch): Promise<DecodedRows> {
    const decoded = decodeFrames(this.tree, await this.wal.readBack(batch.segment), 0)
    if (decoded.rows >= batch.rows) return decoded
    throw new StorageFailure({
      reason: "CorruptLog",
      message:
        `The log in ${this.wal.folder} lost ${batch.rows - decoded.rows} acknowledged records of ${this.definition.name} ` +
        `before they reached the table: a file was deleted or damaged while the server ran. Restore it from a backup.`
    })
  }

  /**
   * Commits the records of segments found at start-up that are newer than the table. Decodes one segment while the one before is
   * being written, but never sends it before that one is committed: the `txn` of the later one would hide the loss of the earlier.
   */
  async recover(segments: AsyncIterable<FoundSegment>, committedSequence: number): Promise<void> {
    let writing: Promise<void> = Promise.resolve()
    for await (const segment of segments) {
      const { chunks, rows, lastSequence } = decodeFrames(this.tree, segment.frames, committedSequence)
      await writing
      writing = rows === 0 ? Promise.resolve() : this.commitRows(chunks, rows, lastSequence)
      // Awaited in the next round; this keeps a failure from counting as unhandled until then.
      writing.catch(() => {})
    }
    await writing
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
