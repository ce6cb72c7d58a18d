/**
 * Callers that wait for room in a stream with several lanes: a line per lane, and one for records
 * that any lane may take.
 *
 * Room goes to the caller that has waited longest, as with one lane. Callers whose lane has used up
 * its part of the budget are skipped: they wait for that lane, and others must not wait for it too.
 */
import type { Scheduler } from "effect/Scheduler"
import { type Admission, Full, Line, type Waiter } from "../landing/waitingLine.ts"
import { Pieces } from "../userCode/pieces.ts"

/** A caller in one of the lines. */
export interface LaneWaiter extends Waiter {
  /** The lane of its records; the number of lanes when any lane may take them. */
  readonly lane: number
}

interface Arrival {
  readonly waiter: LaneWaiter
  readonly arrival: number
}

export class LaneLines {
  /** How many callers wait. */
  size = 0
  private readonly lines: ReadonlyArray<Line<Arrival>>
  private readonly isCapped: (waiter: LaneWaiter) => boolean
  private readonly pieces: Pieces
  private readonly now: () => number
  private arrivals = 0
  /** Total time during which callers waited, and since when they wait now; milliseconds. */
  private waited = 0
  private since = 0

  /**
   * `place` offers the records of a caller and returns the result, or `Full`. `isCapped` returns
   * whether a caller waits only for its lane.
   */
  constructor(
    lanes: number,
    place: (waiter: LaneWaiter) => Admission,
    isCapped: (waiter: LaneWaiter) => boolean,
    scheduler: Scheduler,
    now: () => number
  ) {
    this.now = now
    this.lines = Array.from({ length: lanes + 1 }, () => new Line<Arrival>())
    this.isCapped = isCapped
    this.pieces = new Pieces(scheduler, () => {
      const line = this.longest()
      const first = line?.first
      if (line === undefined || first === undefined) return false
      const admission = place(first.waiter)
      if (admission === Full) return false
      line.removeFirst()
      this.count(-1)
      first.waiter.admit(admission)
      return true
    })
  }

  /**
   * Takes the last place of its line. Returns how to leave it, which returns false when the caller
   * was admitted or has left before.
   */
  join(waiter: LaneWaiter): () => boolean {
    const leave = this.lines[waiter.lane]!.join({ waiter, arrival: this.arrivals++ })
    this.count(1)
    return () => {
      if (!leave()) return false
      this.count(-1)
      return true
    }
  }

  /** Total time, in milliseconds, during which at least one caller waited. */
  get waitedMillis(): number {
    return this.waited + (this.size > 0 ? this.now() - this.since : 0)
  }

  private count(change: 1 | -1): void {
    if (this.size === 0) this.since = this.now()
    this.size += change
    if (this.size === 0) this.waited += this.now() - this.since
  }

  /** Admits callers until there is no room for one. */
  admit(): void {
    if (this.size > 0) this.pieces.runUnsafe()
  }

  /** Whether a new record of the lane has to wait behind other callers. */
  holdsBack(lane: number): boolean {
    return this.size > 0 && (this.lines[lane]!.size > 0 || this.longest() !== undefined)
  }

  /**
   * The line whose first caller has waited longest, without those that wait only for their lane.
   */
  private longest(): Line<Arrival> | undefined {
    let longest: Line<Arrival> | undefined
    for (const line of this.lines) {
      const { first } = line
      if (first === undefined || this.isCapped(first.waiter)) continue
      if (longest === undefined || first.arrival < longest.first!.arrival) longest = line
    }
    return longest
  }
}
