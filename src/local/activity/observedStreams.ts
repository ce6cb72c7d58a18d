/**
 * Turns what a stream's observer is told into events.
 */
import type { ObserveStream } from "../stream/streamContract.ts"
import type { Tell } from "./serverEvent.ts"

/** Tells of each stream, beside what `others` make of it; `now` in milliseconds. */
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
      acked: other.acked,
      closed: (how, status) => {
        other.closed(how, status)
        tell({ _tag: "StreamEnded", stream, ending: { how, status }, ...total, millis: now() - openedAt })
      },
      refused: (how, status) => {
        other.refused(how, status)
        tell({ _tag: "StreamRefused", stream, ending: { how, status } })
      }
    }
  }
