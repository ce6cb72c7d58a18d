/**
 * The write path of one table: decodes and checks records, logs them, and commits them batch by
 * batch.
 *
 *   append -> decode --> leaves (the open batch) -- sealed by a flush --> batches, one segment each
 *               |           |
 *               |           +--> wal.append -- group on disk --> onDurable --> acknowledgement
 *               |                    |    (with ackAfterCommit only after the commit of the batch)
 *               |                    +-- group failed --> cutBack: its rows leave the batches
 *               +-- RecordRejected: the leaves are rolled back to the start of the call
 *
 *   batches -- a flush, one batch at a time --> settled (groups on disk) --> flusher: commit
 *                                             --> written, onDurable, onRoom
 *   written -- a later look --> in place: segment removed
 *                           --> undone by another writer: decoded again --> flusher
 *   recover: segments found at start-up --> located in the table, or decoded again --> flusher
 *                                             --> written
 *
 * A batch is the content of the column buffers between two seals, and has one log segment. Batches
 * are flushed in order, one at a time. After a failed flush, the batch is decoded again from its
 * segment, so nothing depends on the state that the failure left behind. Groups whose log write
 * failed are removed from their batch: they were never acknowledged and do not reach the table.
 */
import type { TableDefinition } from "../../internal/columns/columnType.ts"
import type { TableSize } from "../delta/tableSize.ts"
import type { LogFormat } from "../log/logFrames.ts"
import { isLatest, type SeenVersion } from "../delta/deltaLog.ts"
import { checkPlace } from "../delta/writability.ts"
import { logAdvice } from "../log/logFolders.ts"
import type { FoundPart } from "../log/foundRows.ts"
import type { FoundSegment } from "../log/logSegments.ts"
import { type RecordRejected, StorageFailure, storageFailure } from "../log/storageErrors.ts"
import type { DurableCallback } from "../log/sharedLog.ts"
import type { TableLog } from "../log/tableLog.ts"
import { type Backlog, nothingWaits, TableBacklog } from "./backlog.ts"
import { CommitWaits } from "./commitWaits.ts"
import type { DecodeTarget } from "../decoding/decodeBlock.ts"
import type { EngineLimits } from "./engineLimits.ts"
import type { Flusher, FlushOutcome, PreparedTable, TableLook } from "../flush/flusher.ts"
import type { FlushTurns } from "../flush/flushTurns.ts"
import { EngineWriter, type OpenBatch } from "./openBatch.ts"
import { PendingRows } from "./pendingRows.ts"
import type { FindRows } from "./recovery.ts"
import { RowCommitter } from "./rowCommitter.ts"
import { followed, formOf } from "./tableForm.ts"

/** The log group of records that a refused table did not accept. It never becomes durable. */
const REFUSED_GROUP = -1

/** For records that arrived before a refusal was withdrawn: their stream has to be opened again. */
const refusedBefore = new StorageFailure({
  reason: "TableRefused",
  message: "The table was refused when the records arrived. Send them again."
})

/** Waits for a flush round; true when it failed. */
const hasFailed = (round: Promise<void>): Promise<boolean> =>
  round.then(
    () => false,
    () => true
  )

/** The write path of one table. */
export class TableEngine {
  readonly tableId: string
  readonly folder: string
  /** Why the last flush failed, or its warning; undefined when it succeeded. */
  lastProblem: string | undefined
  size: FlushOutcome
  readonly wal: TableLog
  private readonly flusher: Flusher
  private readonly turns: FlushTurns
  private readonly backlog: TableBacklog
  private readonly pending: PendingRows
  private readonly committer: RowCommitter
  private flushing: Promise<void> | undefined
  private readonly commits: CommitWaits | undefined
  private stopped: StorageFailure | undefined
  /**
   * Why the table cannot be written; undefined while it can. A later look or flush may withdraw it.
   */
  refusal: StorageFailure | undefined
  /** The version up to which other writers' changes were examined. */
  private seen: SeenVersion | undefined

  constructor(options: {
    readonly definition: TableDefinition
    readonly tableId: string
    /** The `schemaKey` of the definition. */
    readonly schema: string
    readonly folder: string
    readonly appId: string
    readonly wal: TableLog
    readonly flusher: Flusher
    readonly limits: EngineLimits
    readonly turns: FlushTurns
    readonly backlog: Backlog
    readonly now: () => number
    readonly size: FlushOutcome
    /** Whether records count as durable only once they are in the table. */
    readonly ackAfterCommit: boolean
    /** Called after each commit of rows. */
    readonly committed: (size: TableSize) => void
  }) {
    const { appId, flusher, folder, limits, now, tableId, wal } = options
    this.tableId = tableId
    this.folder = folder
    this.wal = wal
    this.flusher = flusher
    this.turns = options.turns
    this.backlog = new TableBacklog(options.backlog, limits)
    this.size = options.size
    this.seen = options.size.seen
    this.commits = options.ackAfterCommit ? new CommitWaits() : undefined
    const form = formOf(options.definition, options.schema)
    const pending = new PendingRows({ form, wal, limits, now, endGroups: options.ackAfterCommit })
    this.pending = pending
    this.committer = new RowCommitter({
      tableId,
      folder,
      appId,
      wal,
      flusher,
      limits,
      now,
      get form() {
        return pending.form
      },
      follow: (look) => this.follow(look),
      committed: (outcome) => {
        this.size = outcome
        this.seen = outcome.seen
        if (outcome.committed) options.committed(outcome)
      }
    })
    this.wal.onGroupsFailed = (group) => this.cutBack(group)
  }

  /** The columns of the table as of the last look. */
  get definition(): TableDefinition {
    return this.pending.form.definition
  }

  /** A new writer for records of this format. */
  openWriter(format: LogFormat, stream?: EngineWriter["stream"]): EngineWriter {
    return new EngineWriter(this.wal.writerOf(format), this.pending.form.open, stream)
  }

  /**
   * Decodes all records or none, logs them, and returns the number of their log group. A refused
   * table accepts nothing: `onDurable` for the returned group calls back with the refusal.
   */
  append(
    writer: EngineWriter,
    records: ReadonlyArray<Uint8Array>,
    offset = 0
  ): number | RecordRejected {
    return this.take((open, wal) => open.append(writer, records, offset, wal))
  }

  /**
   * Runs `add`, which puts records into the open batch and the log, and returns its result. A
   * refused table accepts nothing.
   */
  take<A>(add: (open: OpenBatch, wal: TableLog) => A): A | number {
    if (this.refusal !== undefined) return REFUSED_GROUP
    const answer = this.pending.take(add)
    if (this.pending.isOpenFull) {
      this.pending.seal()
      this.flushSoon()
    }
    this.noteWaiting()
    return answer
  }

  /** What another thread needs now to decode records of a writer. */
  targetOf(writer: EngineWriter): DecodeTarget {
    return writer.targetOf(this.pending.form.open)
  }

  /** Calls back when the group is durable (with `ackAfterCommit`: committed) or failed. */
  onDurable(group: number, callback: DurableCallback): void {
    if (this.stopped !== undefined) return callback(this.stopped)
    if (group === REFUSED_GROUP) return callback(this.refusal ?? refusedBefore)
    const { commits } = this
    if (commits === undefined) return this.wal.onDurable(group, callback)
    this.wal.onDurable(group, (failure) => {
      if (failure === undefined && !commits.has(group) && this.refusal?.reason === "TableRefused") {
        callback(this.refusal)
      } else if (failure === undefined) commits.add(group, callback)
      else callback(failure)
    })
  }

  /**
   * Whether the rows that wait for a flush exceed the limits of the table or of the store. False
   * for a refused table: it accepts nothing, and its streams must be read to receive the refusal.
   */
  get pressure(): boolean {
    return this.refusal === undefined && this.backlog.isFull
  }

  /** Calls back once `pressure` is false. */
  onRoom(callback: () => void): void {
    if (!this.pressure || this.stopped !== undefined) callback()
    else this.backlog.onRoom(callback)
  }

  /** Updates the backlog; called after each change of the pending rows. */
  private noteWaiting(): void {
    const isTaken = this.refusal === undefined && this.stopped === undefined
    this.backlog.set(isTaken ? this.pending.waiting : nothingWaits)
  }

  /** Removes the rows of a failed group and of all groups after it. */
  private cutBack(firstGroup: number): void {
    this.pending.cutBack(firstGroup)
    this.noteWaiting()
  }

  /** Starts a flush when the table gets its turn, if there is anything to do. */
  flushSoon(): void {
    const blocked = this.refusal !== undefined && this.refusal.reason !== "TableRefused"
    const isDue = this.hasWaiting || this.committer.written.due.length > 0
    if (this.flushing !== undefined || !(isDue || blocked)) return
    // A failed batch stays in the queue, and the next flush tries it again; `flush` reports the
    // failure.
    void this.flushAll().catch(() => {})
  }

  /**
   * Looks at the changes of other writers: applies new columns, and refuses the table or withdraws
   * a refusal. Costs two file system calls when no other writer changed the table.
   */
  async look(): Promise<void> {
    try {
      if (this.refusal === undefined && this.seen !== undefined) {
        await this.checkPlace()
        if (await isLatest(this.folder, this.seen)) return
      }
      await this.followTable()
    } catch (error) {
      const failure = storageFailure(error, "reading the table", this.folder)
      if (failure.reason !== "TableRefused") throw failure
      const refusal = this.refuse(failure)
      // A flush moves the waiting rows to the table's own log.
      this.flushSoon()
      throw refusal
    }
    if (this.refusal !== undefined) throw this.refusal
  }

  private async checkPlace(): Promise<void> {
    checkPlace(this.definition.name, this.folder)
  }

  private async followTable(): Promise<void> {
    this.follow(await this.flusher.look(this.folder, this.definition.name))
    if (this.refusal?.reason !== "TableRefused") return
    this.lastProblem = undefined
    this.refusal = undefined
  }

  /**
   * After a failed flush, the table accepts no records: acknowledged records wait in the log, and
   * clients receive the failure. For a table that another writer changed, callbacks that wait for a
   * commit fail as well; rows delayed by a full disk are committed once there is space.
   */
  private refuse(error: unknown): StorageFailure {
    const failure = this.withAdvice(storageFailure(error, "writing the table", this.folder))
    if (this.stopped !== undefined) return failure
    this.refusal = failure
    this.lastProblem = failure.message
    if (failure.reason === "TableRefused") {
      this.seen = undefined
      this.commits?.fail(failure)
    }
    this.noteWaiting()
    return failure
  }

  /** Adds how to salvage the records of the log to a failure, if there are any. */
  private withAdvice(failure: StorageFailure): StorageFailure {
    const { reason } = failure
    const hasRecords = this.hasWaiting || !this.committer.written.isEmpty
    if (reason !== "TableRefused" || !hasRecords) return failure
    return new StorageFailure({
      reason,
      message: `${failure.message} ${logAdvice(this.definition.name)}`
    })
  }

  /**
   * Moves the rows of a table that cannot be written into its own log. If that fails too, they stay
   * in the shared log.
   */
  private async moveOutRefused({ reason }: StorageFailure): Promise<void> {
    if (this.stopped !== undefined || reason === "DiskFull") return
    this.pending.seal()
    await this.wal.moveOut().catch(() => {})
  }

  /** Applies the result of a look. Pending rows are decoded again for new columns. */
  private follow({ metadata, protocol, seen, ...size }: TableLook): void {
    const form = followed(this.pending.form, this.tableId, { metadata, protocol })
    this.size = { ...size, committed: false }
    this.seen = seen
    if (form !== this.pending.form) this.pending.change(form)
  }

  /**
   * Resolves once everything appended before the call is committed. Rejects only with the
   * `StorageFailure` of a round that began after the call: the cause of an earlier failure may be
   * gone.
   */
  async flush(): Promise<void> {
    if (this.stopped !== undefined) throw this.stopped
    const last = this.wal.lastSequence
    const earlier = this.flushing
    if (earlier === undefined || (await hasFailed(earlier))) {
      this.flushSoon()
      await this.flushing
    }
    while (this.pending.waitsUpTo(last)) {
      if (this.stopped !== undefined) throw this.stopped
      await (this.flushing ?? this.flushAll())
    }
  }

  /** Whether rows wait for their commit. */
  get hasWaiting(): boolean {
    return !this.pending.isEmpty
  }

  /**
   * Flushes the rows that are pending when the table gets its turn. Rows that arrive later wait for
   * the next round, so that each round ends.
   */
  private flushAll(): Promise<void> {
    const { batches } = this.pending
    const work = async (): Promise<void> => {
      try {
        if (this.stopped !== undefined) return
        // A look is cheaper than decoding a batch for a table that is still refused.
        if (this.refusal?.reason === "TableRefused") await this.followTable()
        else await this.checkPlace()
        await this.committer.look()
        this.pending.seal()
        for (const batch of batches.slice()) {
          await this.settled(batch.lastGroup)
          if (this.stopped !== undefined) return
          await this.committer.commitBatch(batch)
          batches.shift()
          this.lastProblem = this.size.warning
          this.refusal = undefined
          this.commits?.reach(batch.lastGroup)
          this.noteWaiting()
        }
        this.refusal = undefined
      } catch (error) {
        const failure = this.refuse(error)
        this.lastProblem = failure.message
        await this.moveOutRefused(failure)
        throw failure
      } finally {
        this.flushing = undefined
      }
      if (batches.length > 0) void this.flushAll().catch(() => {})
    }
    return (this.flushing = this.turns.run(work))
  }

  /**
   * Resolves when a group is on disk or has failed. By then, failed groups have been removed from
   * their batch.
   */
  private settled(group: number): Promise<void> {
    return new Promise((resolve) => this.wal.onDurable(group, () => resolve()))
  }

  /** Commits the records of the table's own log, except those that `find` locates in the table. */
  recover(segments: AsyncIterable<FoundSegment>, committed: number, find: FindRows): Promise<void> {
    return this.committer.recover(segments, committed, find)
  }

  /**
   * Takes over the records that a start found in the shared log. Those that the table lacks wait
   * for a flush.
   */
  async adopt(
    parts: ReadonlyArray<FoundPart>,
    { committed, found, ...size }: PreparedTable
  ): Promise<void> {
    this.size = { ...size, committed: false }
    this.pending.batches.push(...(await this.committer.adopt(parts, committed, found)))
    this.noteWaiting()
  }

  /** Moves the pending rows of a table that cannot be written into its own log. */
  async moveOut(): Promise<void> {
    await this.flushing?.catch(() => {})
    this.pending.seal()
    await this.wal.moveOut()
  }

  /** Stops accepting records. Later calls fail with the given failure. */
  async stop(failure: StorageFailure): Promise<void> {
    this.stopped = failure
    await this.wal.close()
    await this.flushing?.catch(() => {})
    this.commits?.fail(failure)
    this.noteWaiting()
  }
}
