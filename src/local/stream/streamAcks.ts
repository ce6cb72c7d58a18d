/**
 * Decides when a stream acknowledges, and up to which offset: cumulatively everything that is
 * ready, immediately or after the interval, or as a plan of the table's script defines. Terms as in
 * `serverStream.ts`.
 */
import type { AckProgress, DueAck } from "../faults/ackRules.ts"
import { AckSender } from "./ackSender.ts"
import type { StreamContext } from "./streamContract.ts"
import type { Lane } from "./streamFaults.ts"

/** The stream whose messages are acknowledged. */
export interface AckedStream {
  /** Whether it was created and has not ended. */
  readonly isOpen: boolean
  /** The number of arrived messages, plus one for the half-close. */
  readonly arrived: number
  /** Whether it is ending and everything received is ready. */
  readonly isDrained: boolean
  /**
   * Called when acknowledgements continue, or one was sent after a delay: the stream may continue
   * or end.
   */
  readonly acksMoved: () => void
}

/** The acknowledgements of one stream, as a lane that a fault can stop. */
export class StreamAcks implements Lane {
  readonly sender: AckSender
  /** The highest wire offset of a decided acknowledgement, or -1. */
  decidedUpTo = -1
  private readonly context: StreamContext
  private readonly stream: AckedStream
  private readyUpTo = -1
  private decidedAt = -Infinity
  private isScheduled = false
  private isStopped = false

  constructor(context: StreamContext, stream: AckedStream) {
    this.context = context
    this.stream = stream
    this.sender = new AckSender(context, () => stream.acksMoved())
  }

  /** Starts after a wire offset that earlier connections acknowledged. */
  begin(committed: number): void {
    this.decidedUpTo = this.readyUpTo = committed
  }

  /** Whether everything ready is acknowledged. */
  get isSettled(): boolean {
    return this.decidedUpTo >= this.readyUpTo && !this.isStopped && this.sender.isIdle
  }

  /** Whether a script decides at which offsets the stream acknowledges. */
  get isPlanned(): boolean {
    return this.context.script.acks.isPlanned(this.context.recorder.number)
  }

  /** Whether an acknowledgement is owed, so that the next arrival has to be postponed. */
  isOwed(): boolean {
    const { recorder, script } = this.context
    return this.isPlanned && script.acks.isOwed(recorder.number, this.progress())
  }

  /** The offset up to which messages may be ready now, if a plan defers the message at `upTo`. */
  readyLimit(upTo: number): number | undefined {
    const { recorder, script } = this.context
    if (!this.isPlanned) return undefined
    return script.acks.readyLimit(recorder.number, upTo, this.progress())
  }

  /** Everything up to this wire offset is ready. */
  ready(upTo: number): void {
    this.readyUpTo = Math.max(this.readyUpTo, upTo)
  }

  /** Decides due acknowledgements as soon as the interval allows. */
  schedule(): void {
    if (this.isScheduled || this.isStopped || !this.stream.isOpen) return
    if (this.decidedUpTo >= this.readyUpTo) return
    const { limits, timers } = this.context
    const wait = this.isPlanned ? 0 : this.decidedAt + limits.ackInterval - timers.now()
    if (wait <= 0) return this.flush()
    this.isScheduled = true
    timers.after(wait, () => {
      this.isScheduled = false
      this.flush()
      this.stream.acksMoved()
    })
  }

  /** Decides the acknowledgements that are due now. */
  flush(): void {
    if (this.isStopped || !this.stream.isOpen) return
    const { pass, recorder, script } = this.context
    const due = script.acks.due(recorder.number, this.progress())
    if (due === undefined) return
    const skip = due.isFault ? () => this.stepDone(due) : undefined
    pass({ point: "ack", offset: due.offset, lane: this, skip }, () => {
      // More may have become ready while a fault stopped the acknowledgement.
      if (!due.isPlanned) return this.decide(this.readyUpTo)
      if (!due.isFault) this.decide(due.offset)
      this.stepDone(due)
    })
  }

  stop(): void {
    this.isStopped = true
  }

  go(proceed: () => void): void {
    this.isStopped = false
    proceed()
    this.schedule()
    this.stream.acksMoved()
  }

  private decide(upTo: number): void {
    this.decidedUpTo = Math.max(this.decidedUpTo, upTo)
    this.decidedAt = this.context.timers.now()
    this.sender.send(upTo)
  }

  /** Continues with the next step of the plan. */
  private stepDone({ isFault }: DueAck): void {
    const { recorder, script } = this.context
    if (isFault) script.acks.stepDone(recorder.number)
    this.flush()
    this.stream.acksMoved()
  }

  private progress(): AckProgress {
    const { arrived, isDrained } = this.stream
    const { decidedUpTo: decided, readyUpTo: ready } = this
    return { arrived, decided, ready, ending: isDrained }
  }
}
