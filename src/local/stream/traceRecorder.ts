/**
 * Writes the trace of a table's streams: wraps the table's script and audit, and records every
 * call.
 */
import type { FaultScript } from "../faults/faultScript.ts"
import type { ConnectionRecorder, StreamAudit } from "./streamAudit.ts"
import type { StreamTable } from "./streamContract.ts"
import type { StreamTraceEvent, Trace } from "../faults/trace.ts"

/** The same table, with the events of its streams recorded in the trace. */
export const traced = (name: string, { audit, script }: StreamTable, trace: Trace): StreamTable => {
  const add = (connection: number, event: StreamTraceEvent) =>
    trace.add({ table: name, connection, ...event })
  const arrived = new Map<number, number>()
  return { script: tracedScript(script, arrived, add), audit: tracedAudit(audit, arrived, add) }
}

type Add = (connection: number, event: StreamTraceEvent) => void
/** Per connection, the number of arrived messages, plus one for the half-close. */
type Arrived = Map<number, number>

const tracedScript = (script: FaultScript, arrived: Arrived, add: Add): FaultScript => ({
  ...script,
  next: (point, connection, records, offset) => {
    if (point === "connect" || point === "halfClose") add(connection, { event: point })
    const before = arrived.get(connection) ?? 0
    if (point === "message" || point === "halfClose") arrived.set(connection, before + 1)
    const action = script.next(point, connection, records, offset)
    if (action !== undefined) {
      const received = arrived.get(connection) ?? 0
      add(connection, {
        event: "fault",
        at: point,
        received,
        ...(offset === undefined ? {} : { offset }),
        action
      })
    }
    // A skipped message does not count as arrived.
    if (point === "message" && action?._tag === "Skip") arrived.set(connection, before)
    return action
  },
  note: (event, connection) => {
    if (connection !== undefined && (event === "created" || event === "closeSignal"))
      add(connection, { event })
    script.note(event, connection)
  }
})

const tracedAudit = (audit: StreamAudit, arrived: Arrived, add: Add): StreamAudit => ({
  ...audit,
  connect: (streamId, peer) => tracedRecorder(audit.connect(streamId, peer), arrived, add)
})

const tracedRecorder = (
  recorder: ConnectionRecorder,
  arrived: Arrived,
  add: Add
): ConnectionRecorder => {
  const { number } = recorder
  let first = 0
  let received = 0
  let durable = 0
  let ended = false
  const lost: Array<number> = []
  return {
    ...recorder,
    created: (kind, descriptor) => {
      add(number, { event: "create", kind })
      recorder.created(kind, descriptor)
    },
    resumed: (streamId, firstOffset) => {
      first = firstOffset
      arrived.set(number, firstOffset)
      recorder.resumed(streamId, firstOffset)
    },
    received: (records, count, bytes) => {
      add(number, { event: "message", offset: first + received++, records: count, bytes })
      return recorder.received(records, count, bytes)
    },
    lost: () => {
      lost.push(received - 1)
      recorder.lost()
    },
    durable: (messages, records) => {
      for (let left = messages; left > 0; durable++) if (!lost.includes(durable)) left--
      add(number, { event: "durable", offset: first + durable - 1 })
      recorder.durable(messages, records)
    },
    acked: (upTo) => {
      add(number, { event: "ack", offset: upTo, received: arrived.get(number) ?? 0 })
      return recorder.acked(upTo)
    },
    ended: (how) => {
      if (!ended) add(number, { event: "end", how, received: arrived.get(number) ?? 0 })
      ended = true
      arrived.delete(number)
      recorder.ended(how)
    }
  }
}
