/**
 * Tracks what a session has in flight: messages that were handed to the transport and are not
 * acknowledged. Checks which acknowledgements can be true, and measures how long none arrived.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { TransportCall } from "../../Transport.ts"
import { Retryable, RetryableReason } from "../../ZerobusError.ts"
import type { ServerMessage } from "../protobuf/envelope.ts"
import type { Wire } from "../protobuf/streamRpc.ts"
import type { Inbox } from "./traffic.ts"
import { regrowUnsafe } from "./messageSize.ts"
import { failed, type SessionFailure, violation } from "./sessionFailure.ts"
import { nextOffsetOf, type StreamCore } from "./streamCore.ts"

/** An open session. */
export interface Session {
  readonly call: TransportCall
  readonly inbox: Inbox
  /** How its messages travel, and what an acknowledgement counts. */
  readonly wire: Wire
  /** The announced end of the connection, if the response that opened the session held one. */
  readonly announced: ServerMessage["closing"]
  /** Messages handed to the transport. The last of them may be handed over in part. */
  handed: number
  /** Messages that are acknowledged completely. */
  acknowledged: number
  /** Whether the session made a record durable, or found that one was. */
  progress: boolean
}

/** Frees the oldest messages in flight, which are durable now, and resumes waiters. */
const makeDurableUnsafe = (core: StreamCore<any>, count: number, now: number): void => {
  const { acks, zone } = core
  core.silence = 0
  core.durableSinceRefusal = true
  core.refusalsInRow = 0
  const acceptedAt = zone.window.at(0).acceptedAt
  const recordsBefore = zone.acknowledgedRecords
  const bytesBefore = zone.usedBytes
  const watermark = zone.acknowledgeUnsafe(count)
  core.telemetry.acknowledged(
    zone.acknowledgedRecords - recordsBefore,
    bytesBefore - zone.usedBytes,
    now - acceptedAt
  )
  if (zone.coalesceBytes < core.options.coalesceBytes) regrowUnsafe(core, count)
  acks.advanceUnsafe(watermark)
  zone.admitUnsafe()
}

/**
 * Removes the first `units` of the oldest message, which are durable. Only while no session is
 * open.
 */
export const shortenUnsafe = (core: StreamCore<any>, units: number): void => {
  if (units === 0) return
  const { acks, zone } = core
  const recordsBefore = zone.acknowledgedRecords
  const bytesBefore = zone.usedBytes
  const first = zone.shortenOldestUnsafe((content) =>
    core.table.codec.protocol!.suffix(content, units)
  )
  core.telemetry.shortened(zone.acknowledgedRecords - recordsBefore, bytesBefore - zone.usedBytes)
  if (first - 1 <= acks.watermark) return
  acks.advanceUnsafe(first - 1)
  zone.admitUnsafe()
}

/**
 * Settles what the server of a persistent stream has committed, up to this offset, without sending
 * it: its acknowledgement was lost. Returns the number of those messages, or why the offset cannot
 * be true. Only while no session is open.
 */
export const settleUnsafe = (core: StreamCore<any>, committed: number): number | SessionFailure => {
  const { acks, spooled, zone } = core
  const said = `The server resumed the stream at offset ${committed + 1}`
  if (core.fresh) {
    // No offset was given out yet: offsets continue where the stream is.
    core.fresh = false
    acks.watermark = committed
    zone.nextOffset = committed + 1
    spooled?.startUnsafe(core.rpc.resumes, committed)
    return 0
  }
  if (committed < acks.watermark) {
    return violation(
      `${said}, although offset ${acks.watermark} was acknowledged before. Nothing was deleted.`
    )
  }
  if (committed >= nextOffsetOf(core)) {
    const next = nextOffsetOf(core)
    return violation(
      `${said}, although the next offset of this stream is ${next}. ` +
        "Does another process write to it?"
    )
  }
  if (spooled?.isWaiting === true) {
    // Nothing was sent since the spool was opened.
    const { firstNew } = spooled
    if (committed >= firstNew) {
      return violation(
        `${said}, although nothing from offset ${firstNew} on was sent yet. ` +
          "Does another process write to it?"
      )
    }
    const settled = committed - acks.watermark
    spooled.goOnUnsafe(committed)
    acks.advanceUnsafe(committed)
    zone.admitUnsafe()
    return settled
  }
  const count = committed - acks.watermark
  for (let taken = 0; taken < count; taken++) zone.nextUnsafe()
  if (count > 0 && (zone.window.inFlight < count || zone.window.at(count - 1).sends === 0)) {
    return violation(
      `${said}, although the record before it was not sent yet. Does another process write to it?`
    )
  }
  if (count > 0) makeDurableUnsafe(core, count, core.now())
  return count
}

/** Ends a session from a callback of a transport or a timer. */
export interface Ending {
  readonly fail: (cause: SessionFailure) => void
  /** A defect ends the session and is not thrown at the caller. */
  readonly die: (defect: unknown) => void
}

/** Bookkeeping of what one session has in flight. */
export class Flight {
  readonly session: Session
  /**
   * Start of the silence that the acknowledgement timer measures, in milliseconds. Silence of
   * earlier sessions counts.
   */
  silentSince = 0
  private readonly core: StreamCore<any>
  private readonly ending: Ending
  /** The highest acknowledged unit, whether it is applied yet or not. */
  private held: number
  /**
   * Whether the transport reports requests that left. It does so after the first acknowledgement
   * that came before its request had left.
   */
  private listening = false
  /** Whether the session has ended. */
  private over = false
  private whenIdle: Array<() => void> | undefined
  /** Measures the silence. It stops by itself when nothing is in flight. */
  private timer: Fiber.Fiber<void> | undefined
  private timing = false

  constructor(core: StreamCore<any>, session: Session, ending: Ending) {
    this.core = core
    this.session = session
    this.ending = ending
    this.held = session.wire.handed - 1
  }

  /** Completes once everything that was handed over is acknowledged. */
  get idle(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (this.isSettled) return resume(Effect.void)
      const wait = () => resume(Effect.void)
      this.whenIdle = [...(this.whenIdle ?? []), wait]
      return Effect.sync(
        () => void (this.whenIdle = this.whenIdle?.filter((other) => other !== wait))
      )
    })
  }

  /** Whether no message is in flight or about to be handed over. */
  private get isIdle(): boolean {
    return this.session.handed === this.session.acknowledged
  }

  /**
   * Whether every unit that was handed over is acknowledged. The last message may be acknowledged
   * in part.
   */
  private get isSettled(): boolean {
    const { wire } = this.session
    return wire.handed === wire.settled
  }

  /** Notes that a message is about to be handed to the transport, at a time in milliseconds. */
  handedUnsafe(now: number): void {
    const { core, session } = this
    if (session.handed++ !== session.acknowledged) return
    this.silentSince = now - core.silence
    if (this.timing) return
    this.timing = true
    this.timer = core.fork(this.watchSilence())
  }

  /** Ends the session. The next session inherits the silence. */
  endUnsafe(): void {
    if (this.over) return
    this.over = true
    this.timer?.interruptUnsafe()
    if (!this.isIdle) this.core.silence = this.core.now() - this.silentSince
  }

  /**
   * Applies "durable up to this unit". Returns a failure when the acknowledgement cannot be true.
   */
  acknowledgeUnsafe(upTo: number | undefined): SessionFailure | undefined {
    const { core, session } = this
    if (upTo === undefined)
      return violation("The server sent an acknowledgement without an offset.")
    if (upTo < 0) return violation("The server acknowledged a negative offset.")
    if (upTo >= session.wire.handed) return violation(session.wire.beyond(upTo))
    // A repeated or lower acknowledgement changes nothing and does not restart the silence timer.
    if (upTo <= this.held) {
      core.telemetry.staleAcknowledgement()
      return undefined
    }
    this.held = upTo
    this.apply()
    if (this.held >= session.wire.settled && !this.listening) {
      this.listening = true
      session.call.onSentUnsafe(() => this.applyHeld())
    }
    return undefined
  }

  /** Applies an acknowledgement that was held back because its request had not left yet. */
  private applyHeld(): void {
    if (this.over) return
    try {
      if (this.held >= this.session.wire.settled) this.apply()
    } catch (defect) {
      this.ending.die(defect)
    }
  }

  private apply(): void {
    const { core, session } = this
    const { wire } = session
    // The first request opens the session, so it is not counted.
    const upTo = Math.min(this.held + 1, wire.left(session.call.sentUnsafe() - 1))
    if (upTo <= wire.settled) return
    const count = wire.settle(upTo)
    session.progress = true
    if (count > 0) {
      session.acknowledged += count
      this.silentSince = core.now()
      makeDurableUnsafe(core, count, this.silentSince)
    }
    const { whenIdle } = this
    if (whenIdle === undefined || !this.isSettled) return
    this.whenIdle = undefined
    for (const resume of whenIdle) resume()
  }

  /**
   * Ends the session when records were in flight too long, counted over all sessions, and none
   * became durable.
   */
  private watchSilence(): Effect.Effect<void> {
    const { core } = this
    const limit = core.options.serverLackOfAckTimeout
    const watch: Effect.Effect<void> = Effect.suspend(() => {
      this.timing = !this.over && !this.isIdle
      if (!this.timing) return Effect.void
      const left = this.silentSince + limit - core.now()
      if (left > 0) return Effect.andThen(Effect.sleep(left), watch)
      // The next session gets the full time again.
      this.silentSince = core.now()
      const message =
        `No record became durable for ${limit} ms although ` +
        `${core.zone.window.inFlight} messages are in flight.`
      const failure = new Retryable({
        reason: RetryableReason.AckTimeout({ message }),
        attempts: 1
      })
      return Effect.sync(() => this.ending.fail(failed(failure)))
    })
    return watch
  }
}
