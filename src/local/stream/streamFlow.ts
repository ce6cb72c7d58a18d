/**
 * Flow control of one stream. Reading from the client pauses while the inbound lane is stopped,
 * while too many bytes wait for the log, while the store is under pressure, and while the stream is
 * ahead of its permitted rate.
 */
import type { InboundLane } from "./inboundLane.ts"
import type { StreamContext } from "./streamContract.ts"
import type { TableWriter } from "../store/tableStore.ts"

/** How far a stream may run ahead of its rate before it is slowed down, in milliseconds. */
const burstMillis = 20

/** The flow control of one stream, initially reading. */
export class StreamFlow {
  private readonly context: StreamContext
  private readonly pending: { readonly undurableBytes: number }
  private readonly inbound: InboundLane
  private writer: TableWriter | undefined
  private isReading = true
  private awaitsRoom = false
  /** When the records received so far would have arrived at the permitted rate. */
  private paceUntil = -Infinity
  private isAhead = false

  constructor(
    context: StreamContext,
    pending: { readonly undurableBytes: number },
    inbound: InboundLane
  ) {
    this.context = context
    this.pending = pending
    this.inbound = inbound
  }

  /** Makes reading depend on the pressure of this writer. */
  watch(writer: TableWriter): void {
    this.writer = writer
  }

  /** Counts a received message. */
  received(records: number, bytes: number): void {
    this.keepPace(records, bytes)
    this.update()
  }

  /** Pauses or resumes reading if necessary. Reading resumes at half of the permitted bytes. */
  update(): void {
    const { limits, peer, timers } = this.context
    if (timers.isEnded()) return
    const { inbound, pending, writer } = this
    const hasRoom = pending.undurableBytes <= limits.maxUndurableBytes / (this.isReading ? 1 : 2)
    const isPressed = writer?.pressure() === true
    if (isPressed) this.awaitRoom(writer!)
    const mayRead = !inbound.isStopped && hasRoom && !isPressed && !this.isAhead
    if (mayRead === this.isReading) return
    this.isReading = mayRead
    if (mayRead) peer.resume()
    else peer.pause()
  }

  private awaitRoom(writer: TableWriter): void {
    if (this.awaitsRoom) return
    this.awaitsRoom = true
    writer.onRoom(() => {
      this.awaitsRoom = false
      this.update()
    })
  }

  private keepPace(records: number, bytes: number): void {
    const { limits, timers } = this.context
    const { maxBytesPerSecond, maxRecordsPerSecond } = limits
    const seconds = Math.max(records / maxRecordsPerSecond, bytes / maxBytesPerSecond)
    if (seconds === 0) return
    this.paceUntil = Math.max(this.paceUntil, timers.now()) + seconds * 1000
    const ahead = this.paceUntil - timers.now()
    if (this.isAhead || ahead < burstMillis) return
    this.isAhead = true
    timers.after(ahead, () => {
      this.isAhead = false
      this.update()
    })
  }
}
