/**
 * The landing zone of one lane. It takes its room from a budget that all lanes of the stream share.
 *
 * A lane that has no session takes no more than half of the budget, so that one whose connection is
 * lost leaves room to the others. What it held before it may exceed that: nothing is dropped.
 */
import { FedZone } from "../landing/fedZone.ts"
import type { LandingZone, ZoneParts } from "../landing/landingZone.ts"
import type { LandingZoneLimits } from "../landing/sizeLimits.ts"
import { LaneOffsets } from "./laneOffsets.ts"

/**
 * Bytes of a message that is worth its cost: frame, write to the socket and acknowledgement
 * together take as long as some hundred small records.
 */
export const WORTH_SENDING = 64 * 1024

/** Milliseconds after which a message is sent in the next turn, however little it holds. */
export const GATHERING = 10

/** The room of all lanes of a stream. */
export interface LanesBudget {
  /** In use, overhead included. */
  bytes: number
  records: number
  readonly limits: LandingZoneLimits
  /** Called when there may be room, after acknowledgements were published. */
  onRoom: () => void
  /** Whether a caller has records for the next turn of the event loop. */
  readonly moreToCome: () => boolean
}

export class LaneZone<A> extends FedZone<A> {
  /** The stream's offsets of what is not settled. */
  readonly offsets = new LaneOffsets()
  /** Which lane it is, from 0. */
  readonly index: number
  /** Whether a session of the lane is open. */
  hasSession = false
  private readonly budget: LanesBudget
  /** What the budget counts of this lane. */
  private countedBytes = 0
  private countedRecords = 0

  constructor(options: ZoneParts<A>, index: number, budget: LanesBudget) {
    super({ ...options, firstChunk: WORTH_SENDING })
    this.index = index
    this.budget = budget
  }

  /**
   * Whether the lane has its part of the budget, so that so many more bytes wait although there may
   * be room.
   */
  isCapped(charge: number): boolean {
    if (this.hasSession || this.closed || this.isEmpty) return false
    const { maxInflightBytes, maxInflightRecords } = this.budget.limits
    return (
      this.usedBytes + this.overhead + charge > maxInflightBytes / 2 ||
      this.usedRecords + 1 > maxInflightRecords / 2
    )
  }

  /** Bytes that wait to be sent, other than those that are still gathered. */
  get readyBytes(): number {
    return this.queuedBytes < WORTH_SENDING ? 0 : this.queuedBytes
  }

  /**
   * What a turn brings is little per lane when there are many. So while more is to come, a message
   * gathers over some turns. In each of them the lane looks again, which needs nobody to tell it
   * that callers have left.
   */
  override listenUnsafe(listener: () => void): () => void {
    let looking = false
    return super.listenUnsafe(() => {
      // A scheduler of the program may run the next turn at once: then there is nothing to wait
      // for.
      if (looking || !this.isGathering) return listener()
      looking = true
      this.queue.tellNextTurn()
      looking = false
    })
  }

  /**
   * Whether more records would make the last message of the lane cheaper, and are about to come.
   */
  private get isGathering(): boolean {
    return (
      this.isFilling &&
      this.queuedBytes < Math.min(WORTH_SENDING, this.coalesceBytes) &&
      this.budget.moreToCome() &&
      this.now() - this.open!.acceptedAt < GATHERING
    )
  }

  /**
   * Notes the offsets of records that the lane has taken from a log, this one and those behind it.
   */
  noteUnsafe(offset: number, count: number): void {
    for (let i = 0; i < count; i++) this.offsets.push(offset + i)
    this.countUnsafe()
  }

  /** Brings the budget up to date with what the lane holds. */
  countUnsafe(): void {
    const bytes = this.usedBytes + this.overhead
    this.budget.bytes += bytes - this.countedBytes
    this.countedBytes = bytes
    this.budget.records += this.usedRecords - this.countedRecords
    this.countedRecords = this.usedRecords
  }

  override acknowledgeUnsafe(count: number): number {
    const last = super.acknowledgeUnsafe(count)
    this.countUnsafe()
    return last
  }

  override divideUnsafe(...division: Parameters<LandingZone<A>["divideUnsafe"]>): void {
    super.divideUnsafe(...division)
    this.countUnsafe()
  }

  override shortenOldestUnsafe(
    ...shortening: Parameters<LandingZone<A>["shortenOldestUnsafe"]>
  ): void {
    super.shortenOldestUnsafe(...shortening)
    this.countUnsafe()
  }

  /** Callers wait in the lines of the stream, not in one of the lane. */
  override admitUnsafe(): void {
    this.budget.onRoom()
  }

  protected override fits(charge: number): boolean {
    return !this.closed && this.hasBudgetFor(charge)
  }

  /** Whether there is room for what a log holds, which must get through also where it is alone. */
  protected override hasRoomFor(bytes: number): boolean {
    return this.budget.records === 0 || this.hasBudgetFor(bytes)
  }

  private hasBudgetFor(charge: number): boolean {
    const { bytes, limits, records } = this.budget
    return (
      records < limits.maxInflightRecords &&
      bytes + charge <= limits.maxInflightBytes &&
      !this.isCapped(charge)
    )
  }
}
