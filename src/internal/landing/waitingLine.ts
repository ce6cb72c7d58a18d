/**
 * The line of callers that found the landing zone full, in order of arrival. To join, to leave and to be admitted cost
 * O(1); when many are admitted at once, the event loop turns in between, since each runs its caller's fiber.
 *
 * Their records are encoded already. A caller leaves the line when it is admitted, when the zone closes, or when it
 * gives up, which costs no room and no offset.
 */
import { MixedScheduler, type Scheduler } from "effect/Scheduler"
import { Pieces } from "../userCode/pieces.ts"

/** The zone has no room for the call right now. */
export const Full = -1

/** The answer to a caller that waited: its offset, or `undefined` when the zone was closed. */
export type Admission = number | undefined

/** A caller in line, with what it wants to hand in. */
export interface Waiter {
  /** Its encoded records, tags and lengths included. */
  readonly content: Buffer
  readonly records: number
  /** True for an explicit batch. */
  readonly atomic: boolean
  readonly admit: (admission: Admission) => void
}

/** A caller's place, between its neighbours. */
interface Place {
  readonly waiter: Waiter
  stands: boolean
  before: Place | undefined
  behind: Place | undefined
}

/** Callers in line. */
export class WaitingLine {
  /** How many they are. */
  size = 0
  private first: Place | undefined
  private last: Place | undefined
  private readonly pieces: Pieces

  /** `place` hands in what a caller brought and returns its answer, or `Full`. */
  constructor(place: (waiter: Waiter) => Admission, scheduler: Scheduler = new MixedScheduler()) {
    this.pieces = new Pieces(scheduler, () => {
      const { first } = this
      if (first === undefined) return false
      const admission = place(first.waiter)
      if (admission === Full) return false
      this.remove(first)
      first.waiter.admit(admission)
      return true
    })
  }

  /** Takes the last place. Returns how to give up: false when the caller was admitted or has left before. */
  join(waiter: Waiter): () => boolean {
    const place: Place = { waiter, stands: true, before: this.last, behind: undefined }
    if (this.last === undefined) this.first = place
    else this.last.behind = place
    this.last = place
    this.size++
    return () => this.remove(place)
  }

  /** Admits callers in order until `place` returns `Full` for one. */
  admit(): void {
    if (this.size > 0) this.pieces.runUnsafe()
  }

  private remove(place: Place): boolean {
    const { before, behind, stands } = place
    if (!stands) return false
    place.stands = false
    if (before === undefined) this.first = behind
    else before.behind = behind
    if (behind === undefined) this.last = before
    else behind.before = before
    this.size--
    return true
  }
}
