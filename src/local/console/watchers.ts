/**
 * Those who watch a console: each has a queue of messages that is bounded, and one that reads too
 * slowly begins anew with a snapshot.
 */
import * as Effect from "effect/Effect"
import type { Timers } from "../timers.ts"

/** Pages that watch at a time. */
const maxWatchers = 16
/** Messages that wait for a slow reader, beside those of its snapshot. */
const maxWaiting = 8
/** After this time without a message a comment is sent, so that a page that is gone is noticed. */
const idleMillis = 15_000

/** One who watches. */
export interface Watcher {
  /** The next message, as soon as there is one. To be run by one fiber. */
  readonly next: Effect.Effect<string>
}

interface Reader extends Watcher {
  queue: ReadonlyArray<string>
  maxQueue: number
  /** Whether it gets a snapshot next, and no message before. */
  isBehind: boolean
  wake: () => void
}

const none = () => {}

/** All who watch. */
export class Watchers {
  private readonly timers: Timers
  private readonly readers = new Set<Reader>()
  private cancelIdle = none

  constructor(timers: Timers) {
    this.timers = timers
  }

  /** Whether somebody watches. */
  get any(): boolean {
    return this.readers.size > 0
  }

  get isFull(): boolean {
    return this.readers.size >= maxWatchers
  }

  /** Adds one, whose first messages are those of a snapshot. Undefined when there are too many. */
  add(snapshot: Effect.Effect<ReadonlyArray<string>>): Watcher | undefined {
    if (this.isFull) return undefined
    // What is sent while the snapshot is made follows it: some of its rows are read before.
    const taken = Effect.suspend(() => {
      Object.assign(reader, { queue: [], maxQueue: maxWaiting, isBehind: false })
      return Effect.map(snapshot, ([first, ...rest]) => {
        reader.queue = [...rest, ...reader.queue]
        reader.maxQueue += rest.length
        return first!
      })
    })
    const next: Effect.Effect<string> = Effect.suspend(() => {
      if (reader.isBehind) return taken
      const [first, ...rest] = reader.queue
      if (first === undefined) return Effect.flatMap(woken, () => next)
      reader.queue = rest
      return Effect.succeed(first)
    })
    const woken = Effect.callback<void>((resume) => {
      reader.wake = () => resume(Effect.void)
      return Effect.sync(() => {
        reader.wake = none
      })
    })
    const reader: Reader = { next, queue: [], maxQueue: 0, isBehind: true, wake: none }
    this.readers.add(reader)
    this.restartIdle()
    return reader
  }

  remove(watcher: Watcher): void {
    this.readers.delete(watcher as Reader)
    if (!this.any) this.cancelIdle()
  }

  /** Sends a message to all who have caught up. */
  send(frame: string): void {
    for (const reader of this.readers) {
      if (reader.isBehind) continue
      if (reader.queue.length < reader.maxQueue) reader.queue = [...reader.queue, frame]
      else Object.assign(reader, { queue: [], isBehind: true })
      const { wake } = reader
      reader.wake = none
      // Its fiber may go on at once, and wait again.
      wake()
    }
    this.restartIdle()
  }

  private restartIdle(): void {
    this.cancelIdle()
    this.cancelIdle = this.timers.after(idleMillis, () => this.send(":\n\n"))
  }
}
