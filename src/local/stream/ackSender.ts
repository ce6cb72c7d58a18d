/**
 * The way of an acknowledgement from its decision to the client: it takes as long as a rule of the
 * table's script wants, none overtakes another, and one may carry further bytes in its message.
 */
import { makeDelays, type Delays } from "../timers.ts"
import type { StreamContext } from "./streamContract.ts"
import { ackResponse } from "./streamMessages.ts"

/** Sends the acknowledgements of one stream. */
export class AckSender {
  private readonly context: StreamContext
  private readonly sentLater: () => void
  /** Acknowledgements that were decided and are not sent. */
  private readonly delayed: Delays
  /** When the oldest message was received that no decided acknowledgement covers. */
  private oldest: number | undefined
  private attached: Uint8Array | undefined

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

  /** Puts these bytes into the same message as the acknowledgement that is sent next. */
  attach(bytes: Uint8Array): void {
    this.attached = bytes
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
    const { observer, peer, persistent, recorder, script, timers } = this.context
    const records = recorder.acked(upTo)
    const bytes = ackResponse(upTo, persistent)
    peer.write(this.attached === undefined ? bytes : Buffer.concat([bytes, this.attached]))
    this.attached = undefined
    observer.acked(records, since === undefined ? undefined : timers.now() - since)
    script.note("acked")
  }
}
