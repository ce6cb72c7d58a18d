/**
 * The interface of one table to the shared log: its sequence numbers and its segments. A segment
 * holds the records that one flush commits. They are in the shared log or in the table's own log.
 */
import { nodeDisk } from "../../internal/log/logDisk.ts"
import { segmentPath } from "../../internal/log/segmentFiles.ts"
import type { FoundPart } from "./foundRows.ts"
import type { LogFormat, RecordsFrame, StreamPosition } from "./logFrames.ts"
import { readFrames } from "./logSegments.ts"
import { writeOwn } from "./ownLog.ts"
import type { Place } from "./placedRows.ts"
import type { LogOwner } from "./sharedFrames.ts"
import type { Appender, DurableCallback, LogWriter, PlacedRows, SharedLog } from "./sharedLog.ts"

interface Segment extends PlacedRows {
  readonly number: number
  places: Array<Place>
  /** Files of the table's own log that hold records of the segment. */
  readonly own: Array<number>
}

/** A group number that no records have. */
const NO_GROUP = 0

/** The log of one table. */
export class TableLog implements Appender {
  /** The folder of the table's own log. */
  readonly ownFolder: string
  /**
   * Called when groups fail, before their callbacks, with the number of the first one. The callee
   * has to remove the rows of that group and later ones.
   */
  onGroupsFailed: (firstGroup: number) => void = () => {}
  private readonly shared: SharedLog
  private readonly owner: LogOwner
  private readonly segments = new Map<number, Segment>()
  private segment: Segment
  private nextFile: number
  private nextSequence = 1
  /** The first sequence number of the open segment. */
  segmentStart = 1
  private lastGroup = NO_GROUP
  private closed = false

  /** `ownFiles` are the files of the table's own log. */
  constructor(
    shared: SharedLog,
    owner: LogOwner,
    ownFolder: string,
    ownFiles: ReadonlyArray<number>
  ) {
    this.shared = shared
    this.owner = owner
    this.ownFolder = ownFolder
    for (const number of ownFiles) this.segments.set(number, { number, places: [], own: [number] })
    this.nextFile = Math.max(0, ...ownFiles) + 1
    this.segment = this.newSegment(this.nextFile)
  }

  private newSegment(number: number, places: Array<Place> = []): Segment {
    const segment: Segment = { number, places, own: [] }
    this.segments.set(number, segment)
    return segment
  }

  /** The folder of the shared log, which holds most of the records. */
  get folder(): string {
    return this.shared.folder
  }

  /** The number of the group that the next append joins. */
  get openGroup(): number {
    return this.shared.openGroup
  }

  /** The sequence number of the last append, durable or not. */
  get lastSequence(): number {
    return this.nextSequence - 1
  }

  /** The last group up to which all groups are settled: on disk, or failed. */
  get settledGroup(): number {
    return this.shared.settledGroup
  }

  /** Sets the next sequence number, before the first append. */
  startAt(sequence: number): void {
    this.nextSequence = sequence
    this.segmentStart = sequence
  }

  /** A new writer for records of this format. */
  writerOf(format: LogFormat): LogWriter {
    return this.shared.writerOf({ owner: this.owner, format })
  }

  /** Appends the records of one message and returns the number of their group. Copies the bytes. */
  append(writer: LogWriter, records: ReadonlyArray<Uint8Array>, position?: StreamPosition): number {
    if (this.closed) return NO_GROUP
    const group = this.shared.append(
      this,
      this.segment,
      writer,
      this.nextSequence++,
      records,
      position
    )
    this.lastGroup = group
    return group
  }

  groupsFailed(firstGroup: number): void {
    this.onGroupsFailed(firstGroup)
  }

  /** Calls back once the group is on disk or has failed; immediately if it already is or has. */
  onDurable(group: number, callback: DurableCallback): void {
    this.shared.onDurable(group, callback)
  }

  /**
   * Starts a new segment. Returns the number and the first sequence number of the segment that ends
   * here. With `endGroup`, no group has records of both segments.
   */
  rotate(endGroup: boolean): { readonly segment: number; readonly firstSequence: number } {
    const { number: segment } = this.segment
    const firstSequence = this.segmentStart
    if (endGroup && this.lastGroup === this.shared.openGroup) this.shared.endGroup()
    this.segment = this.newSegment(segment + 1)
    this.segmentStart = this.nextSequence
    return { segment, firstSequence }
  }

  /**
   * Creates a segment from records that a start found in the shared log. Only before the first
   * append.
   */
  adopt(parts: ReadonlyArray<FoundPart>): number {
    const segment = this.segment
    segment.places = parts.flatMap(({ places }) => places)
    this.shared.use(segment, segment.places)
    this.segment = this.newSegment(segment.number + 1)
    return segment.number
  }

  /** Deletes a segment whose records are committed to the table. */
  async removeSegment(number: number): Promise<void> {
    const segment = this.segments.get(number)
    if (segment === undefined) return
    this.segments.delete(number)
    for (const file of segment.own) await nodeDisk.remove(segmentPath(this.ownFolder, file))
    await this.shared.release(segment, segment.places)
  }

  /** Reads the durable records of a segment back. */
  async readBack(number: number): Promise<ReadonlyArray<RecordsFrame>> {
    const segment = this.segments.get(number)
    if (segment === undefined) return []
    const frames: Array<RecordsFrame> = []
    for (const file of segment.own)
      frames.push(...(await readFrames(this.ownFolder, { file, bytes: Infinity })))
    frames.push(...(await this.shared.readBack(segment)))
    return frames
  }

  /**
   * Moves the records of all segments except the open one into the table's own log. There they keep
   * no file of the shared log, and can be salvaged and discarded. If that fails, it rejects and the
   * records stay in place.
   */
  async moveOut(): Promise<void> {
    await new Promise<void>((resolve) => this.shared.onDurable(this.lastGroup, () => resolve()))
    const upTo = this.segmentStart - 1
    let moved = false
    for (const segment of this.segments.values()) {
      const { places } = segment
      if (places.length === 0 || segment === this.segment) continue
      const frames = await this.shared.readBack(segment, true)
      const file = this.nextFile++
      await writeOwn(this.ownFolder, file, this.owner, frames)
      segment.own.push(file)
      segment.places = []
      await this.shared.release(segment, places)
      moved = true
    }
    if (moved) await this.shared.disown(this.owner.tableId, upTo)
  }

  /** Releases all records of a dropped table. */
  async drop(): Promise<void> {
    await this.shared.disown(this.owner.tableId, Number.MAX_SAFE_INTEGER)
    for (const segment of this.segments.values()) await this.shared.release(segment, segment.places)
    this.segments.clear()
  }

  /** Waits for the pending groups. Later appends are ignored. */
  async close(): Promise<void> {
    this.closed = true
    await new Promise<void>((resolve) => this.shared.onDurable(this.lastGroup, () => resolve()))
  }
}
