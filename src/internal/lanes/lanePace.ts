/**
 * Decides the number of lanes of a stream that adapts to its load, once per period, from
 * measurements of that period.
 *
 * - Callers waited for room in half of the period, every lane has a session, and records were
 *   acknowledged: twice as many lanes, unless a hold is on.
 * - The same, after a growth that brought less than a quarter of the rate expected of its lanes:
 *   the number before, and a hold until the next growth, whose length doubles.
 * - No caller waited for 30 consecutive periods, and half of the lanes would have been enough: half
 *   as many lanes.
 * - A lane was without a session for 30 consecutive periods: half as many lanes, and a hold as
 *   above.
 *
 * Periods in which lanes were opened or closed do not count.
 */

/** The measurements of a period. */
export interface LaneSample {
  /** The share of the period in which callers waited for room. */
  readonly waited: number
  /** Bytes acknowledged per second. */
  readonly bytes: number
  /** Whether all lanes have a session. */
  readonly open: boolean
}

/** The share of waiting from which on the server's pace is the limit. */
const PRESSED = 0.5
/** The part of their proportional rate that added lanes have to bring. */
const WORTH = 0.25
/** Periods without growth after a growth that brought too little: at first, and at most. */
const FIRST_HOLD = 30
const LONGEST_HOLD = 600
/**
 * Periods without waiting before lanes are given up, and the part of the remaining lanes' rate that
 * may be in use.
 */
const CALM = 30
const LEFT_OVER = 0.8

export class LanePace {
  /** The number of lanes. */
  lanes: number
  private readonly most: number
  /** The state before the latest growth, until its effect is measured. */
  private before: { readonly lanes: number; readonly bytes: number } | undefined
  /** Whether the number has just changed. */
  private changing = false
  private holdFor = FIRST_HOLD
  private hold = 0
  private calm = 0
  /** Consecutive periods with a lane that has no session. */
  private shut = 0
  /** Bytes per second of a lane, measured while the server's pace was the limit. */
  private perLane = Infinity

  constructor(lanes: number, most: number) {
    this.lanes = lanes
    this.most = most
  }

  /** Returns the number of lanes for the next period. */
  next({ bytes, open, waited }: LaneSample): number {
    this.shut = open ? 0 : this.shut + 1
    if (this.changing || !open) {
      this.changing = false
      if (this.shut < CALM || this.lanes === 1) return this.lanes
      this.shut = 0
      this.rest()
      return this.change(Math.ceil(this.lanes / 2))
    }
    if (this.hold > 0) this.hold--
    this.calm = waited > 0 ? 0 : this.calm + 1
    const pressed = waited >= PRESSED && bytes > 0
    const { before } = this
    this.before = undefined
    if (before !== undefined) {
      const due = before.bytes * (1 + WORTH * (this.lanes / before.lanes - 1))
      if (pressed && bytes < due) {
        this.rest()
        this.perLane = bytes / before.lanes
        return this.change(before.lanes)
      }
      this.holdFor = FIRST_HOLD
    }
    if (pressed) {
      this.perLane = bytes / this.lanes
      if (this.hold > 0 || this.lanes === this.most) return this.lanes
      this.before = { lanes: this.lanes, bytes }
      return this.change(Math.min(this.most, this.lanes * 2))
    }
    const fewer = Math.ceil(this.lanes / 2)
    if (this.calm < CALM || fewer === this.lanes || bytes > LEFT_OVER * fewer * this.perLane)
      return this.lanes
    return this.change(fewer)
  }

  /** Stops growth for a while, longer each time. */
  private rest(): void {
    this.hold = this.holdFor
    this.holdFor = Math.min(LONGEST_HOLD, this.holdFor * 2)
  }

  private change(lanes: number): number {
    this.lanes = lanes
    this.changing = true
    this.calm = 0
    return lanes
  }
}
