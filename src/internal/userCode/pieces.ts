/**
 * Answers many fibers in pieces, each in a turn of the event loop of its own.
 *
 * An answer runs the fiber that it resumes, inside the call. One acknowledgement may answer a
 * hundred thousand of them, and sockets and timers must not wait for all.
 */
import type { Scheduler } from "effect/Scheduler"
import { guardScheduler } from "./shield.ts"

/**
 * Fibers that are answered in one turn. At 20 microseconds each that takes about 5 milliseconds.
 */
export const PIECE = 256

export class Pieces {
  /** Whether a piece is being answered, or the next one has its turn scheduled. */
  private busy = false
  private readonly scheduler: Scheduler
  private readonly answerNext: () => boolean

  /** `answerNext` answers one fiber; false when there is none to be answered now. */
  constructor(scheduler: Scheduler, answerNext: () => boolean) {
    this.scheduler = scheduler
    this.answerNext = answerNext
  }

  /**
   * Answers a piece now and the rest in later turns. While a later turn is due, or from within an
   * answer, it does nothing: that turn, or the loop that answers, finds what has come since.
   */
  runUnsafe(): void {
    if (!this.busy) this.run()
  }

  /** A loop, since a scheduler may run the task of the next turn at once. */
  private run(): void {
    while (this.answerPiece() && this.isNextTurn());
  }

  /** Whether there may be more to answer. */
  private answerPiece(): boolean {
    this.busy = true
    let left = true
    try {
      for (let answered = 0; left && answered < PIECE; answered++) left = this.answerNext()
    } finally {
      this.busy = false
    }
    return left
  }

  /** Schedules the next turn, which runs the rest; true when it has come already. */
  private isNextTurn(): boolean {
    this.busy = true
    let scheduling = true
    let come = false
    const dispatcher = guardScheduler(this.scheduler).makeDispatcher()
    dispatcher.scheduleTask(() => {
      come = true
      if (!scheduling) this.run()
    }, 0)
    scheduling = false
    return come
  }
}
