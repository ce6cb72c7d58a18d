/**
 * Log segments whose rows were committed, kept until a later look confirms that the rows are in
 * place.
 *
 * `commitPlace.ts` describes how another writer can undo a commit. Such rows are committed again.
 */
import { type CommitPlace, isInPlace } from "../delta/commitPlace.ts"
import type { TableLog } from "../log/tableLog.ts"

/**
 * Rows of a segment that were committed together: their number, and the range of their log entries.
 */
export interface SegmentRows {
  readonly segment: number
  readonly rows: number
  readonly firstSequence: number
  readonly lastSequence: number
}

/** Rows of a segment that were committed. Those without a place need no look. */
export interface WrittenRows extends SegmentRows {
  readonly place: CommitPlace | undefined
}

/** A segment whose rows were committed. */
interface WrittenSegment {
  readonly segment: number
  readonly rows: ReadonlyArray<WrittenRows>
  /** When the rows were committed, in milliseconds. */
  readonly since: number
}

/** The segments of one table that wait for their look. */
export class WrittenSegments {
  private readonly folder: string
  private readonly wal: TableLog
  private readonly now: () => number
  private readonly lookAfterMillis: number
  private waiting: ReadonlyArray<WrittenSegment> = []

  constructor(folder: string, wal: TableLog, now: () => number, lookAfterMillis: number) {
    this.folder = folder
    this.wal = wal
    this.now = now
    this.lookAfterMillis = lookAfterMillis
  }

  /**
   * Keeps a segment with all of its rows. One whose commits are older than the log needs no look.
   */
  async keep(rows: ReadonlyArray<WrittenRows>): Promise<void> {
    const [first] = rows
    if (first === undefined) return
    const { segment } = first
    if (rows.every(({ place }) => place === undefined)) return this.wal.removeSegment(segment)
    this.waiting = [...this.waiting, { segment, rows, since: this.now() }]
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0
  }

  /** The data files of the segments that wait. */
  get paths(): ReadonlyArray<string> {
    return this.waiting.flatMap(({ rows }) => rows.flatMap(({ place }) => place?.paths ?? []))
  }

  /** The segments that have waited long enough. */
  get due(): ReadonlyArray<WrittenSegment> {
    const { waiting } = this
    if (waiting.length === 0) return waiting
    const latest = this.now() - this.lookAfterMillis
    return waiting.filter(({ since }) => since <= latest)
  }

  /**
   * Deletes the due segments whose rows are in place. Other rows are passed to `commitAgain`; their
   * new place is checked later.
   */
  async look(commitAgain: (rows: SegmentRows) => Promise<CommitPlace | undefined>): Promise<void> {
    for (const each of this.due) {
      const undone = new Set<WrittenRows>()
      for (const rows of each.rows) {
        if (rows.place !== undefined && !(await isInPlace(this.folder, rows.place)))
          undone.add(rows)
      }
      if (undone.size === 0) await this.wal.removeSegment(each.segment)
      else {
        const kept: Array<WrittenRows> = []
        for (const rows of each.rows) {
          kept.push(undone.has(rows) ? { ...rows, place: await commitAgain(rows) } : rows)
        }
        await this.keep(kept)
      }
      this.waiting = this.waiting.filter((other) => other !== each)
    }
  }
}
