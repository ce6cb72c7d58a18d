/**
 * The landing zone of one lane. It takes its room from a budget that all lanes of the stream share.
 *
 * A lane that has no session takes no more than half of the budget, so that one whose connection is
 * lost leaves room to the others. What it held before it may exceed that: nothing is dropped.
 */
import { LandingZone } from "../landing/landingZone.ts"
import type { LandingZoneLimits } from "../landing/sizeLimits.ts"
import { LaneOffsets } from "./laneOffsets.ts"

/** The room of all lanes of a stream. */
export interface LanesBudget {
  /** In use, overhead included. */
  bytes: number
  records: number
  readonly limits: LandingZoneLimits
  /** Called when there may be room, after acknowledgements were published. */
  onRoom: () => void
}

export class LaneZone<A> extends LandingZone<A> {
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

  constructor(options: ConstructorParameters<typeof LandingZone<A>>[0], index: number, budget: LanesBudget) {
    super(options)
    this.index = index
    this.budget = budget
  }

  /** Whether the lane has its part of the budget, so that so many more bytes wait although there may be room. */
  isCapped(charge: number): boolean {
    if (this.hasSession || this.closed || this.isEmpty) return false
    const { maxInflightBytes, maxInflightRecords } = this.budget.limits
    return (
      this.usedBytes + this.overhead + charge > maxInflightBytes / 2 || this.usedRecords + 1 > maxInflightRecords / 2
    )
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

  /** Callers wait in the lines of the stream, not in one of the lane. */
  override admitUnsafe(): void {
    this.budget.onRoom()
  }

  protected override fits(charge: number): boolean {
    const { bytes, limits, records } = this.budget
    return (
      !this.closed &&
      records < limits.maxInflightRecords &&
      bytes + charge <= limits.maxInflightBytes &&
      !this.isCapped(charge)
    )
  }
}
