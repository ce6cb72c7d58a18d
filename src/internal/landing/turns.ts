/**
 * Streams of one client share the event loop in turns.
 *
 * A caller that never waits blocks the loop while its stream takes records. Many such callers do so
 * one after another, while sockets and timers wait. So once all streams together have accepted the
 * bytes of one turn, the next callers wait for a later turn. Each turn serves few streams and gives
 * each a good part of it. Admitting all of them for a small part would make each record more
 * expensive: every visit sends what it has, however little, and has it acknowledged. The data in
 * flight of all streams would also exceed the processor's caches.
 */
import type { Scheduler, SchedulerDispatcher } from "effect/Scheduler"
import { NextTurn } from "./nextTurn.ts"
import { guardScheduler } from "../userCode/shield.ts"
import { wake } from "../userCode/wake.ts"

/**
 * Bytes after which a turn of the event loop is over, plus the stretch that each caller takes
 * before it checks. For small records that is some milliseconds of work.
 */
export const TURN = 2 * 1024 * 1024

/**
 * Milliseconds after which a turn is over, however little was accepted. A caller in a loop can be
 * interrupted then.
 */
export const TURN_MILLIS = 10

export class Turns {
  /** Bytes ever accepted by the landing zones of the client. */
  acceptedBytes = 0
  /** The accepted bytes when the turn began. */
  private begunAt = 0
  /** Waiting callers. Some may have been interrupted; admitting those does nothing. */
  private readonly line: Array<() => void> = []
  /** How many callers at the front of the line were admitted and are not removed yet. */
  private served = 0
  /**
   * Schedulers on which a turn is due. There is one per scheduler of a waiting caller, since a
   * scheduler may stop running tasks.
   */
  private readonly scheduled = new Set<Scheduler>()

  /** When a caller first read the clock in this turn. */
  private lookedAt: number | undefined

  /** Work for the next turn, by the scheduler that runs it. */
  private readonly next = new WeakMap<Scheduler, NextTurn>()

  /** Work of the client's streams for the next turn of a scheduler. */
  nextOf(scheduler: Scheduler): NextTurn {
    const next = this.next.get(scheduler) ?? new NextTurn(scheduler)
    this.next.set(scheduler, next)
    return next
  }

  /** Whether this turn has used up its time. Its time starts with the first call. */
  hasLasted(now: number): boolean {
    this.lookedAt ??= now
    return now - this.lookedAt >= TURN_MILLIS
  }

  /** Whether this turn has used up its bytes. */
  get isOver(): boolean {
    return this.acceptedBytes - this.begunAt >= TURN
  }

  /** Ends this turn early. */
  end(): void {
    this.begunAt = -TURN
  }

  /** Waits, in order of arrival, for a turn with room, in which `admit` is called. */
  joinUnsafe(scheduler: Scheduler, admit: () => void): void {
    this.line.push(admit)
    if (!this.scheduled.has(scheduler))
      this.schedule(scheduler, guardScheduler(scheduler).makeDispatcher())
  }

  private schedule(scheduler: Scheduler, dispatcher: SchedulerDispatcher): void {
    this.scheduled.add(scheduler)
    dispatcher.scheduleTask(() => this.begin(scheduler, dispatcher), 0)
  }

  /** Begins a turn: admits callers, which run at once, until the turn is over. */
  private begin(scheduler: Scheduler, dispatcher: SchedulerDispatcher): void {
    this.begunAt = this.acceptedBytes
    this.lookedAt = undefined
    // An admitted caller may begin a turn from within, if a scheduler of the program runs its tasks
    // at once.
    while (this.served < this.line.length && !this.isOver)
      wake(this.line[this.served++]!, undefined)
    this.line.splice(0, this.served)
    this.served = 0
    this.scheduled.delete(scheduler)
    if (this.line.length > 0) this.schedule(scheduler, dispatcher)
  }
}
