/**
 * The time limit of the waits of one stream. All waits have the same limit, so they reach it in the
 * order in which they began, and one timer for the oldest serves all. Awaiting a receipt costs no
 * separate timer or fiber.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { PIECE } from "../userCode/pieces.ts"

/** A place in the line of waits. */
interface Place {
  before: Place | undefined
  behind: Place | undefined
}

/**
 * One wait. Its neighbours are set by the limit; both are undefined while it is not in the line.
 */
export interface Limited extends Place {
  /** When it reaches the limit, in milliseconds. */
  deadline: number
  /** Ends the wait then. It must not throw. */
  readonly expire: () => void
}

export class WaitLimit {
  /** The two ends of the line: `behind` is the oldest wait, `before` the latest. */
  private readonly ends: { before: Place; behind: Place }
  /** Sleeps until the oldest wait reaches the limit. Ends when there is none. */
  private timer: Fiber.Fiber<void> | undefined
  /** Whether the timer runs. It may end while it is being started. */
  private watching = false
  private readonly millis: number
  private readonly now: () => number
  private readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>

  /** `now` returns milliseconds, by the clock of the fibers that `fork` starts. */
  constructor(
    millis: number,
    now: () => number,
    fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  ) {
    const ends: Place = { before: undefined, behind: undefined }
    ends.before = ends.behind = ends
    this.ends = ends as typeof this.ends
    this.millis = millis
    this.now = now
    this.fork = fork
  }

  /** Adds a wait that begins now. */
  add(wait: Limited): void {
    wait.deadline = this.now() + this.millis
    const { ends } = this
    const latest = ends.before
    wait.before = latest
    wait.behind = ends
    latest.behind = wait
    ends.before = wait
    if (this.watching) return
    this.watching = true
    this.timer = this.fork(this.watch())
  }

  /** Removes a wait that has ended. Does nothing when it is not in the line. */
  delete(wait: Limited): void {
    const { before, behind } = wait
    if (before === undefined || behind === undefined) return
    before.behind = behind
    behind.before = before
    wait.before = wait.behind = undefined
  }

  /** Ends the timer. There are no waits, now or later. */
  endUnsafe(): void {
    this.timer?.interruptUnsafe()
  }

  private watch(): Effect.Effect<void> {
    return Effect.suspend(() => {
      let answered = 0
      while (this.ends.behind !== this.ends) {
        const oldest = this.ends.behind as Limited
        const left = oldest.deadline - this.now()
        if (left > 0) return Effect.andThen(Effect.sleep(left), this.watch())
        // Sockets and timers must not wait for all of them.
        if (answered++ === PIECE) return Effect.andThen(Effect.yieldNow, this.watch())
        this.delete(oldest)
        oldest.expire()
      }
      this.watching = false
      return Effect.void
    })
  }
}
