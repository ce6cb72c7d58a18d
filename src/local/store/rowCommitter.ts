/**
 * Commits the logged rows of one table: sealed batches, rows whose commit another writer has
 * undone, and rows found at start-up.
 *
 * Rows whose column buffers are gone, after a failed flush or a change of the columns, are decoded
 * again from the log. Nothing depends on the state that a failed flush leaves behind.
 */
import type { CommitPlace } from "../delta/commitPlace.ts"
import { tableChanged } from "../delta/deltaLog.ts"
import { TableRefused } from "../delta/writability.ts"
import type { FoundPart } from "../log/foundRows.ts"
import type { FoundSegment } from "../log/logSegments.ts"
import { bytesAt } from "../log/placedRows.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import type { TableLog } from "../log/tableLog.ts"
import type { DecodedRows } from "../records/recordDecoder.ts"
import type { EngineLimits } from "./engineLimits.ts"
import type { Flusher, FlushOutcome, LocatedRows, TableLook } from "../flush/flusher.ts"
import { type Batch, noStreams } from "./openBatch.ts"
import { type FindRows, framesIn, recoverSegments } from "./recovery.ts"
import { decodeAgain, type TableForm } from "./tableForm.ts"
import { type SegmentRows, WrittenSegments } from "./writtenSegments.ts"

/** What a commit needs from a table. */
export interface CommittedTable {
  readonly tableId: string
  readonly folder: string
  readonly appId: string
  readonly wal: TableLog
  readonly flusher: Flusher
  readonly limits: EngineLimits
  readonly now: () => number
  /** The columns as of the last look. */
  readonly form: TableForm
  /** Applies the result of a look. */
  readonly follow: (look: TableLook) => void
  /** Called after a commit, or after a look that found the rows in the table. */
  readonly committed: (outcome: FlushOutcome) => void
}

/** Consecutive records of the shared log that the table lacks. */
interface MissingRun {
  /** Whether the table has none of their rows. */
  readonly isAbsent: boolean
  readonly firstSequence: number
  lastSequence: number
  rows: number
  readonly parts: Array<FoundPart>
}

/** Makes the commits of one table, one after another. */
export class RowCommitter {
  /** Segments whose rows wait for the look that confirms their commit. */
  readonly written: WrittenSegments
  private readonly table: CommittedTable

  constructor(table: CommittedTable) {
    this.table = table
    const { folder, limits, now, wal } = table
    this.written = new WrittenSegments(folder, wal, now, limits.lookAfterMillis)
  }

  /** Looks at the commits that are due, and repeats those that another writer has undone. */
  look(): Promise<void> {
    return this.written.look((rows) => this.commitAgain(rows))
  }

  /** Commits a batch whose groups are settled. */
  async commitBatch(batch: Batch): Promise<void> {
    const { form, wal } = this.table
    const { firstSequence, segment } = batch
    if (batch.rows === 0) return wal.removeSegment(segment)
    // Chunks are dropped when the form changes, so existing chunks fit the current form.
    const { chunks, lastSequence, rows, streams } =
      batch.chunks === undefined
        ? await this.fromLog(batch, form)
        : { ...batch, chunks: batch.chunks }
    batch.chunks = undefined
    if (rows === 0) return wal.removeSegment(segment)
    const outcome = await this.commitRows(
      form,
      { chunks, rows, lastSequence, streams },
      firstSequence,
      batch.again === true
    )
    if (outcome === undefined) return this.commitBatch(batch)
    const { place } = outcome
    await this.written.keep([{ segment, rows: batch.rows, firstSequence, lastSequence, place }])
  }

  /**
   * Commits the rows of a segment again whose commit another writer has undone, except those that
   * are in the table.
   */
  private async commitAgain(rows: SegmentRows): Promise<CommitPlace | undefined> {
    const { form } = this.table
    const decoded = await this.fromLog(rows, form)
    const outcome = await this.commitRows(form, decoded, rows.firstSequence, true)
    return outcome === undefined ? this.commitAgain(rows) : outcome.place
  }

  /**
   * Commits rows. Undefined when the table's columns changed and the rows have to be decoded again.
   */
  private async commitRows(
    { definition, schema }: TableForm,
    decoded: DecodedRows,
    firstSequence: number,
    again: boolean
  ): Promise<FlushOutcome | undefined> {
    const { appId, committed, flusher, folder, follow, limits, now, tableId } = this.table
    try {
      const outcome = await flusher.flush({
        name: definition.name,
        folder,
        tableId,
        schema,
        appId,
        columns: definition.columns,
        partitionColumns: definition.partitionColumns ?? [],
        rows: decoded.rows,
        chunks: decoded.chunks,
        firstSequence,
        lastSequence: decoded.lastSequence,
        streams: decoded.streams,
        again,
        unconfirmed: this.written.paths,
        now: now(),
        compactFiles: limits.compactFiles
      })
      committed(outcome)
      return outcome
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== tableChanged) throw error
      follow(await flusher.look(folder, definition.name))
      return undefined
    }
  }

  /**
   * Decodes rows of a segment again. Only these entries: others of the segment may belong to other
   * commits. Fewer rows than expected mean that acknowledged records were lost.
   */
  private async fromLog(
    { firstSequence, lastSequence, rows, segment }: SegmentRows,
    form: TableForm
  ): Promise<DecodedRows> {
    const { wal } = this.table
    const frames = await wal.readBack(segment)
    const decoded = decodeAgain(form, framesIn(frames, { firstSequence, lastSequence }))
    if (decoded.rows >= rows) return decoded
    throw new StorageFailure({
      reason: "CorruptLog",
      message:
        `The log in ${wal.folder} lost acknowledged records of ${form.definition.name} ` +
        `(${rows - decoded.rows}) ` +
        `before they reached the table: a file was deleted or damaged while the server ran. ` +
        `Restore it from a backup.`
    })
  }

  /**
   * Takes over the records that a start found in the shared log. Those in the table wait for the
   * look. The others become batches, with adjacent records in one batch. `committed` is the number
   * of the last commit; `located` holds the place of the rows of each part.
   */
  async adopt(
    parts: ReadonlyArray<FoundPart>,
    committed: number,
    located: ReadonlyArray<ReadonlyArray<LocatedRows>>
  ): Promise<ReadonlyArray<Batch>> {
    const { limits, now, wal } = this.table
    const batches: Array<Batch> = []
    let open: MissingRun | undefined
    const endRun = (): void => {
      if (open === undefined) return
      const { firstSequence, lastSequence, parts: held, rows } = open
      const bytes = bytesAt(held.flatMap(({ places }) => places))
      const segment = wal.adopt(held)
      const again = committed >= firstSequence
      const sealed = {
        rows,
        bytes,
        chunks: undefined,
        streams: noStreams,
        marks: [],
        lastGroup: 0,
        since: now()
      }
      batches.push({ segment, firstSequence, lastSequence, again, ...sealed })
      open = undefined
    }
    for (const [index, part] of parts.entries()) {
      const found = located[index]!
      for (const { firstSequence, lastSequence, missing, place } of found) {
        const rows = found.length === 1 ? part.rows : 1
        if (missing === "none") {
          endRun()
          await this.written.keep([
            { segment: wal.adopt([part]), rows, firstSequence, lastSequence, place }
          ])
          continue
        }
        const isAbsent = missing === "all"
        if (
          open === undefined ||
          !isAbsent ||
          !open.isAbsent ||
          open.rows + rows > limits.maxBatchRows
        ) {
          endRun()
          open = { isAbsent, firstSequence, lastSequence, rows, parts: [part] }
        } else {
          open.lastSequence = lastSequence
          open.rows += rows
          open.parts.push(part)
        }
      }
    }
    endRun()
    return batches
  }

  /**
   * Commits the records of segments found at start-up, except those that `find` locates in the
   * table.
   */
  recover(segments: AsyncIterable<FoundSegment>, committed: number, find: FindRows): Promise<void> {
    const { appId, form, wal } = this.table
    return recoverSegments(segments, {
      appId,
      committed,
      find,
      decode: (frames) => decodeAgain(form, frames),
      commit: async ({ firstSequence }, decoded, again) => {
        const outcome = await this.commitRows(form, decoded, firstSequence, again)
        if (outcome !== undefined) return outcome.place
        // Refuses the table for now; the next look recovers it.
        throw new TableRefused(
          form.definition.name,
          "another writer is changing its columns right now"
        )
      },
      keep: (rows) => this.written.keep(rows),
      remove: (segment) => wal.removeSegment(segment)
    })
  }
}
