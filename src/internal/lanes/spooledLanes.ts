/**
 * Lanes behind one log: which key a record is logged with, and which lane takes an entry that is
 * read.
 *
 *   record --> hash of its key, or a turn --> log --> key modulo number of lanes --> zone of the
 *   lane
 *
 * Keys are in the log, so records of one key come to one lane also when an earlier process had
 * another number of lanes: nothing of that process is sent any more, and what it left is read again
 * from the oldest unsettled offset on.
 *
 * Entries without keys are those of a stream with one lane, in the order of all of them. A stream
 * that promises an order sends them on one lane, and neither they nor entries with keys are sent
 * before the others are settled.
 *
 * The log is read in order. A lane without room holds up those behind it.
 */
import type { InvalidArgument } from "../../ZerobusError.ts"
import { recordEnd } from "../protobuf/envelope.ts"
import type { LogEntry, LogReader, LogTarget } from "../spooledLog.ts"
import { hashKey, keyOf, keyOfBatch, type LaneKey } from "./laneKey.ts"
import type { LanesZone } from "./lanesZone.ts"
import { WORTH_SENDING } from "./laneZone.ts"

/** Bytes of a key in the log. */
const KEY_BYTES = 4

export class SpooledLanes<A> implements LogTarget {
  private readonly zone: LanesZone<A>
  private readonly laneKey: LaneKey<A> | undefined
  /** The lane of records without a key, and what it was given since its turn began. */
  private turn = 0
  private turnBytes = 0
  /** Whether the entries that were fed last have keys. */
  private fedKeys = true

  constructor(zone: LanesZone<A>, laneKey: LaneKey<A> | undefined) {
    this.zone = zone
    this.laneKey = laneKey
  }

  get nextOffset(): number {
    return this.zone.nextOffset
  }

  set nextOffset(offset: number) {
    this.zone.nextOffset = offset
  }

  set onRoom(onRoom: () => void) {
    this.zone.onRoom = onRoom
  }

  get usedRecords(): number {
    return this.zone.usedRecords
  }

  /**
   * What the key of records is hashed to, -1 where records have none, or why it cannot be had. Runs
   * the program's function.
   */
  hashOf(records: ReadonlyArray<A>, atomic: boolean): number | InvalidArgument {
    const { laneKey } = this
    if (laneKey === undefined) return -1
    const key = atomic ? keyOfBatch(laneKey, records) : keyOf(laneKey, records[0]!)
    return typeof key === "object" ? key : hashKey(key)
  }

  /** The key that so many bytes of records are logged with; `hash` is what `hashOf` gave. */
  keyFor(hash: number, bytes: number): number {
    return hash < 0 ? this.nextTurn(bytes) : hash
  }

  /** Notes that records were logged with a key: their receipt waits for its lane. */
  loggedUnsafe(key: number): void {
    this.zone.takenBy = key % this.zone.lanes.length
  }

  feedUnsafe(entry: LogEntry, reader: Pick<LogReader, "takeUnsafe">): boolean {
    const { buffer, end, keys, offset, records, start } = entry
    if (!this.mayFollow(keys >= 0)) return false
    if (keys < 0)
      return this.feedTo(this.laneKey === undefined ? this.nextTurn(end - start) : 0, entry, reader)
    const { zone } = this
    const laneAt = (index: number) =>
      buffer.readUInt32LE(keys + index * KEY_BYTES) % zone.lanes.length
    if (entry.atomic) return this.feedTo(laneAt(0), entry, reader)
    let [at, taken] = [start, 0]
    while (taken < records) {
      const lane = laneAt(taken)
      const into = zone.lanes[lane]!
      const { mostBytes, mostRecords } = into
      let [next, count] = [recordEnd(buffer, at), 1]
      // Neighbours of one lane are handed over together, as much as a message takes.
      while (taken + count < records && count < mostRecords && laneAt(taken + count) === lane) {
        const after = recordEnd(buffer, next)
        if (after - at > mostBytes) break
        next = after
        count++
      }
      if (!into.takeUnsafe(buffer, at, next, count, false)) break
      into.noteUnsafe(offset + taken, count)
      at = next
      taken += count
    }
    zone.nextOffset = offset + taken
    if (taken > 0) reader.takeUnsafe(taken, at - start)
    return taken === records
  }

  /** Which offsets are not settled; once the stream has ended. */
  leftUnsafe(): (offset: number) => boolean {
    const { lanes, nextOffset } = this.zone
    const left = new Set(lanes.flatMap(({ offsets }) => Array.from(offsets.toArray())))
    return (offset) => offset >= nextOffset || left.has(offset)
  }

  /** Whether entries of this kind may be sent while what was fed before is not settled. */
  private mayFollow(haveKeys: boolean): boolean {
    if (this.laneKey !== undefined && haveKeys !== this.fedKeys && !this.zone.isEmpty) return false
    this.fedKeys = haveKeys
    return true
  }

  /** Hands an entry to a lane, or what one message takes of it. */
  private feedTo(lane: number, entry: LogEntry, reader: Pick<LogReader, "takeUnsafe">): boolean {
    const { atomic, offset } = entry
    const into = this.zone.lanes[lane]!
    return into.feedUnsafe(entry, {
      takeUnsafe: (records, bytes) => {
        const offsets = atomic ? 1 : records
        into.noteUnsafe(offset, offsets)
        this.zone.nextOffset = offset + offsets
        reader.takeUnsafe(records, bytes)
      }
    })
  }

  /** The lane that so many bytes of records without a key go to: another one for each message. */
  private nextTurn(bytes: number): number {
    this.turnBytes += bytes
    if (this.turnBytes <= WORTH_SENDING) return this.turn
    this.turnBytes = bytes
    const { lanes } = this.zone
    const others = lanes.map((_, step) => (this.turn + 1 + step) % lanes.length)
    this.turn = others.find((lane) => lanes[lane]!.hasSession) ?? others[0]!
    return this.turn
  }
}
