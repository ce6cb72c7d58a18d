/**
 * The callers of one stream that wait for a later turn of the event loop.
 *
 * A caller that never waits fills the whole zone before the sender runs. Then every byte has left
 * the processor's caches, which doubles its cost, and many streams together block the loop for
 * long. So once per stretch a caller checks whether to yield. While one caller waits, later callers
 * wait behind it: records keep the order of their calls.
 */
import type { Scheduler } from "effect/Scheduler"
import type { Turns } from "./turns.ts"

// A caller of a stream checks once per `STRIDE` bytes, or stretch of records, whether to yield: to
// the sender when `QUEUED` bytes are queued, or to the client's other streams. That is enough for
// full requests, and small enough for the processor's caches. Records that take 50 microseconds to
// encode use about 6 milliseconds per stretch. After a stretch of less than a millisecond, the next
// one may have twice the records. So records that become slow can block the loop for one stretch of
// 1,024.
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
   * The accepted bytes and records at which a caller checks again; 0 bytes while a caller waits.
   */
  lookAt = STRIDE
  lookAtRecord = LEAST_RECORDS
  /** Records of a stretch. */
  private stretch = LEAST_RECORDS
  /** When a caller last checked, in milliseconds. */
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

  /** Whether no caller waits. */
  get isEmpty(): boolean {
    return this.standing === 0
  }

  /**
   * Whether the caller must wait. A caller waits once per stretch and no more, so a zone without a
   * sender fills up.
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
   * Joins the line. `admit` is called when the turn comes. It must offer at once, since later
   * callers wait until then. Returns how to leave the line.
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
