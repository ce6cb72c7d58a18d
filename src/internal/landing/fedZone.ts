/**
 * A landing zone that is fed from a log: its records come encoded, in the order of their offsets, and wait in the log while there is no
 * room.
 */
import { HEAD_ROOM } from "../protobuf/envelope.ts"
import { ALONE } from "./chunk.ts"
import { LandingZone } from "./landingZone.ts"

export class FedZone<A> extends LandingZone<A> {
  /** Called when there may be room, after acknowledgements were published. */
  onRoom: () => void = () => {}

  override admitUnsafe(): void {
    super.admitUnsafe()
    this.onRoom()
  }

  /**
   * Takes records with tags and lengths: a run of single ones, or a batch. False when there is no room; an empty zone has room for
   * anything. A closed stream takes them too, since it accepted them before.
   */
  takeUnsafe(source: Buffer, start: number, end: number, records: number, atomic: boolean): boolean {
    const { maxInflightBytes, maxInflightRecords } = this.limits
    const bytes = this.usedBytes + this.overhead + ALONE + end - start
    if (!this.isEmpty && (this.usedRecords >= maxInflightRecords || bytes > maxInflightBytes)) return false
    const { open, writer } = this
    const begunBehind = !atomic && open !== undefined && open.records + records <= this.limits.coalesceRecords
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
}
