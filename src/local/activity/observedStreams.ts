/**
 * Converts the calls of a stream observer to events, and combines two observers.
 */
import type { ObserveStream } from "../stream/streamContract.ts"
import type { Tell } from "./serverEvent.ts"

/**
 * Reports the events of each stream, in addition to the observer `others`; `now` in milliseconds.
 */
export const observedStreams =
  (tell: Tell, now: () => number, others: ObserveStream): ObserveStream =>
  (stream) => {
    const other = others(stream)
    const total = { records: 0, bytes: 0 }
    let openedAt = 0
    return {
      opened: (kind) => {
        openedAt = now()
        other.opened(kind)
        tell({ _tag: "StreamOpened", stream, kind })
      },
      received: (records, bytes) => {
        total.records += records
        total.bytes += bytes
        other.received(records, bytes)
        tell({ _tag: "MessageReceived", stream, records, bytes })
      },
      durable: other.durable,
      acked: other.acked,
      noted: (note) => {
        other.noted(note)
        tell({ ...note, stream })
      },
      closed: (how, status) => {
        other.closed(how, status)
        tell({
          _tag: "StreamEnded",
          stream,
          ending: { how, status },
          ...total,
          millis: now() - openedAt
        })
      },
      refused: (how, status) => {
        other.refused(how, status)
        tell({ _tag: "StreamRefused", stream, ending: { how, status } })
      }
    }
  }

/** Observes each stream with both observers. */
export const observedTwice =
  (first: ObserveStream, second: ObserveStream): ObserveStream =>
  (stream) => {
    const one = first(stream)
    const other = second(stream)
    return {
      opened: (kind) => {
        one.opened(kind)
        other.opened(kind)
      },
      received: (records, bytes) => {
        one.received(records, bytes)
        other.received(records, bytes)
      },
      durable: (records) => {
        one.durable(records)
        other.durable(records)
      },
      acked: (records, latencyMillis) => {
        one.acked(records, latencyMillis)
        other.acked(records, latencyMillis)
      },
      noted: (note) => {
        one.noted(note)
        other.noted(note)
      },
      closed: (how, status) => {
        one.closed(how, status)
        other.closed(how, status)
      },
      refused: (how, status) => {
        one.refused(how, status)
        other.refused(how, status)
      }
    }
  }
