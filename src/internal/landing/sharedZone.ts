/**
 * Landing zones that share one byte budget, as those of a pool's tables do. Each zone also has its
 * own bounds.
 *
 *   fits --> own bounds? --> room in the budget, and no zone blocked? -- yes --> kept
 *                              | no: the zone is blocked, its caller waits in the zone's line
 *   acknowledgements --> release --> blocked zones in turn: each admits callers while they fit
 *
 * While a zone is blocked, records of other zones wait behind it, so that small records do not keep
 * a large one out.
 */
import { MESSAGE_OVERHEAD, type Message } from "./chunk.ts"
import { LandingZone, type ZoneParts } from "./landingZone.ts"
import { Turns } from "./turns.ts"

/**
 * The byte budget that chunk sizes are chosen for; a chunk has up to a quarter of it. Many zones
 * hold a partly filled one.
 */
const CHUNKS_FOR = 256 * 1024

export class SharedBudget {
  /** The turns of all zones that share the budget. They count accepted bytes. */
  readonly turns = new Turns()
  private readonly limit: number
  private overhead = 0
  private released = 0
  /** Zones with callers that wait for the budget. The first one is admitted next. */
  private readonly blocked = new Set<SharedZone<any>>()
  /** The zone whose callers are being admitted, and whether one of them did not fit. */
  private admitting: SharedZone<any> | undefined
  private refused = false

  constructor(limit: number) {
    this.limit = limit
  }

  /** Bytes in use, as charged by the zones. */
  get used(): number {
    return this.turns.acceptedBytes + this.overhead - this.released
  }

  /** Whether a zone may keep this many bytes now. If not, it is blocked until they fit. */
  takes(zone: SharedZone<any>, charge: number): boolean {
    const isNext = this.blocked.size === 0 || this.admitting === zone
    if (isNext && this.used + charge <= this.limit) return true
    if (this.admitting === zone) this.refused = true
    this.blocked.add(zone)
    return false
  }

  /** Charges the overhead of a message, which the turns do not count. */
  keptMessage(): void {
    this.overhead += MESSAGE_OVERHEAD
  }

  release(bytes: number): void {
    this.released += bytes
  }

  /** Admits callers of blocked zones, one zone after another, while they fit. */
  admitUnsafe(): void {
    // The running loop below will find the freed bytes.
    if (this.admitting !== undefined) return
    // An admitted caller may run at once and find its next record blocked: that zone gets its turn
    // as well.
    for (;;) {
      const zone = this.blocked.values().next().value
      if (zone === undefined || !this.admitFrom(zone)) return
    }
  }

  /**
   * Admits callers of one zone. Returns false when its next caller needs more room than there is.
   */
  private admitFrom(zone: SharedZone<any>): boolean {
    const before = this.turns.acceptedBytes
    this.admitting = zone
    this.refused = false
    try {
      zone.admitOwnUnsafe()
    } finally {
      this.admitting = undefined
    }
    const progress = this.turns.acceptedBytes > before
    if (this.refused && !progress) return false
    this.blocked.delete(zone)
    if (this.refused) this.blocked.add(zone)
    return true
  }
}

export class SharedZone<A> extends LandingZone<A> {
  private readonly budget: SharedBudget
  private readonly onEmpty: () => void
  private over = false

  /** `onEmpty` is called when all its records are settled. */
  constructor(parts: ZoneParts<A>, budget: SharedBudget, onEmpty: () => void) {
    super({ ...parts, chunksFor: Math.min(CHUNKS_FOR, parts.limits.maxInflightBytes) })
    this.budget = budget
    this.onEmpty = onEmpty
  }

  /** Its share of the budget. */
  private get charged(): number {
    return this.usedBytes + this.overhead
  }

  protected override fits(charge: number): boolean {
    return super.fits(charge) && this.budget.takes(this, charge)
  }

  protected override keepMessage(
    records: number,
    atomic: boolean,
    offsets?: number,
    sends?: number
  ): number {
    this.budget.keptMessage()
    return super.keepMessage(records, atomic, offsets, sends)
  }

  override acknowledgeUnsafe(count: number): number {
    const before = this.charged
    const last = super.acknowledgeUnsafe(count)
    this.budget.release(before - this.charged)
    return last
  }

  override divideUnsafe(count: number, records: (message: Message) => number): void {
    const before = this.charged
    super.divideUnsafe(count, records)
    this.budget.release(before - this.charged)
  }

  override admitUnsafe(): void {
    super.admitUnsafe()
    this.budget.admitUnsafe()
    if (this.isEmpty) this.onEmpty()
  }

  /** Admits the callers that wait in this zone and fit. */
  admitOwnUnsafe(): void {
    super.admitUnsafe()
  }

  /** Ends the zone: records that it still holds are handed back, and no longer use the budget. */
  override endUnsafe(): void {
    super.endUnsafe()
    if (this.over) return
    this.over = true
    this.budget.release(this.charged)
    this.budget.admitUnsafe()
  }
}
