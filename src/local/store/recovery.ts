/**
 * Recovers the log segments of a table at start-up: rows that the table lacks are committed, and
 * every segment is kept until a later look.
 */
import type { CommitPlace, RowRange } from "../delta/commitPlace.ts"
import type { LocatedRows } from "../flush/flusher.ts"
import type { FoundPart } from "../log/foundRows.ts"
import type { FoundSegment } from "../log/logSegments.ts"
import type { DecodedRows } from "../records/recordDecoder.ts"
import type { SegmentRows, WrittenRows } from "./writtenSegments.ts"

/** The extent of a table's log. */
export class LoggedRows {
  /** The number of the last entry. */
  lastSequence = 0
  /** Per persistent stream, the last offset. Logged rows count, because recovery commits them. */
  readonly offsets = new Map<string, number>()

  /** Records the content of a part of the shared log. */
  notePart({ lastSequence, streams }: FoundPart): void {
    this.lastSequence = Math.max(this.lastSequence, lastSequence)
    for (const [streamId, { offset }] of streams) this.noteOffset(streamId, offset)
  }

  /** Records entries of the table's own log. */
  noteFrames(frames: FoundSegment["frames"]): void {
    for (const { position, sequence } of frames) {
      this.lastSequence = Math.max(this.lastSequence, sequence)
      if (position !== undefined) this.noteOffset(position.streamId, position.offset)
    }
  }

  private noteOffset(streamId: string, offset: number): void {
    this.offsets.set(streamId, Math.max(offset, this.offsets.get(streamId) ?? offset))
  }
}

/** Finds which rows of a range of log entries are in the table. */
export type FindRows = (range: Omit<RowRange, "appId">) => ReadonlyArray<LocatedRows>

/** The log entries that a table holds. */
export interface Commits {
  /** The number of the last commit. */
  readonly committed: number
  /**
   * Finds the entries of a segment in the commits. The number of the last commit alone proves
   * nothing: another writer may have replaced an earlier commit.
   */
  readonly find: FindRows
}

/** The log entries of a segment; undefined without any. */
export const rangeOf = (appId: string, frames: FoundSegment["frames"]): RowRange | undefined => {
  const firstSequence = frames[0]?.sequence
  const lastSequence = frames[frames.length - 1]?.sequence
  return firstSequence === undefined || lastSequence === undefined
    ? undefined
    : { appId, firstSequence, lastSequence }
}

/** The entries of a range. */
export const framesIn = (
  frames: FoundSegment["frames"],
  { firstSequence, lastSequence }: Omit<RowRange, "appId">
): FoundSegment["frames"] =>
  frames.filter(({ sequence }) => firstSequence <= sequence && sequence <= lastSequence)

/** What recovery needs from a table. */
export interface RecoveredTable extends Commits {
  readonly appId: string
  readonly decode: (frames: FoundSegment["frames"]) => DecodedRows
  /** Commits rows; `again` when they may have been committed before. */
  readonly commit: (
    rows: SegmentRows,
    decoded: DecodedRows,
    again: boolean
  ) => Promise<CommitPlace | undefined>
  /** Keeps a segment with all its rows and their places. */
  readonly keep: (rows: ReadonlyArray<WrittenRows>) => Promise<void>
  readonly remove: (segment: number) => Promise<void>
}

/**
 * Processes the segments in order. Decodes a segment while the previous one is being written, and
 * commits it after that one. Rows that are in the table already are not decoded: the columns may
 * have changed since.
 */
export const recoverSegments = async (
  segments: AsyncIterable<FoundSegment>,
  table: RecoveredTable
): Promise<void> => {
  const { appId, commit, committed, decode, find, keep, remove } = table
  let writing: Promise<void> = Promise.resolve()
  for await (const { frames, number: segment } of segments) {
    const range = rangeOf(appId, frames)
    if (range === undefined) {
      await remove(segment)
      continue
    }
    const parts = find(range).map(({ firstSequence, lastSequence, missing, place }) => {
      const held = framesIn(frames, { firstSequence, lastSequence })
      const rows = held.reduce((sum, { records }) => sum + records.length, 0)
      return {
        rows: { segment, rows, firstSequence, lastSequence, place },
        decoded: missing === "none" ? undefined : decode(held)
      }
    })
    await writing
    writing = (async () => {
      const written: Array<WrittenRows> = []
      for (const { decoded, rows } of parts) {
        if (decoded === undefined) written.push(rows)
        else if (decoded.rows > 0) {
          written.push({
            ...rows,
            place: await commit(rows, decoded, committed >= rows.firstSequence)
          })
        }
      }
      await keep(written)
      if (written.length === 0) await remove(segment)
    })()
    // Awaited in the next round; until then, this prevents an unhandled rejection.
    writing.catch(() => {})
  }
  await writing
}
