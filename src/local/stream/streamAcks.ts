/**
 * The acknowledgements of one stream: what is durable is acknowledged at once or after the interval, cumulatively, or as the table's
 * script plans it, and in the order in which it was decided, however long each takes.
 */
import type { AckProgress, DueAck } from "../faults/ackRules.ts"
import type { ConnectionRecorder } from "./streamAudit.ts"
import type { StreamObserver } from "./streamContract.ts"
import type { FaultScript } from "../faults/faultScript.ts"
import type { Lane, Pass } from "./streamFaults.ts"
import { ackResponse } from "./streamMessages.ts"
import { makeDelays } from "../timers.ts"

/** What the acknowledgements need of their stream. */
export interface AckTarget {
  readonly script: FaultScript
  readonly recorder: ConnectionRecorder
  readonly observer: StreamObserver
  readonly pass: Pass
  readonly write: (response: Uint8Array) => void
  readonly now: () => number
  readonly after: (millis: number, callback: () => void) => void
  /** The least time between two acknowledgements, in milliseconds. */
  readonly interval: number
  readonly isOpen: () => boolean
  /** Whether the stream ends as soon as everything that arrived, all of it durable by now, is acknowledged. */
  readonly isEnding: () => boolean
  /** Messages that arrived, and one more for the half-close. */
  readonly received: () => number
  /** Called when acknowledgements go on, or one has left after a delay: the stream may go on or end now. */
  readonly wentOn: () => void
}

/** The acknowledgements of one stream. */
export interface StreamAcks {
  /** Stops and goes on with them. */
  readonly lane: Lane
  /** The highest acknowledged wire offset, or -1. */
  readonly ackedUpTo: () => number
  /** Everything up to a wire offset may be acknowledged. */
  readonly durable: (upTo: number) => void
  /** Something that arrived at this time became durable. */
  readonly since: (arrived: number) => void
  /** Acknowledges when the interval allows. */
  readonly schedule: () => void
  /** Acknowledges now what is due. */
  readonly flush: () => void
  /** Everything durable is acknowledged, and that has left. */
  readonly isSettled: () => boolean
  /** Whether what arrives next must wait for an acknowledgement. */
  readonly owes: () => boolean
  /** The offset up to which records may count as durable now, where a plan lets that of `upTo` wait; else undefined. */
  readonly durableUntil: (upTo: number) => number | undefined
  /** Puts these bytes into the same message as the next acknowledgement. */
  readonly attach: (bytes: Uint8Array) => void
}

/** Makes the acknowledgements of a new stream. */
export const makeStreamAcks = (target: AckTarget): StreamAcks => {
  const { after, now, recorder, script } = target
  const connection = recorder.number
  let durableUpTo = -1
  let ackedUpTo = -1
  let lastAckAt = -Infinity
  let scheduled = false
  let stopped = false
  let oldestUnacked: number | undefined
  let attached: Uint8Array | undefined
  /** Acknowledgements that were decided and have not left. */
  const leaving = makeDelays(now, after)

  const progress = (): AckProgress => ({
    acked: ackedUpTo,
    durable: durableUpTo,
    received: target.received(),
    ending: target.isEnding()
  })

  const schedule = () => {
    if (scheduled || stopped || !target.isOpen() || ackedUpTo >= durableUpTo) return
    const wait = script.acks.isPlanned(connection) ? 0 : lastAckAt + target.interval - now()
    if (wait <= 0) return flush()
    scheduled = true
    after(wait, () => {
      scheduled = false
      flush()
      target.wentOn()
    })
  }

  const flush = (): void => {
    if (stopped || !target.isOpen()) return
    const due = script.acks.due(connection, progress())
    if (due === undefined) return
    const skip = due.isFault ? () => passed(due) : undefined
    target.pass({ point: "ack", offset: due.offset, lane, skip }, () => {
      // More may have become durable while the acknowledgement was held.
      if (!due.isPlanned) return decide(durableUpTo)
      if (!due.isFault) decide(due.offset)
      passed(due)
    })
  }

  /** Goes on with the next step of the plan. */
  const passed = ({ isFault }: DueAck) => {
    if (isFault) script.acks.passed(connection)
    flush()
    target.wentOn()
  }

  const decide = (upTo: number) => {
    ackedUpTo = Math.max(ackedUpTo, upTo)
    lastAckAt = now()
    const arrived = oldestUnacked
    oldestUnacked = undefined
    const wait = script.acks.delay(connection)
    if (wait === 0 && leaving.waiting() === 0) return send(upTo, arrived)
    leaving.add(wait, () => {
      send(upTo, arrived)
      target.wentOn()
    })
  }

  const send = (upTo: number, arrived: number | undefined) => {
    recorder.acked(upTo)
    const bytes = ackResponse(upTo)
    target.write(attached === undefined ? bytes : Buffer.concat([bytes, attached]))
    attached = undefined
    if (arrived !== undefined) target.observer.acked(now() - arrived)
    script.note("acked")
  }

  const lane: Lane = {
    stop: () => {
      stopped = true
    },
    go: (proceed) => {
      stopped = false
      proceed()
      schedule()
      target.wentOn()
    }
  }

  return {
    lane,
    ackedUpTo: () => ackedUpTo,
    durable: (upTo) => {
      durableUpTo = Math.max(durableUpTo, upTo)
    },
    since: (arrived) => {
      oldestUnacked ??= arrived
    },
    schedule,
    flush,
    isSettled: () => ackedUpTo >= durableUpTo && !stopped && leaving.waiting() === 0,
    owes: () => script.acks.isPlanned(connection) && script.acks.owes(connection, progress()),
    durableUntil: (upTo) =>
      script.acks.isPlanned(connection) ? script.acks.durableUntil(connection, upTo, progress()) : undefined,
    attach: (bytes) => {
      attached = bytes
    }
  }
}
