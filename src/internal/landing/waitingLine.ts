/**
 * The line of callers that found the landing zone full, in order of arrival. Joining, leaving and
 * admitting cost O(1). When many are admitted at once, the event loop turns in between, since each
 * admission runs the caller's fiber.
 *
 * Their records are encoded already. A caller leaves the line when it is admitted, when the zone
 * closes, or when it is interrupted, which costs no room and no offset.
 */
import { MixedScheduler, type Scheduler } from "effect/Scheduler"
import { Pieces } from "../userCode/pieces.ts"

/** The zone has no room for the call right now. */
export const Full = -1

/** The result of a caller that waited: its offset, or `undefined` when the zone was closed. */
export type Admission = number | undefined

/** A waiting caller, with the records that it offers. */
export interface Waiter {
  /** Its encoded records, including tags and lengths. */
  readonly content: Buffer
  readonly records: number
  /** True for an explicit batch. */
  readonly atomic: boolean
  readonly admit: (admission: Admission) => void
}

/** A caller's place in the linked list. */
interface Place<W> {
  readonly waiter: W
  stands: boolean
  before: Place<W> | undefined
  behind: Place<W> | undefined
}

/** Places in order of arrival. */
export class Line<W> {
  /** The number of places. */
  size = 0
  private head: Place<W> | undefined
  private tail: Place<W> | undefined

  /** The caller that has waited longest. */
  get first(): W | undefined {
    return this.head?.waiter
  }

  /**
   * Takes the last place. Returns how to leave it, which returns false when the caller has left
   * before.
   */
  join(waiter: W): () => boolean {
    const place: Place<W> = { waiter, stands: true, before: this.tail, behind: undefined }
    if (this.tail === undefined) this.head = place
    else this.tail.behind = place
    this.tail = place
    this.size++
    return () => this.remove(place)
  }

  /** Removes the caller that has waited longest. */
  removeFirst(): void {
    if (this.head !== undefined) this.remove(this.head)
  }

  private remove(place: Place<W>): boolean {
    const { before, behind, stands } = place
    if (!stands) return false
    place.stands = false
    if (before === undefined) this.head = behind
    else before.behind = behind
    if (behind === undefined) this.tail = before
    else behind.before = before
    this.size--
    return true
  }
}

/** Callers in line. */
export class WaitingLine<W extends Waiter = Waiter> {
  private readonly line = new Line<W>()
  private readonly pieces: Pieces

  /** `place` offers the records of a caller and returns the result, or `Full`. */
  constructor(place: (waiter: W) => Admission, scheduler: Scheduler = new MixedScheduler()) {
    this.pieces = new Pieces(scheduler, () => {
      const { first } = this.line
      if (first === undefined) return false
      const admission = place(first)
      if (admission === Full) return false
      this.line.removeFirst()
      first.admit(admission)
      return true
    })
  }

  /** How many callers wait. */
  get size(): number {
    return this.line.size
  }

  /**
   * Takes the last place. Returns how to leave it, which returns false when the caller was admitted
   * or has left before.
   */
  join(waiter: W): () => boolean {
    return this.line.join(waiter)
  }

  /** Admits callers in order until `place` returns `Full` for one. */
  admit(): void {
    if (this.line.size > 0) this.pieces.runUnsafe()
  }
}
