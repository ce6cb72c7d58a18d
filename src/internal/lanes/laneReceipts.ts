/**
 * What is settled of a stream with several lanes, and the callers that wait for it.
 *
 * A receipt waits for its own lane; `flush`, `waitForOffset` and `durableOffsets` wait for all
 * lanes. Both count in offsets of the stream. So each lane has a watermark, its highest settled
 * offset. The stream's watermark is the highest offset up to which every lane has settled its
 * records.
 *
 *   session --> lane offset --> LaneAcknowledgements --> receipts of the lane
 *                                 |
 *                                 +--> LanesAcknowledgements --> flush, waitForOffset,
 *                                                                durableOffsets
 */
import type * as Exit from "effect/Exit"
import type { Scheduler } from "effect/Scheduler"
import { Acknowledgements } from "../receipts/acknowledgements.ts"
import type { OffsetRange } from "../receipts/refusedOffsets.ts"
import type { LaneOffsets } from "./laneOffsets.ts"

/**
 * Settled offsets of one lane. It receives lane offsets; its watermark and receipts use stream
 * offsets.
 */
export class LaneAcknowledgements<E> extends Acknowledgements<E> {
  private readonly offsets: LaneOffsets
  private readonly whole: LanesAcknowledgements<E>

  constructor(offsets: LaneOffsets, whole: LanesAcknowledgements<E>, scheduler: Scheduler) {
    super(scheduler)
    this.offsets = offsets
    this.whole = whole
  }

  override givenOffset(laneOffset: number): number {
    return this.offsets.at(laneOffset)
  }

  override advanceUnsafe(laneOffset: number): void {
    // Resumed waiters must find both watermarks raised.
    this.raiseUnsafe(this.offsets.settle(laneOffset))
    this.whole.raiseToLanesUnsafe()
    this.answerUnsafe()
    this.whole.answerUnsafe()
  }
}

/** Settled offsets of the whole stream. */
export class LanesAcknowledgements<E> extends Acknowledgements<E> {
  private readonly settledByAll: () => number
  private lanes: ReadonlyArray<LaneAcknowledgements<E>> = []

  /** `settledByAll` returns the highest offset up to which every lane has settled its records. */
  constructor(settledByAll: () => number, scheduler: Scheduler) {
    super(scheduler)
    this.settledByAll = settledByAll
  }

  /** Sets its lanes. Called once. */
  setLanes(lanes: ReadonlyArray<LaneAcknowledgements<E>>): void {
    this.lanes = lanes
  }

  raiseToLanesUnsafe(): void {
    this.raiseUnsafe(this.settledByAll())
  }

  override refusedIn(ranges: ReadonlyArray<OffsetRange>): number {
    return this.lanes.reduce((sum, lane) => sum + lane.refusedIn(ranges), 0)
  }

  override settleUnsafe(outcome: Exit.Exit<never, E>): void {
    super.settleUnsafe(outcome)
    for (const lane of this.lanes) lane.settleUnsafe(outcome)
  }

  override endUnsafe(outcome: Exit.Exit<never, E>, told: () => void = () => {}): void {
    let untold = this.lanes.length + 1
    const toldOne = () => {
      if (--untold === 0) told()
    }
    this.settleUnsafe(outcome)
    for (const lane of this.lanes) lane.endUnsafe(outcome, toldOne)
    super.endUnsafe(outcome, toldOne)
  }
}
