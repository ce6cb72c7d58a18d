/**
 * An answer that fibers of the user wait for. Unlike with a `Deferred`, a fiber that throws when it is
 * resumed keeps the answer from no other fiber.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { wake } from "./wake.ts"

export class Answer<A, E = never> {
  /** The answer; `undefined` until there is one. */
  exit: Exit.Exit<A, E> | undefined
  private waiting: Set<(exit: Exit.Exit<A, E>) => void> | undefined

  get isDone(): boolean {
    return this.exit !== undefined
  }

  /** Gives the answer and resumes everybody who waits for it, in order. The first answer counts. */
  doneUnsafe(exit: Exit.Exit<A, E>): void {
    if (this.exit !== undefined) return
    this.exit = exit
    const { waiting } = this
    this.waiting = undefined
    if (waiting !== undefined) for (const resume of waiting) wake(resume, exit)
  }

  /** Waits for the answer. */
  readonly await: Effect.Effect<A, E> = Effect.callback<A, E>((resume) => {
    if (this.exit !== undefined) {
      resume(this.exit)
      return undefined
    }
    const waiting = (this.waiting ??= new Set())
    waiting.add(resume)
    return Effect.sync(() => waiting.delete(resume))
  })
}
