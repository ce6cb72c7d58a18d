/**
 * The messages of a landing zone, from the queue to their acknowledgement, as sessions use them.
 *
 *   keepMessage --> queue -- nextUnsafe --> window --> session
 *
 *   of a session: acknowledgement --> acknowledgeUnsafe --> its messages leave the window
 *                 its loss ---------> rewindUnsafe -------> the next session gets the window,
 *                                                           then the queue
 *   of a stream:  its end ----------> unackedUnsafe ------> window and queue are read
 *
 * `landingZone.ts` holds how records become messages, and who waits for room.
 */
import * as Effect from "effect/Effect"
import { type Message, MESSAGE_OVERHEAD } from "./chunk.ts"
import type { MessageQueue } from "./messageQueue.ts"
import { divide, replace } from "./pieces.ts"
import { Window } from "./window.ts"

export abstract class ZoneMessages {
  /** The next lifetime offset to be given out. */
  nextOffset = 0
  /** Encoded bytes (including framing) and records in use, queued and in flight together. */
  usedBytes = 0
  usedRecords = 0
  /** What the messages cost of the byte budget beyond their bytes. */
  protected overhead = 0
  /** Records and bytes (including framing) ever accepted, and records ever acknowledged. */
  acceptedRecords = 0
  acceptedBytes = 0
  acknowledgedRecords = 0
  /** Records that the server refused and a handler took. */
  refusedRecords = 0
  /** Bytes ever taken for a session. */
  protected takenBytes = 0
  protected readonly queue: MessageQueue
  /** Messages that were taken and are not settled. Only this class changes it. */
  readonly window = new Window()
  /** The last queued message, while single records may still join it. */
  protected open: Message | undefined

  constructor(queue: MessageQueue) {
    this.queue = queue
  }

  /** Called when the zone is empty. */
  protected abstract releaseIdle(): void

  /** The next message for the current session: first those to be sent again, then queued ones. */
  nextUnsafe(): Message | undefined {
    const again = this.window.replay()
    if (again !== undefined) return again
    const message = this.queue.shift()
    if (message === undefined) return undefined
    this.takenBytes += message.charge
    if (message === this.open) this.open = undefined
    this.window.push(message)
    return message
  }

  /** Completes when `nextUnsafe` has something. */
  get awaitNext(): Effect.Effect<void> {
    return Effect.suspend(() => (this.window.toReplay > 0 ? Effect.void : this.queue.awaitMessage))
  }

  /**
   * Calls the listener, which must not throw, in the turn after messages were queued. There is one
   * listener at a time. Returns how to remove it.
   */
  listenUnsafe(listener: () => void): () => void {
    return this.queue.listenUnsafe(listener)
  }

  /**
   * The oldest unacknowledged message, if there is one. Only while no session is open, since this
   * may count it as in flight.
   */
  oldestUnsafe(): Message | undefined {
    return this.window.oldest ?? this.nextUnsafe()
  }

  /** Whether everything accepted is acknowledged. */
  get isEmpty(): boolean {
    return this.usedRecords === 0
  }

  /** Bytes that no session has taken yet. */
  get queuedBytes(): number {
    return this.acceptedBytes - this.takenBytes
  }

  /** Accepted records that are neither durable nor refused. */
  get leftRecords(): number {
    return this.acceptedRecords - this.acknowledgedRecords - this.refusedRecords
  }

  /**
   * Frees the oldest `count` messages in flight and returns the last offset that became durable.
   */
  acknowledgeUnsafe(count: number): number {
    let last = -1
    for (let i = 0; i < count; i++) {
      const message = this.window.shift()
      this.usedBytes -= message.charge
      this.usedRecords -= message.offsets
      this.acknowledgedRecords += message.records
      last = message.lastOffset
      message.chunk.release()
    }
    this.overhead -= count * MESSAGE_OVERHEAD
    if (this.usedRecords === 0) this.releaseIdle()
    return last
  }

  /** Frees the oldest message, which was refused. Only while no session is open. */
  refuseOldestUnsafe(): void {
    const { records } = this.window.replay()!
    this.acknowledgeUnsafe(1)
    this.acknowledgedRecords -= records
    this.refusedRecords += records
  }

  /**
   * Divides the oldest `count` messages; `records` returns how many records each piece of a message
   * gets. Only while no session is open.
   */
  divideUnsafe(count: number, records: (message: Message) => number): void {
    const pieces = this.window.divideOldest(count, (message) => {
      const size = records(message)
      if (size >= message.records) return [message]
      this.usedBytes -= message.charge
      const made = divide(message, size)
      this.usedBytes += made.reduce((sum, piece) => sum + piece.charge, 0)
      return made
    })
    this.overhead += (pieces - count) * MESSAGE_OVERHEAD
  }

  /**
   * Replaces the oldest message by a part of it, since the rest is acknowledged, and returns the
   * first offset of the part. Only while no session is open.
   */
  shortenOldestUnsafe(
    part: (content: Uint8Array) => { readonly content: Uint8Array; readonly records: number }
  ): number {
    let first = 0
    this.window.divideOldest(1, (message) => {
      const { content, records } = part(message.chunk.buffer.subarray(message.start, message.end))
      this.usedBytes -= message.charge
      this.acknowledgedRecords += message.records - records
      const shorter = replace(message, content, records)
      this.usedBytes += shorter.charge
      this.usedRecords -= shorter.offset - message.offset
      first = shorter.offset
      return [shorter]
    })
    return first
  }

  /** Starts over at the oldest unacknowledged message, for a new session. */
  rewindUnsafe(): void {
    this.window.rewind()
  }

  /**
   * Takes every message out of the queue and returns how many are unacknowledged. Only while no
   * session is open.
   */
  takeAllUnsafe(): number {
    while (this.nextUnsafe() !== undefined);
    return this.window.inFlight
  }

  /** Everything unacknowledged, in order; only after `closeUnsafe`. */
  unackedUnsafe(): ReadonlyArray<Message> {
    this.takeAllUnsafe()
    return this.window.unacknowledged
  }
}
