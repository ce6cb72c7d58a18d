/**
 * The messages on the connections of a stream with lanes: per key in order, without gaps, on one
 * connection at a time, and nothing acknowledged sent again.
 */
import type { Call, Connection, StreamView } from "../view.ts"
import type { Report, Settled } from "./standing.ts"

const name = ({ id, op, records }: Call): string => `${op} #${id} [${records.join(",")}]`

/** The calls of one key, in the order in which they were first sent. */
interface KeyOrder {
  readonly calls: Array<Call>
  readonly places: Map<Call, number>
  /** The latest start of any of them, and its quiet moment. */
  latestStart: number
  latestQuiet: number
  /** The position that each connection has reached. */
  readonly positions: Map<Connection, number>
  /** The connection that last sent the key. */
  on: Connection | undefined
}

/** Checks all messages. */
export const checkWire = (
  stream: StreamView,
  { refused, standings }: Settled,
  keyOf: (call: Call) => number,
  report: Report
): void => {
  const orders = new Map<number, KeyOrder>()
  const sends = stream.connections.flatMap((connection) =>
    connection.messages.map((message, index) => ({ connection, index, message }))
  )
  for (const { connection, index, message } of sends.toSorted(
    (a, b) => a.message.event.seq - b.message.event.seq
  )) {
    const { conn } = connection
    const { records, seq, wireOffset } = message.event
    if (wireOffset !== index)
      report("I5", `connection ${conn} sends wire offset ${wireOffset} where ${index} is due`)
    const whole = message.calls.flatMap((call) => call.records)
    if (records.join() !== whole.join())
      report(
        "I4",
        `message ${index} of connection ${conn} holds [${records.join(",")}], not ` +
          `[${whole.join(",")}]`
      )
    if (message.calls.length > 1 && message.calls.some((call) => call.op === "ingestBatch"))
      report("batch", `message ${index} of connection ${conn} merges a batch with other records`)
    for (const call of message.calls) {
      const key = keyOf(call)
      const order = orders.get(key) ?? {
        calls: [],
        places: new Map<Call, number>(),
        latestStart: -1,
        latestQuiet: -1,
        positions: new Map<Connection, number>(),
        on: undefined
      }
      orders.set(key, order)
      send(call, order)
    }

    function send(call: Call, order: KeyOrder): void {
      const { calls, on, places, positions } = order
      if (on !== undefined && on !== connection && !((on.released?.seq ?? Infinity) < seq))
        report(
          "I8",
          `connection ${conn} sends ${name(call)} while connection ${on.conn} has records of ` +
            `its key`
        )
      order.on = connection
      const known = places.get(call)
      const place = known ?? calls.length
      if (known === undefined) {
        // Records taken over have their order, and a sink ingests its records when it decides.
        if (call.stream === stream.id && call.op !== "sinkIngest") {
          if (
            (call.end?.seq ?? Infinity) < order.latestStart ||
            call.start.quiet < order.latestQuiet
          )
            report(
              "order",
              `connection ${conn} sends ${name(call)} after a call of its key that was made later`
            )
          order.latestStart = Math.max(order.latestStart, call.start.seq)
          order.latestQuiet = Math.max(order.latestQuiet, call.start.quiet)
        }
        places.set(call, place)
        calls.push(call)
      }
      const before = positions.get(connection)
      positions.set(connection, place)
      const first = before === undefined
      for (let skipped = first ? 0 : before + 1; skipped < place; skipped++) {
        const other = calls[skipped]!
        const settled =
          Math.min(standings.get(other)?.told ?? Infinity, refused.get(other) ?? Infinity) < seq
        if (!(settled && (first || refused.has(other))))
          report(
            first ? "I6" : "order",
            `connection ${conn} sends ${name(call)} and leaves out ${name(other)}`
          )
      }
      if (!first && place <= before)
        report("order", `connection ${conn} sends ${name(call)} out of its order`)
      if (
        (standings.get(call)?.quiet ?? Infinity) < connection.open.quiet ||
        (refused.get(call) ?? Infinity) < seq
      )
        report("I6", `connection ${conn} sends ${name(call)} again although it was settled`)
    }
  }
}
