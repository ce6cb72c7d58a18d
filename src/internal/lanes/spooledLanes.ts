/**
 * Lanes fed by one log: chooses the key that a record is logged with, and the lane that takes an
 * entry.
 *
 *   record --> hash of its key, or a turn --> log --> key modulo lanes --> zone of the lane
 *
 * Keys are stored in the log. So records of one key stay on one lane even if an earlier process had
 * another number of lanes: nothing of that process is still being sent, and its unsettled records
 * are read again from the oldest one on.
 *
 * Entries without keys come from a stream with one lane, in the order of all its records. A stream
 * with a `laneKey` promises an order, so it sends them on one lane. Entries with keys and entries
 * without wait until the other kind is settled.
 *
 * The log is read in order. A lane without room blocks the entries behind it.
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
  /** The lane of records without a key, and the bytes it got since its turn began. */
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
   * The hash of the records' key, -1 for records without keys, or why the key cannot be computed.
   * Runs the program's function.
   */
  hashOf(records: ReadonlyArray<A>, atomic: boolean): number | InvalidArgument {
    const { laneKey } = this
    if (laneKey === undefined) return -1
    const key = atomic ? keyOfBatch(laneKey, records) : keyOf(laneKey, records[0]!)
    return typeof key === "object" ? key : hashKey(key)
  }

  /** The key under which `bytes` bytes of records are logged; `hash` is the result of `hashOf`. */
  keyFor(hash: number, bytes: number): number {
    return hash < 0 ? this.nextTurn(bytes) : hash
  }

  /** Notes that records were logged with a key: their receipt waits for the lane of that key. */
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
      // Consecutive records of one lane are handed over together, up to the size of a message.
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

  /** Tests which offsets are unsettled, once the stream has ended. */
  leftUnsafe(): (offset: number) => boolean {
    const { lanes, nextOffset } = this.zone
    const left = new Set(lanes.flatMap(({ offsets }) => Array.from(offsets.toArray())))
    return (offset) => offset >= nextOffset || left.has(offset)
  }

  /** Whether entries of this kind may be sent while those fed before are unsettled. */
  private mayFollow(haveKeys: boolean): boolean {
    if (this.laneKey !== undefined && haveKeys !== this.fedKeys && !this.zone.isEmpty) return false
    this.fedKeys = haveKeys
    return true
  }

  /** Hands an entry to a lane, or the part of it that one message takes. */
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

  /** The lane for the next `bytes` bytes of records without a key. It changes for each message. */
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
