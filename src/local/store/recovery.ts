/**
 * What a store does at its start with the log segments of a table: rows that the table lacks are
 * committed, and every segment is kept until a later look.
 */
import type { CommitPlace, FoundCommit, RowRange } from "../delta/commitPlace.ts"
import type { FoundSegment } from "../log/logSegments.ts"
import type { DecodedRows } from "../records/recordDecoder.ts"
import type { SegmentRows } from "./writtenSegments.ts"

/** What recovery needs of a table. */
export interface RecoveredTable {
  readonly appId: string
  /** The number of the last commit. */
  readonly committed: number
  /** Finds the commit of a range on disk. */
  readonly find: (range: RowRange) => Promise<FoundCommit | undefined>
  /** Decodes entries newer than `after`. */
  readonly decode: (frames: FoundSegment["frames"], after: number) => DecodedRows
  /** Commits rows; `again` when they may have been committed before. */
  readonly commit: (rows: SegmentRows, decoded: DecodedRows, again: boolean) => Promise<CommitPlace | undefined>
  readonly keep: (rows: SegmentRows, place: CommitPlace | undefined) => Promise<void>
  readonly remove: (segment: number) => Promise<void>
}

/**
 * Goes through the segments in order. Decodes one while the one before is being written, but sends it
 * only after that one is committed. A segment whose rows are in the table is not decoded: the columns
 * may have changed since.
 */
export const recoverSegments = async (
  segments: AsyncIterable<FoundSegment>,
  { appId, commit, committed, decode, find, keep, remove }: RecoveredTable
): Promise<void> => {
  let writing: Promise<void> = Promise.resolve()
  for await (const { frames, number: segment } of segments) {
    const firstSequence = frames[0]?.sequence
    const lastSequence = frames[frames.length - 1]?.sequence
    if (firstSequence === undefined || lastSequence === undefined) {
      await remove(segment)
      continue
    }
    const rows = frames.reduce((sum, { records }) => sum + records.length, 0)
    // A write that failed may have left entries behind those of the commit.
    const end = Math.min(committed, lastSequence)
    const found = end < firstSequence ? undefined : await find({ appId, firstSequence, lastSequence: end })
    const isThere = found !== undefined && found.lost.length === 0
    if (isThere && end === lastSequence) {
      await writing
      await keep({ segment, rows, firstSequence, lastSequence }, found.place)
      continue
    }
    const after = isThere ? end : firstSequence - 1
    const decoded = decode(frames, after)
    await writing
    const missing = { segment, rows: decoded.rows, firstSequence: after + 1, lastSequence }
    writing = commit(missing, decoded, end >= firstSequence).then((place) => keep(missing, place))
    // Awaited in the next round; this keeps a failure from counting as unhandled until then.
    writing.catch(() => {})
  }
  await writing
}
