/**
 * A result that fibers of the user wait for. With a `Deferred`, a fiber that throws when it is
 * resumed would keep the others from resuming.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { wake } from "./wake.ts"

type Listener<A, E> = (exit: Exit.Exit<A, E>) => void

export class Answer<A, E = never> {
  /** The result; `undefined` until there is one. */
  exit: Exit.Exit<A, E> | undefined
  /** The first waiter. Most answers have no other. */
  private first: Listener<A, E> | undefined
  private others: Set<Listener<A, E>> | undefined

  get isDone(): boolean {
    return this.exit !== undefined
  }

  /** Sets the result and resumes all waiters, in order. Only the first result counts. */
  doneUnsafe(exit: Exit.Exit<A, E>): void {
    if (this.exit !== undefined) return
    this.exit = exit
    const { first, others } = this
    this.first = undefined
    if (first !== undefined) wake(first, exit)
    // A resumed waiter may remove another one.
    if (others !== undefined) for (const resume of others) wake(resume, exit)
    this.others = undefined
  }

  /** Waits for the result. */
  get await(): Effect.Effect<A, E> {
    return Effect.callback<A, E>((resume) => {
      if (this.exit === undefined) return Effect.sync(this.onDone(resume))
      resume(this.exit)
      return undefined
    })
  }

  /**
   * Calls the listener with the result, which must not be set yet. Returns how to remove the
   * listener.
   */
  onDone(listener: Listener<A, E>): () => void {
    if (this.first === undefined && this.others === undefined) this.first = listener
    else (this.others ??= new Set()).add(listener)
    return () => {
      if (this.first === listener) this.first = undefined
      else this.others?.delete(listener)
    }
  }
}

/** Waits for the first of several answers, in the calling fiber alone. */
export const firstOf = (
  ...answers: ReadonlyArray<Pick<Answer<unknown>, "isDone" | "onDone">>
): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (answers.some(({ isDone }) => isDone)) return resume(Effect.void)
    const stop = (): void => {
      for (const leave of leaving) leave()
    }
    const leaving = answers.map((answer) =>
      answer.onDone(() => {
        stop()
        resume(Effect.void)
      })
    )
    return Effect.sync(stop)
  })
