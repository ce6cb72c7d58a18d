/**
 * The slots of a pool: which of its tables may have a session, and for how long.
 *
 *   enter --> a free slot? -- yes --> visit: a session opens --> dismissed --> leaves --> the next in line
 *                 | no                                             ^
 *                 +--> line, first come first served --------------+ a visit has lasted long enough
 *
 * A table enters the line with its first record, or at the end of a visit that left records behind. So
 * the first in line is the table that has waited longest, and one that cannot reach its server does not
 * keep the others out.
 *
 * | while tables wait, a visit ends | |
 * | --- | --- |
 * | once nothing is left to be acknowledged | after 1 second, or less where more tables wait than there are slots |
 * | otherwise | after 10 seconds, once what was sent is acknowledged |
 *
 * While none waits, a visit ends when it had nothing to send for `idleTimeToLive`. A visit begins with its
 * session: how long that takes to open is bounded by the stream's own limits.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { StreamSlot } from "../engine/pooling.ts"
import { wake } from "../userCode/wake.ts"

/** How long a visit lasts while others wait, in milliseconds: until nothing is left, and at most. */
const FULL_VISIT = 1_000
const LONGEST_VISIT = 10_000

/** The shortest visit, however many tables wait, in milliseconds: opening a session must stay worth it. */
const LEAST_VISIT = 100

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
  /** Streams that were admitted and have not left; in order of their admission. */
  private readonly visits = new Set<Slot>()
  /** Streams that wait for a slot, the first to come first. */
  private readonly line = new Set<Slot>()
  /** How many of the visits were dismissed. */
  private leaving = 0
  private timer: Fiber.Fiber<void> | undefined
  private timerAt = Infinity
  private readonly options: SlotOptions

  constructor(options: SlotOptions) {
    this.options = options
  }

  /** The slot of one table; `isEmpty` tells whether nothing of it is unacknowledged. */
  slotOf(isEmpty: () => boolean): Slot {
    return new Slot(this, isEmpty)
  }

  now(): number {
    return this.options.now()
  }

  /** Ends the timer. No stream is left. */
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

  leaveUnsafe(slot: Slot, wasDismissed: boolean): void {
    this.visits.delete(slot)
    if (wasDismissed) this.leaving--
    this.admitUnsafe()
  }

  /** A visit has begun, or has nothing left to send: ends it if it is due, or looks again when it is. */
  consider(slot: Slot): void {
    if (!slot.isOpen || slot.isDismissed) return
    const due = this.dueAt(slot)
    if (due <= this.now()) this.dismiss(slot)
    else this.lookAt(due)
  }

  /** Admits those in line as long as slots are free. */
  private admitUnsafe(): void {
    while (this.line.size > 0 && this.visits.size < this.options.maxOpen) {
      const slot = this.line.values().next().value!
      this.line.delete(slot)
      this.visits.add(slot)
      slot.admitUnsafe()
    }
  }

  /** Ends the visits that are due, the oldest first, and looks again when the next one is. */
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
    this.leaving++
    slot.dismissUnsafe()
  }

  /** When a visit that has had a session has lasted long enough. */
  dueAt(slot: Slot): number {
    const empty = slot.isEmpty()
    // Those who wait for a slot that is being given back need no other one.
    const waiting = this.line.size - this.leaving
    if (waiting <= 0) return empty ? Math.max(slot.emptiedAt, slot.openedAt!) + this.options.idleMillis : Infinity
    const share = (FULL_VISIT * this.options.maxOpen) / this.line.size
    return slot.openedAt! + (empty ? Math.max(LEAST_VISIT, Math.min(FULL_VISIT, share)) : LONGEST_VISIT)
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
  /** When its first session was opened; `undefined` while none was since it was admitted. */
  openedAt: number | undefined
  /** Whether a session is open. */
  isOpen = false
  /** When it had nothing left last. */
  emptiedAt = -Infinity
  /** Whether nothing of its table is unacknowledged. */
  readonly isEmpty: () => boolean
  private readonly slots: Slots
  private admitted = false
  private resume: (() => void) | undefined
  private dismissal = Deferred.makeUnsafe<void>()

  constructor(slots: Slots, isEmpty: () => boolean) {
    this.slots = slots
    this.isEmpty = isEmpty
  }

  get isHeld(): boolean {
    if (!this.admitted || this.isDismissed) return false
    return this.openedAt === undefined || this.slots.dueAt(this) > this.slots.now()
  }

  get isDismissed(): boolean {
    return Deferred.isDoneUnsafe(this.dismissal)
  }

  /** Whether it waits for a slot. */
  get isInLine(): boolean {
    return this.resume !== undefined
  }

  readonly dismissed: Effect.Effect<void> = Effect.suspend(() => Deferred.await(this.dismissal))

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
    this.dismissal = Deferred.makeUnsafe()
    if (resume !== undefined) wake(resume, undefined)
  }

  dismissUnsafe(): void {
    Deferred.doneUnsafe(this.dismissal, Exit.void)
  }

  openedUnsafe(): void {
    this.openedAt ??= this.slots.now()
    this.isOpen = true
    this.slots.consider(this)
  }

  closedUnsafe(): void {
    this.isOpen = false
  }

  /** Everything that the table had is settled. */
  emptiedUnsafe(): void {
    if (!this.admitted) return
    this.emptiedAt = this.slots.now()
    this.slots.consider(this)
  }

  leaveUnsafe(): void {
    this.quitUnsafe()
    if (!this.admitted) return
    this.admitted = this.isOpen = false
    this.slots.leaveUnsafe(this, this.isDismissed)
  }

  private quitUnsafe(): void {
    if (this.resume === undefined) return
    this.resume = undefined
    this.slots.quitUnsafe(this)
  }
}
