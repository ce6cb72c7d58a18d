/**
 * The slots of a pool: which of its tables may have a session, and for how long.
 *
 *   enter --> a free slot? -- yes --> visit: a session opens --> dismissed --> leaves --> next
 *                 | no                                             ^
 *                 +--> line, first come first served --------------+ the visit is over
 *
 * A table joins the line with its first record, or at the end of a visit that left records behind.
 * So the first in line is the table that has waited longest. A table that cannot reach its server
 * does not block the others.
 *
 * While other tables wait, a visit ends:
 *
 * - Once everything is acknowledged: after 1 second. It ends at once when no record came since it
 *   was admitted, or 50 ms after the last acknowledgement.
 * - Otherwise: after 10 seconds, once everything that was sent is acknowledged.
 *
 * A visit that ends before its first second uses a credit. A pool earns as many credits a second as
 * it has slots. So many tables with a backlog are served quickly one after another, and tables with
 * occasional records do not keep opening sessions. While no table waits, a visit ends after
 * `idleTimeToLive` without anything to send. A visit begins with its session; the stream's own
 * limits bound how long that takes to open.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { StreamSlot } from "../engine/pooling.ts"
import { Answer } from "../userCode/answer.ts"
import { wake } from "../userCode/wake.ts"

/**
 * How long a visit lasts while others wait, in milliseconds: until everything is acknowledged, and
 * at most.
 */
const FULL_VISIT = 1_000
const LONGEST_VISIT = 10_000

/** Milliseconds without anything to send after which a table's records count as finished. */
const SILENCE = 50

/** The most credits that a pool saves, per slot. */
const SAVED_CREDITS = 16

/** What a slot needs of its table's records. */
export interface TableRecords {
  /** Whether everything is acknowledged. */
  readonly isEmpty: boolean
  /** How many records were ever accepted. */
  readonly acceptedRecords: number
}

/** What the slots of a pool need. */
export interface SlotOptions {
  readonly maxOpen: number
  /** How long a session stays open without anything to send, in milliseconds. */
  readonly idleMillis: number
  /** Monotonic time in milliseconds. */
  readonly now: () => number
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

export class Slots {
  /** Streams that were admitted and have not left, in order of admission. */
  private readonly visits = new Set<Slot>()
  /** Streams that wait for a slot, first come first. */
  private readonly line = new Set<Slot>()
  /** Dismissed visits with everything acknowledged, whose slots are about to be free. */
  private leaving = 0
  private credits: number
  /** When the credits were counted, in milliseconds. */
  private creditedAt: number
  private timer: Fiber.Fiber<void> | undefined
  private timerAt = Infinity
  private readonly options: SlotOptions

  constructor(options: SlotOptions) {
    this.options = options
    this.credits = options.maxOpen * SAVED_CREDITS
    this.creditedAt = options.now()
  }

  now(): number {
    return this.options.now()
  }

  /** Ends the timer. There is no stream any more. */
  endUnsafe(): void {
    this.timer?.interruptUnsafe()
  }

  joinUnsafe(slot: Slot): void {
    this.line.add(slot)
    this.admitUnsafe()
    if (slot.isInLine) this.lookUnsafe()
  }

  quitUnsafe(slot: Slot): void {
    this.line.delete(slot)
  }

  leaveUnsafe(slot: Slot): void {
    this.visits.delete(slot)
    if (slot.isLeaving) this.leaving--
    slot.isLeaving = false
    this.admitUnsafe()
  }

  /**
   * Handles a visit that has begun, or has nothing to send: ends it if that is due, or checks again
   * when it is.
   */
  consider(slot: Slot): void {
    if (slot.isDismissed) this.noteLeaving(slot)
    else if (slot.isOpen) {
      const due = this.dueAt(slot)
      if (due <= this.now()) this.dismiss(slot)
      else this.lookAt(due)
    }
  }

  /** Admits waiting streams while slots are free. */
  private admitUnsafe(): void {
    while (this.line.size > 0 && this.visits.size < this.options.maxOpen) {
      const slot = this.line.values().next().value!
      this.line.delete(slot)
      this.visits.add(slot)
      slot.admitUnsafe()
    }
  }

  /** Ends the visits that are due, the oldest first, and checks again when the next one is. */
  private lookUnsafe(): void {
    const now = this.now()
    let next = Infinity
    for (const slot of this.visits) {
      if (!slot.isOpen || slot.isDismissed) continue
      const due = this.dueAt(slot)
      if (due <= now) this.dismiss(slot)
      else next = Math.min(next, due)
    }
    this.lookAt(next)
  }

  private dismiss(slot: Slot): void {
    if (this.line.size > this.leaving && this.now() < slot.openedAt! + FULL_VISIT) this.credits--
    this.noteLeaving(slot)
    slot.dismissUnsafe()
  }

  private noteLeaving(slot: Slot): void {
    if (slot.isLeaving || !slot.records.isEmpty) return
    slot.isLeaving = true
    this.leaving++
  }

  private hasCredit(): boolean {
    const now = this.now()
    const { maxOpen } = this.options
    const earned = ((now - this.creditedAt) * maxOpen) / 1_000
    this.credits = Math.min(maxOpen * SAVED_CREDITS, this.credits + earned)
    this.creditedAt = now
    return this.credits >= 1
  }

  /** When a visit that has had a session is over. */
  dueAt(slot: Slot): number {
    const { isEmpty } = slot.records
    // Streams that wait for a slot which is being given back need no other one.
    if (this.line.size <= this.leaving) {
      return isEmpty ? Math.max(slot.emptiedAt, slot.openedAt!) + this.options.idleMillis : Infinity
    }
    const opened = slot.openedAt!
    if (!isEmpty) return opened + LONGEST_VISIT
    if (!this.hasCredit()) return opened + FULL_VISIT
    return slot.isQuiet
      ? opened
      : Math.min(opened + FULL_VISIT, Math.max(opened, slot.emptiedAt) + SILENCE)
  }

  private lookAt(due: number): void {
    if (due >= this.timerAt) return
    this.timer?.interruptUnsafe()
    this.timerAt = due
    const look = Effect.sync(() => {
      this.timerAt = Infinity
      this.timer = undefined
      this.lookUnsafe()
    })
    this.timer = this.options.fork(Effect.delay(look, Math.max(0, due - this.now())))
  }
}

/** The place of one table's stream. */
export class Slot implements StreamSlot {
  readonly needsRecord = true
  /** When its first session since its admission was opened; `undefined` before. */
  openedAt: number | undefined
  /** Whether a session is open. */
  isOpen = false
  /** Whether it was dismissed and has everything acknowledged. Set by the slots. */
  isLeaving = false
  /** When everything was last acknowledged. */
  emptiedAt = -Infinity
  readonly records: TableRecords
  private readonly slots: Slots
  /** Records that its table had accepted before it was admitted. */
  private acceptedBefore = 0
  private admitted = false
  private resume: (() => void) | undefined
  /** Done when the stream is dismissed; a new one for each visit. */
  dismissed = new Answer<void>()

  constructor(slots: Slots, records: TableRecords) {
    this.slots = slots
    this.records = records
  }

  /** Whether its table accepted no record since it was admitted. */
  get isQuiet(): boolean {
    return this.records.acceptedRecords === this.acceptedBefore
  }

  get isHeld(): boolean {
    if (!this.admitted || this.isDismissed) return false
    return this.openedAt === undefined || this.slots.dueAt(this) > this.slots.now()
  }

  get isDismissed(): boolean {
    return this.dismissed.isDone
  }

  /** Whether it waits for a slot. */
  get isInLine(): boolean {
    return this.resume !== undefined
  }

  readonly enter: Effect.Effect<void> = Effect.callback<void>((resume) => {
    this.resume = () => resume(Effect.void)
    this.slots.joinUnsafe(this)
    return Effect.sync(() => this.quitUnsafe())
  })

  admitUnsafe(): void {
    const { resume } = this
    this.resume = undefined
    this.admitted = true
    this.openedAt = undefined
    this.acceptedBefore = this.records.acceptedRecords
    this.dismissed = new Answer()
    if (resume !== undefined) wake(resume, undefined)
  }

  dismissUnsafe(): void {
    this.dismissed.doneUnsafe(Exit.void)
  }

  openedUnsafe(): void {
    this.openedAt ??= this.slots.now()
    this.isOpen = true
    this.slots.consider(this)
  }

  closedUnsafe(): void {
    this.isOpen = false
  }

  /** Everything that the table held is settled. */
  emptiedUnsafe(): void {
    if (!this.admitted) return
    this.emptiedAt = this.slots.now()
    this.slots.consider(this)
  }

  leaveUnsafe(): void {
    this.quitUnsafe()
    if (!this.admitted) return
    this.admitted = this.isOpen = false
    this.slots.leaveUnsafe(this)
  }

  private quitUnsafe(): void {
    if (this.resume === undefined) return
    this.resume = undefined
    this.slots.quitUnsafe(this)
  }
}
