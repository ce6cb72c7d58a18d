/**
 * What is settled of a stream with several lanes, and who waits for it.
 *
 * A receipt waits for its own lane; `flush`, `waitForOffset` and `durableOffsets` wait for all
 * lanes. Both count in offsets of the stream. So each lane has a watermark, the highest of its
 * settled offsets, and the stream has one: the highest offset up to which every lane has settled
 * its own.
 *
 *   session --> lane offset --> LaneAcknowledgements --> receipts of the lane
 *                                  |
 *                                  +--> LanesAcknowledgements --> flush, waitForOffset, durableOffsets
 */
import type * as Exit from "effect/Exit"
import type { Scheduler } from "effect/Scheduler"
import { Acknowledgements } from "../receipts/acknowledgements.ts"
import type { OffsetRange } from "../receipts/refusedOffsets.ts"
import type { LaneOffsets } from "./laneOffsets.ts"

/**
 * What is settled of one lane. It is told lane offsets, and its watermark and receipts have those
 * of the stream.
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
    // Whoever is answered finds both watermarks raised.
    this.raiseUnsafe(this.offsets.settle(laneOffset))
    this.whole.raiseToLanesUnsafe()
    this.answerUnsafe()
    this.whole.answerUnsafe()
  }
}

/** What is settled of the stream. */
export class LanesAcknowledgements<E> extends Acknowledgements<E> {
  private readonly settledByAll: () => number
  private lanes: ReadonlyArray<LaneAcknowledgements<E>> = []

  /** `settledByAll` gives the highest offset up to which every lane has settled its own. */
  constructor(settledByAll: () => number, scheduler: Scheduler) {
    super(scheduler)
    this.settledByAll = settledByAll
  }

  /** The lanes that it is about; to be called once. */
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
