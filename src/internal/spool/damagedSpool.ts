/**
 * Reads a damaged spool as far as it can be read: which places are damaged, which offsets are gone,
 * and what is left. It changes nothing.
 *
 * Behind a damaged place reading goes on at the next whole group frame of the file. A torn end of
 * the last file is no damage: opening the spool cuts it off. Nor is anything in a file whose
 * records are all acknowledged.
 */
import { FRAME_PREFIX, frameEnd, groupBehind } from "../log/frames.ts"
import type { LogDisk } from "../log/logDisk.ts"
import { readHeader, segmentNumbers, segmentPath } from "../log/segmentFiles.ts"
import { readAcknowledged } from "./acknowledgedFile.ts"
import {
  type Entry,
  makeEntry,
  offsetsOf,
  type Position,
  readEntry,
  readPosition,
  skipRecords
} from "./entries.ts"
import type { SpoolHeader } from "./identity.ts"
import { acknowledgedPath, isSettled } from "./spoolScan.ts"

/** Bytes of a file that are not what was written. */
export interface DamagedPlace {
  readonly path: string
  readonly byte: number
  readonly bytes: number
}

/** Offsets, both included. */
export interface OffsetRange {
  readonly first: number
  readonly last: number
}

/** A file of the spool; one whose header is damaged has none. */
interface FoundSegment {
  readonly number: number
  readonly header: SpoolHeader | undefined
}

/** What can be read of a spool. */
export interface DamagedSpool {
  readonly segments: ReadonlyArray<FoundSegment>
  readonly damage: ReadonlyArray<DamagedPlace>
  /** Offsets that are neither acknowledged nor readable. */
  readonly lost: ReadonlyArray<OffsetRange>
  /** Up to which segment, by index, files are damaged or followed by a gap; -1 for none. */
  readonly upTo: number
  /** Everything up to this offset is acknowledged. */
  readonly acknowledged: number
  /** The offset that comes next. */
  readonly next: number
  /** Offsets that wait and can be read, and their records. */
  readonly offsets: number
  readonly records: number
  /** Of them those in segments up to `upTo`. */
  readonly offsetsUpTo: number
}

/** Called with what can be read, in order. */
export interface Visitor {
  readonly entry: (entry: Entry) => Promise<void> | void
  readonly position: (position: Position) => void
}

/** Reads the headers of all segments. */
const findSegments = async (
  disk: LogDisk,
  folder: string
): Promise<ReadonlyArray<FoundSegment>> => {
  const found: Array<FoundSegment> = []
  for (const number of await segmentNumbers(disk, folder)) {
    found.push({ number, header: await readHeader<SpoolHeader>(disk, segmentPath(folder, number)) })
  }
  return found
}

/** What a walk through a segment found. */
export interface Walked {
  readonly places: ReadonlyArray<DamagedPlace>
  /** The offset behind the highest one in the file. */
  readonly reached: number
}

/** Walks through one segment; entries whose offsets a later file has are left out. */
export const walkSegment = async (
  disk: LogDisk,
  folder: string,
  segments: ReadonlyArray<FoundSegment>,
  index: number,
  visitor: Visitor
): Promise<Walked> => {
  const { header, number } = segments[index]!
  const path = segmentPath(folder, number)
  const following = segments[index + 1]?.header?.before
  const file = await disk.readFile(path)
  const bound = following?.file === number ? following.bytes : undefined
  const content = bound === undefined ? file : file.subarray(0, bound)
  /** From here on offsets belong to a later file: a group that failed may lie in front of it. */
  const limit =
    segments.slice(index + 1).find((later) => later.header !== undefined)?.header?.first ?? Infinity
  const places: Array<DamagedPlace> = []
  let reached = -1
  const entry = makeEntry()
  const end = bound ?? content.length
  for (let at = 0; at < end;) {
    const frame = frameEnd(content, at)
    if (frame >= 0) {
      const body = at + FRAME_PREFIX
      const position = readPosition(content, body, frame)
      if (position !== undefined) visitor.position(position)
      if (readEntry(content, body, frame, entry)) {
        reached = Math.max(reached, entry.offset + offsetsOf(entry))
        if (entry.offset < limit) await visitor.entry(entry)
      }
      at = frame
      continue
    }
    const next = groupBehind(content, at, header)
    const isTorn = next < 0 && bound === undefined && index === segments.length - 1
    // A file that holds no group: a crash has cut its making short.
    const isUnfinished = header === undefined && next < 0 && index === segments.length - 1
    if (!isTorn && !isUnfinished) places.push({ path, byte: at, bytes: file.length })
    if (next < 0) break
    at = next
  }
  return { places, reached }
}

/** Takes the offsets of entries in order, without those that are acknowledged or come twice. */
export class OffsetLine {
  readonly lost: Array<OffsetRange> = []
  expected: number

  constructor(expected: number) {
    this.expected = expected
  }

  /** Notes that the next offset is at least this one. */
  reach(offset: number): boolean {
    if (offset <= this.expected) return false
    this.lost.push({ first: this.expected, last: offset - 1 })
    this.expected = offset
    return true
  }

  /**
   * What of an entry is new: `false` for nothing. The entry is changed to begin at the expected
   * offset.
   */
  take(entry: Entry): boolean {
    const next = entry.offset + offsetsOf(entry)
    if (next <= this.expected) return false
    if (entry.offset < this.expected) skipRecords(entry, this.expected - entry.offset)
    this.reach(entry.offset)
    this.expected = next
    return true
  }
}

/**
 * Up to which offset everything is acknowledged, or was given up when older files were moved away.
 */
const acknowledgedOf = async (
  disk: LogDisk,
  folder: string,
  segments: ReadonlyArray<FoundSegment>
): Promise<number> => {
  const noted = await readAcknowledged(disk, acknowledgedPath(folder))
  return Math.max(noted, (segments[0]?.header?.first ?? 0) - 1)
}

/** Looks through a spool, however damaged it is. */
export const surveySpool = async (disk: LogDisk, folder: string): Promise<DamagedSpool> => {
  const segments = await findSegments(disk, folder)
  const acknowledged = await acknowledgedOf(disk, folder, segments)
  const line = new OffsetLine(acknowledged + 1)
  const damage: Array<DamagedPlace> = []
  let [upTo, offsets, records, offsetsUpTo, reachedBefore] = [-1, 0, 0, 0, -1]
  for (const [index, { header }] of segments.entries()) {
    const mark = (last: number): void => {
      upTo = last
      offsetsUpTo = offsets
    }
    const following = segments[index + 1]?.header
    if (following !== undefined && isSettled(following, acknowledged)) continue
    if (header !== undefined && line.reach(header.first)) mark(index - 1)
    const gaps = line.lost.length
    const { places, reached } = await walkSegment(disk, folder, segments, index, {
      entry: (entry) => {
        if (!line.take(entry)) return
        offsets += offsetsOf(entry)
        records += entry.records
      },
      position: () => {}
    })
    damage.push(...places)
    const overlaps = header !== undefined && header.first < reachedBefore
    if (places.length > 0 || line.lost.length > gaps || overlaps) mark(index)
    reachedBefore = Math.max(reachedBefore, reached)
  }
  const { expected, lost } = line
  return {
    segments,
    damage,
    lost,
    upTo,
    acknowledged,
    next: expected,
    offsets,
    records,
    offsetsUpTo
  }
}
