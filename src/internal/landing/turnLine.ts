/**
 * The callers of one stream that stand in line for a later turn of the event loop.
 *
 * A caller that never waits fills the whole zone before the sender gets to run, and then every byte
 * travels through memory that no cache holds, at twice the cost; and many streams together hold the loop
 * for long. So once per stretch of bytes a caller looks whether to give way. As long as one stands in
 * line, later callers stand behind it: records keep the order in which their calls arrived.
 */
import type { Scheduler } from "effect/Scheduler"
import type { Turns } from "./turns.ts"

// Once per so many bytes a stream's caller looks whether to give way: to the sender when so many are
// queued, or to the client's other streams. Enough for full requests, little enough to stay in the
// processor's caches.
const STRIDE = 64 * 1024
const QUEUED = 1024 * 1024

export class TurnLine {
  /** How many bytes the stream has to accept before a caller looks again; 0 while one stands in line. */
  lookAt = STRIDE
  private standing = 0
  private readonly turns: Turns

  constructor(turns: Turns) {
    this.turns = turns
  }

  /** Whether nobody stands in line. */
  get isEmpty(): boolean {
    return this.standing === 0
  }

  /** Whether the caller must stand in line. It is one wait per stretch of bytes and no more, so that a zone that nobody empties fills. */
  look(acceptedBytes: number, queuedBytes: number): boolean {
    if (this.standing > 0) return true
    this.lookAt = acceptedBytes + STRIDE
    if (queuedBytes >= QUEUED) this.turns.end()
    return this.turns.isOver
  }

  /**
   * Stands in line. `admit` is called when the turn has come and must hand in at once, since later
   * callers stand behind until then. Returns how to leave the line.
   */
  joinUnsafe(scheduler: Scheduler, acceptedBytes: () => number, admit: () => void): () => void {
    let stands = true
    const leave = () => {
      if (!stands) return
      stands = false
      if (--this.standing === 0) this.lookAt = acceptedBytes() + STRIDE
    }
    this.standing++
    this.lookAt = 0
    this.turns.joinUnsafe(scheduler, () => {
      if (!stands) return
      leave()
      admit()
    })
    return leave
  }
}
