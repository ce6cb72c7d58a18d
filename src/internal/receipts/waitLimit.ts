/**
 * The time limit of the waits of one stream: all have the same, so they reach it in the order in which they began, and one timer
 * for the oldest serves all. A receipt that is awaited costs no timer and no fiber of its own.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { PIECE } from "../userCode/pieces.ts"

/** One wait. */
export interface Limited {
  /** When it has lasted for too long, in milliseconds. */
  deadline: number
  /** Answers it then. It must not throw. */
  readonly expire: () => void
}

export class WaitLimit {
  /** The waits that go on, oldest first. */
  private readonly waits = new Set<Limited>()
  /** Sleeps until the oldest wait has reached the limit; ends when it finds none. */
  private timer: Fiber.Fiber<void> | undefined
  /** Whether it runs. It may end while it is being started. */
  private watching = false
  private readonly millis: number
  private readonly now: () => number
  private readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>

  /** `now` gives milliseconds, by the clock of the fibers that `fork` starts. */
  constructor(millis: number, now: () => number, fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>) {
    this.millis = millis
    this.now = now
    this.fork = fork
  }

  /** A wait begins. */
  add(wait: Limited): void {
    wait.deadline = this.now() + this.millis
    this.waits.add(wait)
    if (this.watching) return
    this.watching = true
    this.timer = this.fork(this.watch)
  }

  /** A wait has ended. */
  delete(wait: Limited): void {
    this.waits.delete(wait)
  }

  /** Ends the timer. Nobody waits, or will. */
  endUnsafe(): void {
    this.timer?.interruptUnsafe()
  }

  private readonly watch: Effect.Effect<void> = Effect.suspend(() => {
    let answered = 0
    for (const oldest of this.waits) {
      const left = oldest.deadline - this.now()
      if (left > 0) return Effect.andThen(Effect.sleep(left), this.watch)
      // Sockets and timers must not wait for all of them.
      if (answered++ === PIECE) return Effect.andThen(Effect.yieldNow, this.watch)
      this.waits.delete(oldest)
      oldest.expire()
    }
    this.watching = false
    return Effect.void
  })
}
