/**
 * What the streams of one client do in the next turn of the event loop, in one task for all of
 * them: a thousand streams with a record each schedule one task, not a thousand.
 *
 * A turn serves so many streams at most; sockets and timers come in between.
 */
import type { Scheduler, SchedulerDispatcher } from "effect/Scheduler"
import { guardScheduler } from "../userCode/shield.ts"

/** What is done in the next turn. It must not throw: others are served behind it. */
export interface Due {
  readonly runUnsafe: () => void
}

/**
 * Streams that are served in one turn. At some 20 microseconds each that takes about 5
 * milliseconds.
 */
export const SERVED = 256

export class NextTurn {
  private due: Array<Due> = []
  private scheduled = false
  private readonly dispatcher: SchedulerDispatcher

  /** `scheduler` gives the turns. */
  constructor(scheduler: Scheduler) {
    this.dispatcher = guardScheduler(scheduler).makeDispatcher()
  }

  /** Runs it in the next turn, or in a later one when many are due. */
  add(due: Due): void {
    this.due.push(due)
    this.schedule()
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    this.dispatcher.scheduleTask(this.serve, 0)
  }

  private readonly serve = (): void => {
    const { due } = this
    const served = Math.min(due.length, SERVED)
    this.due = due.length > served ? due.slice(served) : []
    this.scheduled = false
    if (this.due.length > 0) this.schedule()
    for (let n = 0; n < served; n++) due[n]!.runUnsafe()
  }
}
