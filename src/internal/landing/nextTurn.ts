/**
 * Work of the streams of one client for the next turn of the event loop, in one task for all of
 * them. A thousand streams with one record each schedule one task, not a thousand.
 *
 * A turn serves a limited number of streams; sockets and timers run in between.
 */
import type { Scheduler, SchedulerDispatcher } from "effect/Scheduler"
import { guardScheduler } from "../userCode/shield.ts"

/** Work for the next turn. It must not throw, since other work follows it. */
export interface Due {
  readonly runUnsafe: () => void
}

/** Streams served in one turn. At about 20 microseconds each, that takes about 5 milliseconds. */
export const SERVED = 256

export class NextTurn {
  private due: Array<Due> = []
  private scheduled = false
  private readonly dispatcher: SchedulerDispatcher

  /** `scheduler` schedules the turns. */
  constructor(scheduler: Scheduler) {
    this.dispatcher = guardScheduler(scheduler).makeDispatcher()
  }

  /** Runs the work in the next turn, or in a later one when much is due. */
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
