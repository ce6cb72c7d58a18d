/**
 * The messages of one stream that another thread decodes, and all following steps, in order. While
 * a block of messages is decoded, arriving messages collect into the next block.
 *
 * A stream uses the queue while messages arrive fast. When the queue is empty and the log nearly
 * idle, the caller decodes a message itself instead of adding it here. Terms as in
 * `serverStream.ts`.
 */
import type { Appended } from "../store/appended.ts"
import type { TableWriter } from "../store/tableStore.ts"

/** A waiting message. */
export interface QueuedMessage {
  readonly records: ReadonlyArray<Uint8Array>
  /** The number of records in these bytes. */
  readonly count: number
  readonly recordBytes: number
  readonly offset: number
  /** When it arrived, in milliseconds since the epoch. */
  readonly since: number
}

/** The stream behind the queue. */
export interface MessageTarget {
  /** Called with messages that were appended, up to the first refused one. */
  readonly appended: (messages: ReadonlyArray<QueuedMessage>, result: Appended) => void
  /** Called when the queue became shorter. */
  readonly moved: () => void
}

/**
 * A block is limited to this many bytes, so that its rows are returned soon. A single message may
 * be larger.
 */
const blockBytes = 512 * 1024

type Entry = QueuedMessage | (() => void)

/** The queue of one stream. */
export class MessageQueue {
  /** Bytes of the records in the queue. */
  bytes = 0
  private readonly target: MessageTarget
  private entries: Array<Entry> = []
  /** Whether a block is being decoded or about to be formed. */
  private isBusy = false
  private isDropped = false

  constructor(target: MessageTarget) {
    this.target = target
  }

  get isEmpty(): boolean {
    return this.isDropped || (!this.isBusy && this.entries.length === 0)
  }

  /** Adds a message. Messages that arrive in the same turn of the event loop join its block. */
  add(message: QueuedMessage, writer: TableWriter): void {
    this.entries.push(message)
    this.bytes += message.recordBytes
    if (this.isBusy) return
    this.isBusy = true
    setImmediate(() => this.next(writer))
  }

  /** Runs a step once everything before it is done; immediately when the queue is empty. */
  inOrder(step: () => void): void {
    if (this.isEmpty) step()
    else this.entries.push(step)
  }

  /** Drops everything, at the end of the stream. */
  drop(): void {
    this.isDropped = true
    this.entries = []
    this.bytes = 0
  }

  /** Runs the steps at the front, then starts decoding the next block. */
  private next(writer: TableWriter): void {
    if (this.isDropped) return
    while (typeof this.entries[0] === "function") {
      const step = this.entries.shift() as () => void
      // Messages that the last step adds start a new block.
      const isLast = this.entries.length === 0
      if (isLast) this.isBusy = false
      step()
      if (this.isDropped) return
      if (isLast) return this.target.moved()
    }
    const block = this.takeBlock()
    if (block.length === 0) {
      this.isBusy = false
      return this.target.moved()
    }
    writer.appendElsewhere!(
      block.map(({ records }) => records),
      (result) => {
        if (this.isDropped) return
        for (const { recordBytes } of block) this.bytes -= recordBytes
        if (result.problem !== undefined) {
          // Everything after a refused message is dropped.
          this.entries = []
          this.bytes = 0
          this.isBusy = false
        }
        this.target.appended(block, result)
        if (this.isBusy && !this.isDropped) this.next(writer)
        this.target.moved()
      },
      block[0]!.offset
    )
  }

  private takeBlock(): ReadonlyArray<QueuedMessage> {
    const block: Array<QueuedMessage> = []
    let bytes = 0
    for (const entry of this.entries) {
      if (typeof entry === "function" || (bytes > 0 && bytes + entry.recordBytes > blockBytes))
        break
      bytes += entry.recordBytes
      block.push(entry)
    }
    this.entries.splice(0, block.length)
    return block
  }
}
