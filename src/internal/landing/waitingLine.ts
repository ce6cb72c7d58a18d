/**
 * The line of callers that found the landing zone full, in order of arrival.
 *
 * Their records are encoded already. A caller leaves the line when it is admitted, when the zone closes, or when it
 * gives up, which costs no room and no offset.
 */

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

/** Callers in line. */
export class WaitingLine {
  private readonly waiters = new Set<Waiter>()
  private admitting = false

  get size(): number {
    return this.waiters.size
  }

  join(waiter: Waiter): void {
    this.waiters.add(waiter)
  }

  /** Takes a caller out that gives up; false when it had left already. */
  leave(waiter: Waiter): boolean {
    return this.waiters.delete(waiter)
  }

  /**
   * Admits callers in order until `place` returns `Full` for one. `place` hands in what a caller brought and returns its
   * answer.
   */
  admit(place: (waiter: Waiter) => Admission): void {
    // A fiber that was let in may hand in more and wait again. The loop that let it in comes to it; a loop of its own
    // would nest.
    if (this.admitting) return
    this.admitting = true
    for (const waiter of this.waiters) {
      const admission = place(waiter)
      if (admission === Full) break
      this.waiters.delete(waiter)
      waiter.admit(admission)
    }
    this.admitting = false
  }
}
