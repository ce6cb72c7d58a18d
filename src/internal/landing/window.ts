/**
 * The window: messages that a session has taken and that are not acknowledged yet, in order.
 *
 *              head          cursor
 *   +----------+-------------+-------------+
 *   | released |  in flight  |  to replay  | <-- push, while nothing is to replay
 *   +----------+-------------+-------------+
 *
 * An acknowledgement moves `head`, and sending moves `cursor`. A new session moves `cursor` back to
 * `head`. That touches no message, however many there are.
 */
import type { Message } from "./chunk.ts"

// Released slots at the front are dropped from this number on, once they are more than half.
const DROP_FROM = 1024

/** The messages of a landing zone between their first sending and their acknowledgement. */
export class Window {
  private messages: Array<Message> = []
  private head = 0
  private cursor = 0

  /** How many messages were handed to the current session and are not acknowledged. */
  get inFlight(): number {
    return this.cursor - this.head
  }

  /** How many messages are still to be sent again on the current session. */
  get toReplay(): number {
    return this.messages.length - this.cursor
  }

  /** The oldest message, in flight or to replay. */
  get oldest(): Message | undefined {
    return this.messages[this.head]
  }

  /** The message at `index`, in flight or to replay; 0 is the oldest. */
  at(index: number): Message {
    return this.messages[this.head + index]!
  }

  /** The next message to be sent again, which is then in flight; `undefined` when there is none. */
  replay(): Message | undefined {
    return this.cursor < this.messages.length ? this.messages[this.cursor++] : undefined
  }

  /**
   * Adds a message that is sent for the first time. Only while nothing is to replay, since it would
   * overtake.
   */
  push(message: Message): void {
    this.messages.push(message)
    this.cursor++
  }

  /** Removes and returns the oldest message in flight. */
  shift(): Message {
    const message = this.messages[this.head]!
    this.messages[this.head++] = undefined as never // acknowledged payloads are not kept alive
    if (this.head === this.messages.length) {
      this.messages = []
      this.cursor = this.head = 0
    } else if (this.head > DROP_FROM && this.head * 2 > this.messages.length) {
      this.messages = this.messages.slice(this.head)
      this.cursor -= this.head
      this.head = 0
    }
    return message
  }

  /**
   * Replaces each of the oldest `count` messages by its pieces. Returns the number of pieces. All
   * messages are to replay afterwards.
   */
  divideOldest(count: number, divide: (message: Message) => ReadonlyArray<Message>): number {
    const pieces = this.messages.slice(this.head, this.head + count).flatMap(divide)
    this.messages = pieces.concat(this.messages.slice(this.head + count))
    this.head = 0
    this.cursor = 0
    return pieces.length
  }

  /** Starts over at the oldest message, for a new session. */
  rewind(): void {
    this.cursor = this.head
  }

  /** Everything unacknowledged, in order. */
  get unacknowledged(): ReadonlyArray<Message> {
    return this.messages.slice(this.head)
  }
}
