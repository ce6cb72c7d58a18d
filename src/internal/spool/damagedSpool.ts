/**
 * Reads as much of a damaged spool as possible: which places are damaged, which offsets are lost,
 * and which records are readable. It changes nothing.
 *
 * After a damaged place, reading continues at the next whole group frame of the file. A torn end of
 * the last file is not damage: opening the spool cuts it off. Damage in a file whose records are
 * all acknowledged does not count either.
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

/** Bytes of a file that differ from what was written. */
export interface DamagedPlace {
  readonly path: string
  readonly byte: number
  readonly bytes: number
}

/** A range of offsets, inclusive. */
export interface OffsetRange {
  readonly first: number
  readonly last: number
}

/** A file of the spool; without a header when that is damaged. */
interface FoundSegment {
  readonly number: number
  readonly header: SpoolHeader | undefined
}

/** The readable content of a spool. */
export interface DamagedSpool {
  readonly segments: ReadonlyArray<FoundSegment>
  readonly damage: ReadonlyArray<DamagedPlace>
  /** Offsets that are neither acknowledged nor readable. */
  readonly lost: ReadonlyArray<OffsetRange>
  /** The index of the last segment that is damaged or followed by a gap; -1 for none. */
  readonly upTo: number
  /** Everything up to this offset is acknowledged. */
  readonly acknowledged: number
  /** The next offset. */
  readonly next: number
  /** Offsets that wait and are readable, and their records. */
  readonly offsets: number
  readonly records: number
  /** Those of them in segments up to `upTo`. */
  readonly offsetsUpTo: number
}

/** Receives readable entries and positions, in order. */
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

/** The result of reading a segment. */
export interface Walked {
  readonly places: ReadonlyArray<DamagedPlace>
  /** The offset after the highest one in the file. */
  readonly reached: number
}

/** Reads one segment. Entries whose offsets are in a later file are left out. */
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
  /**
   * Offsets from here on belong to a later file: this file may end with a failed group of the same
   * offsets.
   */
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
    // A file without a group: a crash interrupted its creation.
    const isUnfinished = header === undefined && next < 0 && index === segments.length - 1
    if (!isTorn && !isUnfinished) places.push({ path, byte: at, bytes: file.length })
    if (next < 0) break
    at = next
  }
  return { places, reached }
}

/** Collects the offsets of entries in order, without acknowledged or repeated ones. */
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
   * Takes the new part of an entry: changes it to begin at the expected offset. Returns false when
   * nothing is new.
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
 * Everything up to this offset is acknowledged, or was given up when older files were moved away.
 */
const acknowledgedOf = async (
  disk: LogDisk,
  folder: string,
  segments: ReadonlyArray<FoundSegment>
): Promise<number> => {
  const noted = await readAcknowledged(disk, acknowledgedPath(folder))
  return Math.max(noted, (segments[0]?.header?.first ?? 0) - 1)
}

/** Examines a spool, however damaged it is. */
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
