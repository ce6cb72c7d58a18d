/**
 * Resumes many fibers in pieces, each in a separate turn of the event loop.
 *
 * Resuming a fiber runs it inside the call. One acknowledgement may resume a hundred thousand
 * fibers, and sockets and timers must not wait for all of them.
 */
import type { Scheduler } from "effect/Scheduler"
import { guardScheduler } from "./shield.ts"

/** Fibers resumed in one turn. At 20 microseconds each, that takes about 5 milliseconds. */
export const PIECE = 256

export class Pieces {
  /** Whether a piece is running, or the turn of the next one is scheduled. */
  private busy = false
  private readonly scheduler: Scheduler
  private readonly answerNext: () => boolean

  /** `answerNext` resumes one fiber. Returns false when there is none to resume now. */
  constructor(scheduler: Scheduler, answerNext: () => boolean) {
    this.scheduler = scheduler
    this.answerNext = answerNext
  }

  /**
   * Resumes a piece now and the rest in later turns. Does nothing while a later turn is due, or
   * from within a resumed fiber: that turn, or the running loop, covers new waiters.
   */
  runUnsafe(): void {
    if (!this.busy) this.run()
  }

  /** A loop, since a scheduler may run the task of the next turn at once. */
  private run(): void {
    while (this.answerPiece() && this.isNextTurn());
  }

  /** Resumes one piece. Returns whether there may be more to resume. */
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

  /** Schedules the next turn, which runs the rest. Returns true when that turn ran already. */
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
