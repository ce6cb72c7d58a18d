/**
 * The callers of one stream that stand in line for a later turn of the event loop.
 *
 * A caller that never waits fills the whole zone before the sender gets to run, and then every byte
 * travels through memory that no cache holds, at twice the cost; and many streams together hold the
 * loop for long. So once per stretch a caller looks whether to give way. As long as one stands in
 * line, later callers stand behind it: records keep the order in which their calls arrived.
 */
import type { Scheduler } from "effect/Scheduler"
import type { Turns } from "./turns.ts"

// Once per so many bytes, or records, a stream's caller looks whether to give way: to the sender
// when so many bytes are queued, or to the client's other streams. Enough for full requests, little
// enough to stay in the processor's caches; and of records whose encoding takes 50 microseconds
// some 6 milliseconds. While a stretch takes less than a millisecond, the next may have twice the
// records; so records that become slow can hold the loop for one stretch of 1,024.
const STRIDE = 64 * 1024
const LEAST_RECORDS = 128
const MOST_RECORDS = 1024
const QUEUED = 1024 * 1024

/** What a stream has accepted so far. */
interface Accepted {
  readonly acceptedBytes: number
  readonly acceptedRecords: number
}

export class TurnLine {
  /**
   * How many bytes or records the stream has to accept before a caller looks again; 0 bytes while
   * one stands in line.
   */
  lookAt = STRIDE
  lookAtRecord = LEAST_RECORDS
  /** Records of a stretch. */
  private stretch = LEAST_RECORDS
  /** When a caller looked last, in milliseconds. */
  private lookedAt = 0
  private standing = 0
  private readonly turns: Turns
  private readonly stream: Accepted
  private readonly now: () => number

  constructor(turns: Turns, stream: Accepted, now: () => number) {
    this.turns = turns
    this.stream = stream
    this.now = now
  }

  /** Whether nobody stands in line. */
  get isEmpty(): boolean {
    return this.standing === 0
  }

  /**
   * Whether the caller must stand in line. It is one wait per stretch and no more, so that a zone
   * that nobody empties fills.
   */
  look(queuedBytes: number): boolean {
    if (this.standing > 0) return true
    const now = this.now()
    this.stretch =
      now - this.lookedAt < 1 ? Math.min(MOST_RECORDS, this.stretch * 2) : LEAST_RECORDS
    this.lookedAt = now
    this.lookLater()
    if (queuedBytes >= QUEUED || this.turns.hasLasted(now)) this.turns.end()
    return this.turns.isOver
  }

  /**
   * Stands in line. `admit` is called when the turn has come and must hand in at once, since later
   * callers stand behind until then. Returns how to leave the line.
   */
  joinUnsafe(scheduler: Scheduler, admit: () => void): () => void {
    let stands = true
    const leave = () => {
      if (!stands) return
      stands = false
      if (--this.standing === 0) this.lookLater()
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

  private lookLater(): void {
    this.lookAt = this.stream.acceptedBytes + STRIDE
    this.lookAtRecord = this.stream.acceptedRecords + this.stretch
  }
}
