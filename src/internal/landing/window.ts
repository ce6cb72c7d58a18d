/**
 * The window: the messages that were taken for a session and are not acknowledged yet, in order.
 *
 *              head          cursor
 *   +----------+-------------+-------------+
 *   | released |  in flight  |  to replay  | <-- push, while nothing is to replay
 *   +----------+-------------+-------------+
 *
 * An acknowledgement moves `head`, sending moves `cursor`, and a new session puts `cursor` back to
 * `head`, which touches no message however many there are.
 */
import type { Message } from "./chunk.ts"

// Released places at the front are dropped from this many on, when they are more than half.
const DROP_FROM = 1024

/** The messages of a landing zone between their first sending and their acknowledgement. */
export class Window {
  private messages: Array<Message> = []
  private head = 0
  private cursor = 0

  /** How many messages the current session was handed and has not had acknowledged. */
  get inFlight(): number {
    return this.cursor - this.head
  }

  /** How many messages still wait to be sent again on the current session. */
  get toReplay(): number {
    return this.messages.length - this.cursor
  }

  /** The oldest message, in flight or to replay. */
  get oldest(): Message | undefined {
    return this.messages[this.head]
  }

  /** The `index`-th message, in flight or to replay, 0 being the oldest. */
  at(index: number): Message {
    return this.messages[this.head + index]!
  }

  /** The next message to be sent again, which is then in flight; `undefined` when there is none. */
  replay(): Message | undefined {
    return this.cursor < this.messages.length ? this.messages[this.cursor++] : undefined
  }

  /**
   * Adds a message that is sent for the first time. Only while nothing is to replay, or it would
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
   * Puts pieces in the place of each of the oldest `count` messages; returns how many they are. All
   * are to replay then.
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
