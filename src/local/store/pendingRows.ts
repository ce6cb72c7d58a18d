/**
 * The rows of a table that are logged but not committed: those in the column buffers of the open
 * batch, and sealed batches that wait for a flush.
 */
import type { TableLog } from "../log/tableLog.ts"
import { rollBackChunks } from "../parquet/columnBuffer.ts"
import type { Waiting } from "./backlog.ts"
import type { EngineLimits } from "./engineLimits.ts"
import { type Batch, type OpenBatch, waitingOf } from "./openBatch.ts"
import type { TableForm } from "./tableForm.ts"

/** The pending rows of one table. */
export class PendingRows {
  /** The columns of the table as of the last look, and the open batch. */
  form: TableForm
  /** The sealed batches, oldest first. */
  readonly batches: Array<Batch> = []
  private readonly wal: TableLog
  private readonly limits: EngineLimits
  private readonly now: () => number
  /** Whether each batch ends at the end of a log group, so that no group spans two batches. */
  private readonly endGroups: boolean
  /** When the first row of the open batch arrived, in milliseconds. */
  private openSince = Infinity

  constructor(options: {
    readonly form: TableForm
    readonly wal: TableLog
    readonly limits: EngineLimits
    readonly now: () => number
    readonly endGroups: boolean
  }) {
    this.form = options.form
    this.wal = options.wal
    this.limits = options.limits
    this.now = options.now
    this.endGroups = options.endGroups
  }

  /** Runs `add`, which puts records into the open batch and the log, and returns its result. */
  take<A>(add: (open: OpenBatch, wal: TableLog) => A): A {
    const { open } = this.form
    if (open.rows === 0) this.openSince = this.now()
    return add(open, this.wal)
  }

  /** Whether the open batch has reached its size. */
  get isOpenFull(): boolean {
    const { open } = this.form
    return open.rows >= this.limits.maxBatchRows || open.bytes >= this.limits.maxBatchBytes
  }

  /** Seals the open batch, if it has rows. */
  seal(): void {
    const { open } = this.form
    if (open.rows === 0) return
    const lastSequence = this.wal.lastSequence
    const { firstSequence, segment } = this.wal.rotate(this.endGroups)
    this.batches.push({
      segment,
      firstSequence,
      lastSequence,
      since: this.openSince,
      ...open.seal()
    })
  }

  /** Switches to new columns. The pending rows will be decoded again for them. */
  change(form: TableForm): void {
    this.seal()
    for (const batch of this.batches) batch.chunks = undefined
    this.form = form
  }

  /**
   * Removes the rows of a failed group and of all groups after it, from the open batch and from
   * sealed ones.
   */
  cutBack(firstGroup: number): void {
    for (const batch of this.batches) {
      const found = batch.marks.find((each) => each.group >= firstGroup)
      if (found === undefined) continue
      if (batch.chunks !== undefined) rollBackChunks(batch.chunks, found.mark)
      batch.rows = found.mark.rows
      batch.streams = found.streams
      batch.lastSequence = found.lastSequence
      batch.marks = []
    }
    this.form.open.cutBack(firstGroup)
  }

  get isEmpty(): boolean {
    return this.form.open.rows === 0 && this.batches.length === 0
  }

  /** Whether rows of log entries up to this one are pending. */
  waitsUpTo(sequence: number): boolean {
    if (this.form.open.rows > 0 && this.wal.segmentStart <= sequence) return true
    return this.batches.some(({ firstSequence }) => firstSequence <= sequence)
  }

  /** How much is pending, and since when. */
  get waiting(): Waiting {
    return waitingOf(this.batches, this.form.open, this.openSince)
  }
}
