/**
 * Log segments whose rows were committed, kept until a later look finds the rows in place.
 *
 * `commitPlace.ts` says how another writer can undo a commit. The engine commits such rows again.
 */
import { type CommitPlace, isInPlace } from "../delta/commitPlace.ts"
import type { Wal } from "../log/wal.ts"

/** A segment, how many rows it holds, and the range of its log entries. */
export interface SegmentRows {
  readonly segment: number
  readonly rows: number
  readonly firstSequence: number
  readonly lastSequence: number
}

/** A segment whose rows were committed. */
export interface WrittenSegment extends SegmentRows {
  readonly place: CommitPlace
  /** When the rows were committed, in milliseconds. */
  readonly since: number
}

/** The segments of one table that wait for their look. */
export class WrittenSegments {
  private readonly folder: string
  private readonly wal: Wal
  private readonly now: () => number
  private readonly lookAfterMillis: number
  private waiting: ReadonlyArray<WrittenSegment> = []

  constructor(folder: string, wal: Wal, now: () => number, lookAfterMillis: number) {
    this.folder = folder
    this.wal = wal
    this.now = now
    this.lookAfterMillis = lookAfterMillis
  }

  /** Keeps a segment whose rows are at `place`. A commit that is older than the log needs no look. */
  async keep(
    { firstSequence, lastSequence, rows, segment }: SegmentRows,
    place: CommitPlace | undefined
  ): Promise<void> {
    if (place === undefined) return this.wal.removeSegment(segment)
    this.waiting = [...this.waiting, { segment, rows, firstSequence, lastSequence, place, since: this.now() }]
  }

  /** The data files of the segments that wait. */
  get paths(): ReadonlyArray<string> {
    return this.waiting.flatMap(({ place }) => place.paths)
  }

  /** The segments that have waited for long enough. */
  get due(): ReadonlyArray<WrittenSegment> {
    const { waiting } = this
    if (waiting.length === 0) return waiting
    const latest = this.now() - this.lookAfterMillis
    return waiting.filter(({ since }) => since <= latest)
  }

  /**
   * Deletes the segments that are due and whose rows are in place. Others go to `commitAgain`, whose answer
   * is looked at later.
   */
  async look(commitAgain: (rows: SegmentRows) => Promise<CommitPlace | undefined>): Promise<void> {
    for (const each of this.due) {
      if (await isInPlace(this.folder, each.place)) await this.wal.removeSegment(each.segment)
      else await this.keep(each, await commitAgain(each))
      this.waiting = this.waiting.filter((other) => other !== each)
    }
  }
}
