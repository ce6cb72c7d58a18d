/**
 * The pages that watch a console. Each has a limited queue of messages, and a page that reads too
 * slowly starts again with a snapshot.
 */
import * as Effect from "effect/Effect"
import type { Timers } from "../timers.ts"

/** The most pages that watch at the same time. */
const maxWatchers = 16
/** The most messages that wait for a slow reader, in addition to those of its snapshot. */
const maxWaiting = 8
/** After this time without a message, a comment is sent to detect disconnected pages. */
const idleMillis = 15_000

/** A watching page. */
export interface Watcher {
  /** Waits for the next message. Must be run by one fiber at a time. */
  readonly next: Effect.Effect<string>
}

interface Reader extends Watcher {
  queue: ReadonlyArray<string>
  maxQueue: number
  /** Whether it gets a snapshot next, and no messages before it. */
  isBehind: boolean
  wake: () => void
}

const none = () => {}

/** All watching pages. */
export class Watchers {
  private readonly timers: Timers
  private readonly readers = new Set<Reader>()
  private cancelIdle = none

  constructor(timers: Timers) {
    this.timers = timers
  }

  /** Whether any page watches. */
  get any(): boolean {
    return this.readers.size > 0
  }

  get isFull(): boolean {
    return this.readers.size >= maxWatchers
  }

  /** Adds a watcher, whose first messages are a snapshot. Undefined when there are too many. */
  add(snapshot: Effect.Effect<ReadonlyArray<string>>): Watcher | undefined {
    if (this.isFull) return undefined
    // Messages that are sent while the snapshot is created follow it, because some of its rows were
    // read before.
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

  /** Sends a message to all watchers that have caught up. */
  send(frame: string): void {
    for (const reader of this.readers) {
      if (reader.isBehind) continue
      if (reader.queue.length < reader.maxQueue) reader.queue = [...reader.queue, frame]
      else Object.assign(reader, { queue: [], isBehind: true })
      const { wake } = reader
      reader.wake = none
      // Its fiber may continue immediately and wait again.
      wake()
    }
    this.restartIdle()
  }

  private restartIdle(): void {
    this.cancelIdle()
    this.cancelIdle = this.timers.after(idleMillis, () => this.send(":\n\n"))
  }
}
