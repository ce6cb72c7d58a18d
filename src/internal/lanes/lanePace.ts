/**
 * How many lanes a stream has whose number follows the load, decided once per period by what was
 * measured in it.
 *
 * | the period before | then |
 * | --- | --- |
 * | callers waited for room in half of it, every lane has a session, records were acknowledged | twice as many lanes, if they are not known to bring nothing |
 * | the same, after a growth that brought less than a quarter of what its lanes should | the number before; a pause until the next growth, which doubles |
 * | nobody waited, for 30 periods in a row, and half of the lanes would have carried it | half as many lanes |
 * | a lane was without a session, for 30 periods in a row | half as many lanes; a pause as above |
 *
 * What was measured while lanes were opened or closed does not count.
 */

/** What was measured in a period. */
export interface LaneSample {
  /** The share of it in which callers waited for room. */
  readonly waited: number
  /** Bytes that were acknowledged per second. */
  readonly bytes: number
  /** Whether all lanes have a session. */
  readonly open: boolean
}

/** From which share of waiting on the server's pace is the limit. */
const PRESSED = 0.5
/** The part of the rate of added lanes that they have to bring. */
const WORTH = 0.25
/** Periods without growth after one that brought nothing: at first, and at most. */
const FIRST_HOLD = 30
const LONGEST_HOLD = 600
/**
 * Periods in which nobody waits before lanes are given up, and the part of their rate that may be
 * used.
 */
const CALM = 30
const LEFT_OVER = 0.8

export class LanePace {
  /** The number of lanes. */
  lanes: number
  private readonly most: number
  /** What there was before the latest growth, until it is known what that brought. */
  private before: { readonly lanes: number; readonly bytes: number } | undefined
  /** Whether the number has just changed. */
  private changing = false
  private holdFor = FIRST_HOLD
  private hold = 0
  private calm = 0
  /** Periods in a row with a lane that has no session. */
  private shut = 0
  /** Bytes per second of a lane while the server's pace was the limit. */
  private perLane = Infinity

  constructor(lanes: number, most: number) {
    this.lanes = lanes
    this.most = most
  }

  /** The number of lanes of the next period. */
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

  /** There is no growth for a while, longer each time. */
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
