/**
 * What a store does at its start with the log segments of a table: rows that the table lacks are
 * committed, and every segment is kept until a later look.
 */
import type { CommitFinder, CommitPlace, FoundCommit, RowRange } from "../delta/commitPlace.ts"
import type { FoundSegment } from "../log/logSegments.ts"
import type { DecodedRows } from "../records/recordDecoder.ts"
import type { SegmentRows } from "./writtenSegments.ts"

/** What a table holds of its log. */
export interface Commits {
  /** The number of the last commit. */
  readonly committed: number
  /** Finds the commit of a range on disk. */
  readonly find: CommitFinder
}

/** How much of a segment is in the table. */
export interface Progress {
  /** The number of the last entry whose rows are there, with no file of theirs lost. */
  readonly after: number
  /** The commit of the entries up to `after`. */
  readonly found: FoundCommit | undefined
}

/** The log entries of a segment; undefined without any. */
export const rangeOf = (appId: string, frames: FoundSegment["frames"]): RowRange | undefined => {
  const firstSequence = frames[0]?.sequence
  const lastSequence = frames[frames.length - 1]?.sequence
  return firstSequence === undefined || lastSequence === undefined ? undefined : { appId, firstSequence, lastSequence }
}

/**
 * Looks where the entries of a segment are. The number of the last commit is no proof alone: another writer may have
 * replaced an earlier one.
 */
export const progressOf = async (range: RowRange, { committed, find }: Commits): Promise<Progress> => {
  // A write that failed may have left entries behind those of the commit.
  const after = Math.min(committed, range.lastSequence)
  const found = after < range.firstSequence ? undefined : await find({ ...range, lastSequence: after })
  return found !== undefined && found.lost.length === 0
    ? { after, found }
    : { after: range.firstSequence - 1, found: undefined }
}

/** What recovery needs of a table. */
export interface RecoveredTable extends Commits {
  readonly appId: string
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
export const recoverSegments = async (segments: AsyncIterable<FoundSegment>, table: RecoveredTable): Promise<void> => {
  const { appId, commit, committed, decode, keep, remove } = table
  let writing: Promise<void> = Promise.resolve()
  for await (const { frames, number: segment } of segments) {
    const range = rangeOf(appId, frames)
    if (range === undefined) {
      await remove(segment)
      continue
    }
    const { firstSequence, lastSequence } = range
    const { after, found } = await progressOf(range, table)
    if (found !== undefined && after === lastSequence) {
      const rows = frames.reduce((sum, { records }) => sum + records.length, 0)
      await writing
      await keep({ segment, rows, firstSequence, lastSequence }, found.place)
      continue
    }
    const decoded = decode(frames, after)
    await writing
    const missing = { segment, rows: decoded.rows, firstSequence: after + 1, lastSequence }
    writing = commit(missing, decoded, committed >= firstSequence).then((place) => keep(missing, place))
    // Awaited in the next round; this keeps a failure from counting as unhandled until then.
    writing.catch(() => {})
  }
  await writing
}
