/**
 * The landing zone of one lane. It takes room from a budget that all lanes of the stream share.
 *
 * A lane without a session takes at most half of the budget, so that a lost connection leaves room
 * to the others. Records that it took before may exceed that: nothing is dropped.
 */
import { FedZone } from "../landing/fedZone.ts"
import type { LandingZone, ZoneParts } from "../landing/landingZone.ts"
import type { LandingZoneLimits } from "../landing/sizeLimits.ts"
import { LaneOffsets } from "./laneOffsets.ts"

/**
 * Bytes from which on a message is worth its cost: framing, the socket write and the
 * acknowledgement together take as long as about a hundred small records.
 */
export const WORTH_SENDING = 64 * 1024

/** Milliseconds after which a message is sent in the next turn, however little it holds. */
export const GATHERING = 10

/** The shared room of all lanes of a stream. */
export interface LanesBudget {
  /** In use, including overhead. */
  bytes: number
  records: number
  readonly limits: LandingZoneLimits
  /** Called when there may be room, after acknowledgements were published. */
  onRoom: () => void
  /** Whether a caller has records for the next turn of the event loop. */
  readonly moreToCome: () => boolean
}

export class LaneZone<A> extends FedZone<A> {
  /** The stream offsets of its unsettled records. */
  readonly offsets = new LaneOffsets()
  /** The index of the lane, from 0. */
  readonly index: number
  /** Whether a session of the lane is open. */
  hasSession = false
  private readonly budget: LanesBudget
  /** This lane's share of the counted budget. */
  private countedBytes = 0
  private countedRecords = 0

  constructor(options: ZoneParts<A>, index: number, budget: LanesBudget) {
    super({ ...options, firstChunk: WORTH_SENDING })
    this.index = index
    this.budget = budget
  }

  /**
   * Whether the lane has used up its part of the budget, so that `charge` more bytes wait although
   * there may be room.
   */
  isCapped(charge: number): boolean {
    if (this.hasSession || this.closed || this.isEmpty) return false
    const { maxInflightBytes, maxInflightRecords } = this.budget.limits
    return (
      this.usedBytes + this.overhead + charge > maxInflightBytes / 2 ||
      this.usedRecords + 1 > maxInflightRecords / 2
    )
  }

  /** Bytes that are ready to be sent, without those that are still being gathered. */
  get readyBytes(): number {
    return this.queuedBytes < WORTH_SENDING ? 0 : this.queuedBytes
  }

  /**
   * With many lanes, a turn brings few records per lane. So while more records are coming, a
   * message gathers over several turns. The lane checks again in each of them, so callers that
   * leave need not notify it.
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

  /** Whether more records are coming that would make the lane's last message cheaper per record. */
  private get isGathering(): boolean {
    return (
      this.isFilling &&
      this.queuedBytes < Math.min(WORTH_SENDING, this.coalesceBytes) &&
      this.budget.moreToCome() &&
      this.now() - this.open!.acceptedAt < GATHERING
    )
  }

  /**
   * Records the offsets of entries that the lane has taken from a log: `count` of them, from
   * `offset` on.
   */
  noteUnsafe(offset: number, count: number): void {
    for (let i = 0; i < count; i++) this.offsets.push(offset + i)
    this.countUnsafe()
  }

  /** Updates the budget with what the lane holds. */
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
  ): number {
    const first = super.shortenOldestUnsafe(...shortening)
    this.countUnsafe()
    return first
  }

  /** Callers wait in the lines of the stream, not in a line of the lane. */
  override admitUnsafe(): void {
    this.budget.onRoom()
  }

  protected override fits(charge: number): boolean {
    return !this.closed && this.hasBudgetFor(charge)
  }

  /**
   * Whether there is room for an entry of a log. An entry must pass even if it exceeds the bounds
   * alone.
   */
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
