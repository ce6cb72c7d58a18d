/**
 * Rebuilds the order of a stream's calls from the messages sent and the records handed back, and
 * checks its rules: nothing lost, duplicated or out of order, and no acknowledged record sent again
 * (I1, I4, I5, I6).
 */
import {
  accepted,
  ackedAtLeast,
  ackedAtMost,
  type Call,
  callsIn,
  type StreamView,
  type View
} from "./view.ts"

type Report = (rule: string, text: string) => void

/** Rebuilds the order of all streams and reports contradictions. */
export const checkJournal = (view: View, report: Report): void => {
  for (const stream of view.streams.values()) {
    const adopted =
      stream.opening.from === undefined
        ? []
        : (view.streams
            .get(stream.opening.from)
            ?.order.slice(view.streams.get(stream.opening.from)!.durable) ?? [])
    checkStream(view, stream, adopted, report)
  }
}

const name = (call: Call | undefined): string =>
  call === undefined ? "nothing" : `${call.op} #${call.id} [${call.records.join(",")}]`

const checkStream = (
  view: View,
  stream: StreamView,
  adopted: ReadonlyArray<Call>,
  report: Report
): void => {
  const order: Array<Call> = [...adopted]
  const positions = new Map<Call, number>(order.map((call, index) => [call, index]))
  /** The bounds of what earlier connections have acknowledged. */
  let least = 0
  let most = 0
  const seen: Array<StreamView["connections"][number]> = []
  for (const connection of stream.connections) {
    const start = connection.messages[0]?.event
    for (const earlier of seen) {
      least = Math.max(
        least,
        earlier.base + callsIn(earlier, ackedAtLeast(earlier, connection.open.quiet))
      )
      most = Math.max(
        most,
        earlier.base + callsIn(earlier, ackedAtMost(earlier, start?.seq ?? Infinity))
      )
    }
    for (const { offset, seq } of stream.refused) {
      if (seq > connection.open.seq) continue
      least = Math.max(least, offset + 1)
      most = Math.max(most, offset + 1)
    }
    seen.push(connection)
    connection.base = least
    if (start === undefined) continue
    const first = connection.messages[0]!.calls[0]
    connection.base = first === undefined ? least : (positions.get(first) ?? order.length)
    if (connection.base < least)
      report(
        "I6",
        `connection ${connection.conn} sends ${name(first)} again although it was acknowledged`
      )
    if (connection.base > most) {
      report(
        "I6",
        `connection ${connection.conn} starts with ${name(first)}, which skips ` +
          `${name(order[most])} that is not acknowledged`
      )
    }
    let position = connection.base
    for (const [index, message] of connection.messages.entries()) {
      const { records, wireOffset } = message.event
      if (wireOffset !== index)
        report(
          "I5",
          `connection ${connection.conn} sends wire offset ${wireOffset} where ${index} is due`
        )
      const whole = message.calls.flatMap((call) => call.records)
      if (records.join() !== whole.join()) {
        report(
          "I4",
          `message ${index} of connection ${connection.conn} holds [${records.join(",")}] where ` +
            `its calls made [${whole.join(",")}]`
        )
      }
      if (message.calls.length > 1 && message.calls.some((call) => call.op === "ingestBatch")) {
        report(
          "batch",
          `message ${index} of connection ${connection.conn} merges a batch with other records`
        )
      }
      for (const call of message.calls) {
        const due = order[position]
        if (due === undefined) {
          if (positions.has(call))
            report("order", `connection ${connection.conn} sends ${name(call)} out of its order`)
          positions.set(call, order.length)
          order.push(call)
        } else if (due !== call) {
          report(
            "order",
            `connection ${connection.conn} sends ${name(call)} where ${name(due)} is due`
          )
        }
        position++
      }
    }
  }
  for (const connection of seen) {
    least = Math.max(
      least,
      connection.base + callsIn(connection, ackedAtLeast(connection, Infinity))
    )
    most = Math.max(most, connection.base + callsIn(connection, ackedAtMost(connection, Infinity)))
  }
  for (const { offset } of stream.refused) {
    least = Math.max(least, offset + 1)
    most = Math.max(most, offset + 1)
  }
  stream.order = order
  stream.durable = least
  if (stream.opening.end?.outcome._tag !== "Done") return
  settle(view, stream, order, least, most, new Set(adopted), report)
}

/** The end of the stream: all records that are not durable were handed back, in order. */
const settle = (
  view: View,
  stream: StreamView,
  order: Array<Call>,
  least: number,
  most: number,
  adopted: ReadonlySet<Call>,
  report: Report
): void => {
  const answers = stream.calls
    .filter((call) => call.op === "unacked")
    .map((call) => call.end?.outcome)
  // A sink's stream has no user: the records it leaves go to `onUnacked`.
  const lists =
    stream.opening.op === "openSink"
      ? [(stream.unacked[0]?.records ?? []).map((record) => [record])]
      : answers.flatMap((outcome) => (outcome?._tag === "Records" ? [outcome.groups] : []))
  const last = lists[lists.length - 1]
  if (last === undefined) {
    report("I1", `stream ${stream.id} ended, but does not give its unacknowledged records`)
    return
  }
  for (const list of lists) {
    if (JSON.stringify(list) !== JSON.stringify(last))
      report("I1", `stream ${stream.id} gives different unacknowledged records the second time`)
  }
  const rest: Array<Call> = []
  for (const group of last) {
    const call = view.callOf.get(group[0] ?? -1)
    if (call === undefined || call.records.join() !== group.join()) {
      report("I1", `stream ${stream.id} hands back [${group.join(",")}], which no call made`)
    } else rest.push(call)
  }
  const cut =
    rest[0] === undefined
      ? order.length
      : order.indexOf(rest[0]) < 0
        ? order.length
        : order.indexOf(rest[0])
  if (cut < least)
    report("I1", `stream ${stream.id} hands back ${name(rest[0])}, which was acknowledged`)
  if (cut > most)
    report(
      "I1",
      `stream ${stream.id} lost ${name(order[most])}: neither acknowledged nor handed back`
    )
  for (let i = cut; i < order.length; i++) {
    if (rest[i - cut] !== order[i])
      report(
        "I1",
        `stream ${stream.id} hands back ${name(rest[i - cut])} where ${name(order[i])} is due`
      )
  }
  order.push(...rest.slice(order.length - cut))
  stream.durable = cut
  if (new Set(order).size !== order.length)
    report("I1", `stream ${stream.id} accounts for a call twice`)

  for (const call of stream.calls) {
    const outcome = call.end?.outcome
    if (outcome?._tag === "Taken" && !order.includes(call))
      report("I1", `${name(call)} was taken and is gone`)
    if (outcome?._tag !== "Offset" || call.records.length === 0) continue
    if (order[outcome.offset] !== call) {
      report(
        "I4",
        `${name(call)} got offset ${outcome.offset}, where ${name(order[outcome.offset])} belongs`
      )
    }
  }
  for (const [index, call] of order.entries()) {
    if (call.stream !== stream.id && !adopted.has(call))
      report("I1", `stream ${stream.id} took ${name(call)}, which was not given to it`)
    if (adopted.has(call) || accepted(call)) continue
    if (call.end !== undefined && call.end.outcome._tag !== "Interrupted") {
      report(
        "I1",
        `${name(call)} was refused (${JSON.stringify(call.end.outcome)}), yet stream ` +
          `${stream.id} took it at ${index}`
      )
    }
  }
  checkFifo(stream, order, adopted, report)
  for (const final of stream.finals) {
    const refused = stream.refused.some(({ offset }) => offset === final.offset)
    if (final.durable !== (final.offset < stream.durable && !refused)) {
      report(
        "I1",
        `offset ${final.offset} of stream ${stream.id} is ` +
          `${final.durable ? "durable" : "not durable"}, but ${stream.durable} are`
      )
    }
  }
}

/** Calls keep the order in which they were made, where that order is certain (I9). */
const checkFifo = (
  stream: StreamView,
  order: ReadonlyArray<Call>,
  adopted: ReadonlySet<Call>,
  report: Report
): void => {
  let earliestEnd = Infinity
  let earliestQuiet = Infinity
  let witness: Call | undefined
  for (let i = order.length - 1; i >= 0; i--) {
    const call = order[i]!
    // A sink decides when it ingests its records; another rule checks that it keeps their order.
    if (adopted.has(call) || call.op === "sinkIngest") continue
    if (earliestEnd < call.start.seq || earliestQuiet < call.start.quiet) {
      report(
        "I9",
        `stream ${stream.id} put ${name(witness)} after ${name(call)}, which was made later`
      )
      return
    }
    if ((call.end?.seq ?? Infinity) < earliestEnd) {
      earliestEnd = call.end!.seq
      witness = call
    }
    if (call.start.quiet < earliestQuiet) {
      earliestQuiet = call.start.quiet
      witness = call
    }
  }
}
