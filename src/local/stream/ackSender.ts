/**
 * Sends decided acknowledgements to the client: delayed as the rules of the table's script define,
 * always in order. An acknowledgement may also announce the end of the stream.
 */
import { makeDelays, type Delays } from "../timers.ts"
import type { StreamContext } from "./streamContract.ts"

/** Sends the acknowledgements of one stream. */
export class AckSender {
  private readonly context: StreamContext
  private readonly sentLater: () => void
  /** Acknowledgements that were decided and not sent yet. */
  private readonly delayed: Delays
  /** When the oldest message was received that no decided acknowledgement covers yet. */
  private oldest: number | undefined
  /**
   * Milliseconds from the next acknowledgement to the end of the stream, if it announces the end.
   */
  private grace: number | undefined

  /** `sentLater` is called after each acknowledgement that was delayed. */
  constructor(context: StreamContext, sentLater: () => void) {
    this.context = context
    this.sentLater = sentLater
    this.delayed = makeDelays(context.timers)
  }

  /** Whether every decided acknowledgement was sent. */
  get isIdle(): boolean {
    return this.delayed.waiting() === 0
  }

  /** Notes that the next acknowledgement covers a message received at this time. */
  cover(since: number): void {
    this.oldest ??= since
  }

  /** Announces the end of the stream in the message of the next acknowledgement. */
  announce(graceMillis: number): void {
    this.grace = graceMillis
  }

  /** Sends an acknowledgement up to this wire offset, now or after its delay. */
  send(upTo: number): void {
    const { recorder, script } = this.context
    const since = this.oldest
    this.oldest = undefined
    const wait = script.acks.delay(recorder.number)
    if (wait === 0 && this.isIdle) return this.sendNow(upTo, since)
    this.delayed.add(wait, () => {
      this.sendNow(upTo, since)
      this.sentLater()
    })
  }

  private sendNow(upTo: number, since: number | undefined): void {
    const { observer, peer, recorder, script, timers, wire } = this.context
    const records = recorder.acked(upTo)
    peer.write(wire.ack(upTo, this.grace))
    this.grace = undefined
    observer.acked(records, since === undefined ? undefined : timers.now() - since)
    script.note("acked")
  }
}
