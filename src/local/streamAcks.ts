/**
 * The acknowledgements of one stream: what is durable is acknowledged at once or after the interval, cumulatively, or as the table's
 * script plans it, and in the order in which it was decided, however long each takes.
 */
import type { ConnectionRecorder } from "./streamAudit.ts"
import type { StreamObserver } from "./streamContract.ts"
import type { FaultScript } from "./faultScript.ts"
import type { Lane, Pass } from "./streamFaults.ts"
import { ackResponse } from "./streamMessages.ts"

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
  /** Whether the stream ends as soon as what is stored is acknowledged. */
  readonly isEnding: () => boolean
  /** Messages that arrived. */
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
  /** Whether the next message must wait for an acknowledgement. */
  readonly owes: () => boolean
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
  /** Acknowledgements that were decided and have not left, and when the last of them does. */
  let underWay = 0
  let leavesAt = -Infinity

  const progress = () => ({
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
    target.pass({ point: "ack", offset: due, lane }, () => {
      // More may have become durable while the acknowledgement was held.
      const planned = script.acks.isPlanned(connection)
      decide(planned ? due : durableUpTo)
      if (planned) flush()
    })
  }

  const decide = (upTo: number) => {
    ackedUpTo = Math.max(ackedUpTo, upTo)
    lastAckAt = now()
    const arrived = oldestUnacked
    oldestUnacked = undefined
    leavesAt = Math.max(leavesAt, lastAckAt + script.acks.delay(connection))
    if (leavesAt <= lastAckAt) return send(upTo, arrived)
    underWay++
    after(leavesAt - lastAckAt, () => {
      underWay--
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
    isSettled: () => ackedUpTo >= durableUpTo && !stopped && underWay === 0,
    owes: () => script.acks.isPlanned(connection) && script.acks.owes(connection, progress()),
    attach: (bytes) => {
      attached = bytes
    }
  }
}
