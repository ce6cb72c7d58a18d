/**
 * What a store does at its start with the log segments of a table: rows that the table lacks are
 * committed, and every segment is kept until a later look.
 */
import type { CommitFinder, CommitPlace, RowRange } from "../delta/commitPlace.ts"
import type { FoundSegment } from "../log/logSegments.ts"
import type { DecodedRows } from "../records/recordDecoder.ts"
import type { SegmentRows, WrittenRows } from "./writtenSegments.ts"

/** What a table holds of its log. */
export interface Commits {
  /** The number of the last commit. */
  readonly committed: number
  /**
   * Finds the commits of a range on disk. The number of the last commit is no proof alone: another writer may have replaced
   * an earlier one.
   */
  readonly find: CommitFinder
}

/** The log entries of a segment; undefined without any. */
export const rangeOf = (appId: string, frames: FoundSegment["frames"]): RowRange | undefined => {
  const firstSequence = frames[0]?.sequence
  const lastSequence = frames[frames.length - 1]?.sequence
  return firstSequence === undefined || lastSequence === undefined ? undefined : { appId, firstSequence, lastSequence }
}

/** The entries of a range. */
export const framesIn = (
  frames: FoundSegment["frames"],
  { firstSequence, lastSequence }: Omit<RowRange, "appId">
): FoundSegment["frames"] => frames.filter(({ sequence }) => firstSequence <= sequence && sequence <= lastSequence)

/** What recovery needs of a table. */
export interface RecoveredTable extends Commits {
  readonly appId: string
  readonly decode: (frames: FoundSegment["frames"]) => DecodedRows
  /** Commits rows; `again` when they may have been committed before. */
  readonly commit: (rows: SegmentRows, decoded: DecodedRows, again: boolean) => Promise<CommitPlace | undefined>
  /** Keeps a segment with all of its rows, each at its place. */
  readonly keep: (rows: ReadonlyArray<WrittenRows>) => Promise<void>
  readonly remove: (segment: number) => Promise<void>
}

/**
 * Goes through the segments in order. Decodes one while the one before is being written, but sends it
 * only after that one is committed. Rows that are in the table are not decoded: the columns may have
 * changed since.
 */
export const recoverSegments = async (segments: AsyncIterable<FoundSegment>, table: RecoveredTable): Promise<void> => {
  const { appId, commit, committed, decode, find, keep, remove } = table
  let writing: Promise<void> = Promise.resolve()
  for await (const { frames, number: segment } of segments) {
    const range = rangeOf(appId, frames)
    if (range === undefined) {
      await remove(segment)
      continue
    }
    const parts = (await find(range)).map(({ firstSequence, lastSequence, missing, place }) => {
      const held = framesIn(frames, { firstSequence, lastSequence })
      const rows = held.reduce((sum, { records }) => sum + records.length, 0)
      return {
        rows: { segment, rows, firstSequence, lastSequence, place },
        decoded: missing === undefined ? undefined : decode(held)
      }
    })
    await writing
    writing = (async () => {
      const written: Array<WrittenRows> = []
      for (const { decoded, rows } of parts) {
        if (decoded === undefined) written.push(rows)
        else if (decoded.rows > 0) {
          written.push({ ...rows, place: await commit(rows, decoded, committed >= rows.firstSequence) })
        }
      }
      await keep(written)
      if (written.length === 0) await remove(segment)
    })()
    // Awaited in the next round; this keeps a failure from counting as unhandled until then.
    writing.catch(() => {})
  }
  await writing
}
