/**
 * Converts a trace to a script: on each connection, the same faults strike at the same offsets, and
 * the same acknowledgements are sent, in the order of the trace.
 */
import type { PlannedAck } from "./ackRules.ts"
import type { Fault } from "./faultScript.ts"
import type { ConnectionFault } from "./faultySocket.ts"
import type { HttpFault } from "./httpScript.ts"
import type { TraceEvent } from "./trace.ts"

/** The scripts that make the server repeat a trace. */
export interface Replay {
  readonly faults: ReadonlyArray<{ readonly table: string; readonly fault: Fault }>
  /** The faults of each connection to the gRPC endpoint, in order. */
  readonly connections: ReadonlyArray<ReadonlyArray<ConnectionFault>>
  readonly http: ReadonlyArray<HttpFault>
}

interface Connection {
  readonly table: string
  readonly number: number
  readonly acks: Array<PlannedAck>
  /** Whether the client half-closed it. */
  halfClosed: boolean
  /** Whether the server announced the end. */
  announced: boolean
}

/** The script for a trace. */
export const replayOf = (events: ReadonlyArray<TraceEvent>): Replay => {
  const faults: Array<{ table: string; fault: Fault }> = []
  const connections: Array<ReadonlyArray<ConnectionFault>> = []
  const http: Array<HttpFault> = []
  const streams = new Map<string, Connection>()
  const streamOf = (table: string, number: number): Connection => {
    const key = `${table}/${number}`
    let stream = streams.get(key)
    if (stream === undefined) {
      stream = { table, number, acks: [], halfClosed: false, announced: false }
      streams.set(key, stream)
    }
    return stream
  }
  for (const event of events) {
    switch (event.event) {
      case "socket":
        connections.push(event.faults)
        break
      case "http":
        http.push({ at: event.part, action: event.action ?? { _tag: "Pass" } })
        break
      case "truncated":
        break
      case "fault": {
        const { action, at, connection, offset, received, table } = event
        const { acks } = streamOf(table, connection)
        if ((at === "ack" || at === "durable") && offset !== undefined) {
          acks.push({ offset, after: received, fault: at })
        }
        faults.push({
          table,
          fault: { at, connection, action, ...(offset === undefined ? {} : { offset }) }
        })
        break
      }
      case "ack":
        streamOf(event.table, event.connection).acks.push({
          offset: event.offset,
          after: event.received
        })
        break
      case "halfClose":
        streamOf(event.table, event.connection).halfClosed = true
        break
      case "closeSignal":
        streamOf(event.table, event.connection).announced = true
        break
      case "end": {
        const { acks, announced, halfClosed } = streamOf(event.table, event.connection)
        // The announced time was over. No event records that, so later arrivals have to wait for
        // the end of the stream.
        if (announced && !halfClosed)
          acks.push({ offset: Infinity, after: event.received, fault: "durable" })
        break
      }
      default:
        streamOf(event.table, event.connection)
    }
  }
  for (const { acks, halfClosed, number, table } of streams.values()) {
    // A stream that the client half-closed was acknowledged completely. Any other stream must not
    // be acknowledged further than in the trace before it ends.
    const afterwards = halfClosed ? "automatic" : "halfClose"
    faults.push({
      table,
      fault: { at: "ack", connection: number, action: { _tag: "AckAt", acks, afterwards } }
    })
  }
  return { faults, connections, http }
}
