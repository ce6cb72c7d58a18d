/**
 * A landing zone that a log feeds: its records come encoded, in the order of their offsets, and
 * wait in the log while the zone is full.
 */
import { HEAD_ROOM, recordEnd } from "../protobuf/envelope.ts"
import type { LogEntry, LogReader, LogTarget } from "../spooledLog.ts"
import { ALONE } from "./chunk.ts"
import { LandingZone } from "./landingZone.ts"

export class FedZone<A> extends LandingZone<A> implements LogTarget {
  /** Called when there may be room, after acknowledgements were published. */
  onRoom: () => void = () => {}

  override admitUnsafe(): void {
    super.admitUnsafe()
    this.onRoom()
  }

  /** The most single records that one message takes, and their bytes with tags and lengths. */
  get mostRecords(): number {
    return this.limits.coalesceRecords
  }

  get mostBytes(): number {
    return Math.min(this.coalesceBytes, this.limits.maxInflightBytes / 4)
  }

  /** Takes an entry, or as much of it as one message takes, as `LogTarget` describes. */
  feedUnsafe(
    { atomic, buffer, end, records, start }: LogEntry,
    reader: Pick<LogReader, "takeUnsafe">
  ): boolean {
    const { mostBytes, mostRecords } = this
    let [at, count] = [end, records]
    if (!atomic && (end - start > mostBytes || records > mostRecords)) {
      for (at = start, count = 0; at < end && count < mostRecords; count++) {
        const next = recordEnd(buffer, at)
        if (count > 0 && next - start > mostBytes) break
        at = next
      }
    }
    if (!this.takeUnsafe(buffer, start, at, count, atomic)) return false
    reader.takeUnsafe(count, at - start)
    return true
  }

  /**
   * Takes records with tags and lengths: single ones, or a batch. Returns false when there is no
   * room. A closed stream takes them too, since it accepted them before.
   */
  takeUnsafe(
    source: Buffer,
    start: number,
    end: number,
    records: number,
    atomic: boolean
  ): boolean {
    if (!this.hasRoomFor(ALONE + end - start)) return false
    const { open, writer } = this
    const begunBehind = !atomic && open !== undefined && open.records + records <= this.mostRecords
    writer.begin(begunBehind ? 0 : HEAD_ROOM)
    writer.writeContent(source.subarray(start, end))
    if (!begunBehind || !this.joinsOpen()) {
      if (begunBehind && !writer.moved) writer.detach()
      this.keepMessage(records, atomic, atomic ? 1 : records)
      return true
    }
    const { size } = writer
    writer.commit()
    open.end += size
    open.records += records
    open.offsets += records
    this.usedBytes += size
    this.acceptedBytes += size
    this.turns.acceptedBytes += size
    this.acceptedRecords += records
    this.usedRecords += records
    this.nextOffset += records
    return true
  }

  /** Whether there is room for this many bytes. An empty zone has room for anything. */
  protected hasRoomFor(bytes: number): boolean {
    const { maxInflightBytes, maxInflightRecords } = this.limits
    return (
      this.isEmpty ||
      (this.usedRecords < maxInflightRecords &&
        this.usedBytes + this.overhead + bytes <= maxInflightBytes)
    )
  }
}
