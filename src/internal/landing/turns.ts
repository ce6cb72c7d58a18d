/**
 * How the streams of one client share the event loop: in turns.
 *
 * A caller that never waits holds the loop for as long as its stream takes records, and many such
 * callers hold it one after the other, while sockets and timers wait. So when all together have
 * accepted what one turn of the loop is meant for, the next ones stand in line for a later turn.
 * That serves few streams per turn and gives each a good part of it. To let all of them in for a
 * little would cost each record more: every visit sends what it brought, however little that is,
 * and has it acknowledged; and what all of them have in flight then no longer fits the processor's
 * caches.
 */
import type { Scheduler, SchedulerDispatcher } from "effect/Scheduler"
import { NextTurn } from "./nextTurn.ts"
import { guardScheduler } from "../userCode/shield.ts"
import { wake } from "../userCode/wake.ts"

/**
 * Bytes after which a turn of the event loop is over, up to the stretch that each caller takes
 * before it looks; of small records some milliseconds of work.
 */
export const TURN = 2 * 1024 * 1024

/**
 * Milliseconds after which a turn is over, however little was accepted; a caller in a loop can be
 * interrupted then.
 */
export const TURN_MILLIS = 10

export class Turns {
  /** Bytes ever accepted by the landing zones of the client. */
  acceptedBytes = 0
  /** What that was when the turn began. */
  private begunAt = 0
  /**
   * Those who wait, and perhaps some that were interrupted meanwhile, who do nothing when they are
   * let in.
   */
  private readonly line: Array<() => void> = []
  /** How many of the line were let in and are still in it. */
  private served = 0
  /**
   * Where a turn is scheduled to begin: wherever somebody in line runs, since one of them may stop
   * turning.
   */
  private readonly scheduled = new Set<Scheduler>()

  /** When somebody first looked at the clock in this turn. */
  private lookedAt: number | undefined

  /** What is done in the next turn, by the scheduler that gives it. */
  private readonly next = new WeakMap<Scheduler, NextTurn>()

  /** What the streams of the client do in the next turn that a scheduler gives. */
  nextOf(scheduler: Scheduler): NextTurn {
    const next = this.next.get(scheduler) ?? new NextTurn(scheduler)
    this.next.set(scheduler, next)
    return next
  }

  /**
   * Whether this turn has had its time, as far as anybody has looked. It begins when somebody looks
   * first.
   */
  hasLasted(now: number): boolean {
    this.lookedAt ??= now
    return now - this.lookedAt >= TURN_MILLIS
  }

  /** Whether this turn has had its share. */
  get isOver(): boolean {
    return this.acceptedBytes - this.begunAt >= TURN
  }

  /** Ends this turn early. */
  end(): void {
    this.begunAt = -TURN
  }

  /** Stands in line, in order of arrival, for a turn that has room, in which `admit` is called. */
  joinUnsafe(scheduler: Scheduler, admit: () => void): void {
    this.line.push(admit)
    if (!this.scheduled.has(scheduler))
      this.schedule(scheduler, guardScheduler(scheduler).makeDispatcher())
  }

  private schedule(scheduler: Scheduler, dispatcher: SchedulerDispatcher): void {
    this.scheduled.add(scheduler)
    dispatcher.scheduleTask(() => this.begin(scheduler, dispatcher), 0)
  }

  /** Begins a turn: lets callers in, who run at once, until it is over. */
  private begin(scheduler: Scheduler, dispatcher: SchedulerDispatcher): void {
    this.begunAt = this.acceptedBytes
    this.lookedAt = undefined
    // Who is let in may begin a turn from within, where a scheduler of the program runs its tasks
    // at once.
    while (this.served < this.line.length && !this.isOver)
      wake(this.line[this.served++]!, undefined)
    this.line.splice(0, this.served)
    this.served = 0
    this.scheduled.delete(scheduler)
    if (this.line.length > 0) this.schedule(scheduler, dispatcher)
  }
}
