/**
 * The messages that no session has taken yet, oldest first. A listener is called in the next turn
 * of the event loop. By then, everything that a caller offered in one go is queued.
 */
import * as Effect from "effect/Effect"
import type { Message } from "./chunk.ts"
import { wake } from "../userCode/wake.ts"
import type { Due, NextTurn } from "./nextTurn.ts"

// Taken slots at the front are dropped from this number on, once they are more than half.
const DROP_FROM = 1024

export class MessageQueue implements Due {
  private messages: Array<Message> = []
  private head = 0
  private listener: (() => void) | undefined
  /** Whether the listener is called in the next turn. */
  private due = false
  private readonly turn: NextTurn

  constructor(turn: NextTurn) {
    this.turn = turn
  }

  get isEmpty(): boolean {
    return this.head === this.messages.length
  }

  push(message: Message): void {
    this.messages.push(message)
    if (this.listener !== undefined) this.tellNextTurn()
  }

  /**
   * Calls the listener in the next turn: a listener that left messages in the queue has to check
   * again.
   */
  tellNextTurn(): void {
    if (this.due) return
    this.due = true
    this.turn.add(this)
  }

  /** Removes and returns the oldest message; `undefined` when there is none. */
  shift(): Message | undefined {
    const message = this.messages[this.head]
    if (message === undefined) return undefined
    this.messages[this.head++] = undefined as never // what was taken is not kept alive
    if (this.isEmpty) {
      this.messages.length = 0
      this.head = 0
    } else if (this.head > DROP_FROM && this.head * 2 > this.messages.length) {
      this.messages = this.messages.slice(this.head)
      this.head = 0
    }
    return message
  }

  /**
   * Calls the listener, which must not throw, in the turn after each message was queued. There is
   * one listener at a time. Returns how to remove it.
   */
  listenUnsafe(listener: () => void): () => void {
    this.listener = listener
    return () => {
      if (this.listener === listener) this.listener = undefined
    }
  }

  runUnsafe(): void {
    this.due = false
    this.listener?.()
  }

  /** Completes when there is a message. There must be no other listener in the meantime. */
  get awaitMessage(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.isEmpty
        ? Effect.callback<void>((resume) => {
            const stop = this.listenUnsafe(() => {
              stop()
              wake(resume, Effect.void)
            })
            return Effect.sync(stop)
          })
        : Effect.void
    )
  }
}
