/**
 * The way of an acknowledgement from its decision to the client: it takes as long as a rule of the
 * table's script wants, none overtakes another, and one may announce the end of the stream.
 */
import { makeDelays, type Delays } from "../timers.ts"
import type { StreamContext } from "./streamContract.ts"

/** Sends the acknowledgements of one stream. */
export class AckSender {
  private readonly context: StreamContext
  private readonly sentLater: () => void
  /** Acknowledgements that were decided and are not sent. */
  private readonly delayed: Delays
  /** When the oldest message was received that no decided acknowledgement covers. */
  private oldest: number | undefined
  /** Milliseconds from the next acknowledgement to the end of the stream, where it says so. */
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

  /** The next acknowledgement covers a message that was received at this time. */
  cover(since: number): void {
    this.oldest ??= since
  }

  /**
   * Announces the end of the stream in the same message as the acknowledgement that is sent next.
   */
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
