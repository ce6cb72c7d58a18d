/**
 * What a session has in flight: what was handed to the transport and is not acknowledged, which acknowledgements of the server can be
 * true, and how long none came.
 */
import * as Effect from "effect/Effect"
import type { TransportCall } from "../../Transport.ts"
import { Retryable, RetryableReason } from "../../ZerobusError.ts"
import { regrowUnsafe } from "./messageSize.ts"
import { failed, type SessionFailure, violation } from "./sessionFailure.ts"
import { nextOffsetOf, type StreamCore } from "./streamCore.ts"

/** An open session. */
export interface Session {
  readonly call: TransportCall
  /** The wire offset of its first message. */
  readonly first: number
  /** The wire offset of the next message to be handed to the transport. */
  handed: number
  /** The wire offset of the oldest message that is not acknowledged. */
  acknowledged: number
  /** Whether it made something durable, or found that something was. */
  progress: boolean
}

/** The bookkeeping of what this session has in flight. */
export interface Flight {
  /** Completes while something is in flight. */
  readonly busy: Effect.Effect<void>
  /** Completes while nothing is in flight. */
  readonly idle: Effect.Effect<void>
  /** When the silence began that the lack-of-ack timer measures, in milliseconds; that of earlier sessions counts. */
  silentSince: number
  /** The session has ended: keeps the silence for the next one. */
  readonly endUnsafe: () => void
  /** A message was handed to the transport, at a time in milliseconds. */
  readonly handedUnsafe: (now: number) => void
  /** Applies "durable up to this wire offset"; says what is wrong with it when it cannot be true. */
  readonly acknowledgeUnsafe: (upTo: number | undefined) => SessionFailure | undefined
}

/** What fibers wait for: whether it holds is looked up, so that it costs nothing while nobody waits. */
class Condition {
  private waiting: Array<() => void> | undefined
  readonly await: Effect.Effect<void>

  constructor(holds: () => boolean) {
    this.await = Effect.callback<void>((resume) => {
      if (holds()) return resume(Effect.void)
      const wait = () => resume(Effect.void)
      this.waiting = [...(this.waiting ?? []), wait]
      return Effect.sync(() => void (this.waiting = this.waiting?.filter((other) => other !== wait)))
    })
  }

  /** Resumes those who wait. To be called when it holds. */
  holdsUnsafe(): void {
    const { waiting } = this
    if (waiting === undefined) return
    this.waiting = undefined
    for (const resume of waiting) resume()
  }
}

/** Frees the oldest messages in flight, which are durable as of now, and tells everybody. */
const makeDurableUnsafe = (core: StreamCore<any>, count: number, now: number): void => {
  const { acks, zone } = core
  core.silence = 0
  core.durableSinceRefusal = true
  core.refusalsInRow = 0
  const acceptedAt = zone.window.at(0).acceptedAt
  const recordsBefore = zone.acknowledgedRecords
  const bytesBefore = zone.usedBytes
  const watermark = zone.acknowledgeUnsafe(count)
  core.telemetry.acknowledged(zone.acknowledgedRecords - recordsBefore, bytesBefore - zone.usedBytes, now - acceptedAt)
  if (zone.coalesceBytes < core.options.coalesceBytes) regrowUnsafe(core, count)
  acks.advanceUnsafe(watermark)
  zone.admitUnsafe()
}

/**
 * Settles what a persistent stream's server has committed, up to this offset, without sending it:
 * its acknowledgement was lost. Returns how many messages those were, or why the offset cannot be
 * true. Only while no session is open.
 */
export const settleUnsafe = (core: StreamCore<any>, committed: number): number | SessionFailure => {
  const { acks, spooled, zone } = core
  const said = `The server resumed the stream at offset ${committed + 1}`
  if (core.fresh) {
    // Nothing was given out yet: offsets go on where the stream is.
    core.fresh = false
    acks.watermark = committed
    zone.nextOffset = committed + 1
    spooled?.startUnsafe(core.rpc.resumes, committed)
    return 0
  }
  if (committed < acks.watermark) {
    return violation(`${said}, although offset ${acks.watermark} was acknowledged before. Nothing was deleted.`)
  }
  if (committed >= nextOffsetOf(core)) {
    const next = nextOffsetOf(core)
    return violation(`${said}, although this stream gives out offset ${next} next. Does another process write it?`)
  }
  if (spooled?.isWaiting === true) {
    // Nothing was sent since the spool was opened.
    const { firstNew } = spooled
    if (committed >= firstNew) {
      return violation(
        `${said}, although nothing from offset ${firstNew} on was sent yet. Does another process write it?`
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
    return violation(`${said}, although the record before it was not sent yet. Does another process write it?`)
  }
  if (count > 0) makeDurableUnsafe(core, count, core.now())
  return count
}

/** `onDefect` is told of a defect in what the transport calls. */
export const makeFlight = <A>(core: StreamCore<A>, session: Session, onDefect: (defect: unknown) => void): Flight => {
  const busy = new Condition(() => session.handed > session.acknowledged)
  const idle = new Condition(() => session.handed === session.acknowledged)
  let held = session.first - 1
  /** Whether the transport tells of requests that have left, as it does once an acknowledgement came before that. */
  let listening = false
  /** Whether the session has ended. */
  let over = false
  /** Applies an acknowledgement that was held because its request had not left yet. */
  const applyHeld = (): void => {
    if (over) return
    try {
      if (held >= session.acknowledged) apply()
    } catch (defect) {
      // The transport calls: a defect must end the session, not what called.
      onDefect(defect)
    }
  }
  const apply = (): void => {
    // The create message is the first request that leaves, so it is not counted.
    const upTo = Math.min(held, session.first + session.call.sentUnsafe() - 2)
    const count = upTo + 1 - session.acknowledged
    if (count <= 0) return
    session.acknowledged += count
    session.progress = true
    flight.silentSince = core.now()
    makeDurableUnsafe(core, count, flight.silentSince)
    if (session.handed === session.acknowledged) idle.holdsUnsafe()
  }
  const flight: Flight = {
    busy: busy.await,
    idle: idle.await,
    silentSince: 0,
    handedUnsafe: (now) => {
      if (session.handed++ !== session.acknowledged) return
      flight.silentSince = now - core.silence
      busy.holdsUnsafe()
    },
    endUnsafe: () => {
      over = true
      if (session.handed > session.acknowledged) core.silence = core.now() - flight.silentSince
    },
    acknowledgeUnsafe: (upTo) => {
      if (upTo === undefined) return violation("The server sent an acknowledgement without an offset.")
      if (upTo < 0) return violation("The server acknowledged a negative offset.")
      if (upTo >= session.handed) {
        const sent = session.handed - session.first
        return violation(
          `The server acknowledged offset ${upTo}, but only ${sent} messages were sent on this connection` +
            `${session.first > 0 ? `, from offset ${session.first} on` : ""}.`
        )
      }
      // A repeated or lower one changes nothing and does not feed the silence timer.
      if (upTo <= held) {
        core.telemetry.staleAcknowledgement()
        return undefined
      }
      held = upTo
      apply()
      if (held >= session.acknowledged && !listening) {
        listening = true
        session.call.onSentUnsafe(applyHeld)
      }
      return undefined
    }
  }
  return flight
}

/**
 * Fails when records were in flight for too long, over all sessions, and none became durable. Not running while nothing is in flight.
 */
export const watchSilence = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  flight: Flight
): Effect.fn.Return<never, SessionFailure> {
  const limit = core.options.serverLackOfAckTimeout
  for (;;) {
    yield* flight.busy
    const left = flight.silentSince + limit - core.now()
    if (left > 0) yield* Effect.sleep(left)
    else {
      // The next session has the whole time again.
      flight.silentSince = core.now()
      const message = `No record became durable for ${limit} ms although ${core.zone.window.inFlight} messages are in flight.`
      return yield* failed(new Retryable({ reason: RetryableReason.AckTimeout({ message }), attempts: 1 }))
    }
  }
})
