/**
 * What a session has in flight: what was handed to the transport and is not acknowledged, which acknowledgements of the server can be
 * true, and how long none came.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { TransportCall } from "../../Transport.ts"
import { Retryable, RetryableReason } from "../../ZerobusError.ts"
import { regrowUnsafe } from "./messageSize.ts"
import { failed, type SessionFailure, violation } from "./sessionFailure.ts"
import type { StreamCore } from "./streamCore.ts"

/** An open session. */
export interface Session {
  readonly call: TransportCall
  /** Messages handed to the transport, which is the next wire offset. */
  handed: number
  /** Messages acknowledged; `acknowledged - 1` is the highest acknowledged wire offset. */
  acknowledged: number
}

/** The bookkeeping of what this session has in flight. */
export interface Flight {
  /** Open while something is in flight. */
  readonly busy: Latch.Latch
  /** Open while nothing is in flight. */
  readonly idle: Latch.Latch
  /** When the silence began that the lack-of-ack timer measures, in milliseconds; that of earlier sessions counts. */
  silentSince: number
  /** Keeps the silence for the next session. */
  readonly endUnsafe: () => void
  readonly handedUnsafe: () => void
  /** Applies "durable up to this wire offset"; says what is wrong with it when it cannot be true. */
  readonly acknowledgeUnsafe: (upTo: number | undefined) => SessionFailure | undefined
  /** Applies an acknowledgement that was held because its request had not left yet. */
  readonly acknowledgeHeldUnsafe: () => void
}

export const makeFlight = <A>(core: StreamCore<A>, session: Session): Flight => {
  const { acks, zone } = core
  const busy = Latch.makeUnsafe(false)
  const idle = Latch.makeUnsafe(true)
  let held = -1
  const apply = (): void => {
    // The create message is the first request that leaves, so it is not counted.
    const upTo = Math.min(held, session.call.sentUnsafe() - 2)
    const count = upTo + 1 - session.acknowledged
    if (count <= 0) return
    session.acknowledged += count
    core.silence = 0
    core.durableSinceRefusal = true
    core.refusalsInRow = 0
    flight.silentSince = core.now()
    const acceptedAt = zone.window.at(0).acceptedAt
    const recordsBefore = zone.acknowledgedRecords
    const bytesBefore = zone.usedBytes
    const watermark = zone.acknowledgeUnsafe(count)
    core.telemetry.acknowledged(
      zone.acknowledgedRecords - recordsBefore,
      bytesBefore - zone.usedBytes,
      flight.silentSince - acceptedAt
    )
    const nowIdle = session.acknowledged === session.handed
    if (zone.coalesceBytes < core.options.coalesceBytes) regrowUnsafe(core, count)
    if (nowIdle) busy.closeUnsafe()
    acks.advanceUnsafe(watermark)
    zone.admitUnsafe()
    if (nowIdle && session.acknowledged === session.handed) idle.openUnsafe()
  }
  const flight: Flight = {
    busy,
    idle,
    silentSince: 0,
    handedUnsafe: () => {
      if (session.handed++ !== session.acknowledged) return
      flight.silentSince = core.now() - core.silence
      idle.closeUnsafe()
      busy.openUnsafe()
    },
    endUnsafe: () => {
      if (session.handed > session.acknowledged) core.silence = core.now() - flight.silentSince
    },
    acknowledgeUnsafe: (upTo) => {
      if (upTo === undefined) return violation("The server sent an acknowledgement without an offset.")
      if (upTo < 0) return violation("The server acknowledged a negative offset.")
      if (upTo >= session.handed) {
        return violation(
          `The server acknowledged offset ${upTo}, but only ${session.handed} messages were sent on this connection.`
        )
      }
      // A repeated or lower one changes nothing and does not feed the silence timer.
      if (upTo <= held) {
        core.telemetry.staleAcknowledgement()
        return undefined
      }
      held = upTo
      apply()
      return undefined
    },
    acknowledgeHeldUnsafe: () => {
      if (held >= session.acknowledged) apply()
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
    yield* flight.busy.await
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
