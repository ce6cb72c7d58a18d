/**
 * The rules for runs with Arrow batches. A batch has one offset and is acknowledged row by row:
 *
 * | rule | meaning |
 * | --- | --- |
 * | order | a connection sends rows without a gap, in the order of the offsets |
 * | I6 | a connection begins with the first row that was not acknowledged |
 * | I5 | frames are numbered 0, 1, 2, ... on each connection |
 * | I8 | a stream has one connection at a time |
 * | I4 | offsets count the accepted batches |
 * | I2, I3 | what a receipt, a wait, a flush or the watermark reports is acknowledged and durable |
 * | I1 | an accepted row is acknowledged or handed back in order, and receipts agree with that |
 * | I9 | batches in flight stay within the bounds of the stream |
 * | duplicates | without faults each row is stored once |
 */
import { checkConnection } from "../connectionRules.ts"
import type { HistoryEvent } from "../history.ts"
import { checkLiveness } from "../livenessRules.ts"
import type { Profile } from "../plan.ts"
import { accepted, type StreamView, type View, makeView } from "../view.ts"
import { handedBack, orderOf, type Report, type RowOrder } from "./rowOrder.ts"

/** Checks a history. Each violation starts with the rule it breaks. */
export const checkArrow = (
  events: ReadonlyArray<HistoryEvent>,
  profile: Profile
): ReadonlyArray<string> => {
  const violations: Array<string> = []
  const report: Report = (rule, text) => void violations.push(`${rule}: ${text}`)
  const view = makeView(events, profile)
  for (const stream of view.streams.values()) {
    checkConnections(stream, report)
    const order = orderOf(view, stream, report)
    checkOffsets(stream, order, report)
    checkClaims(view, stream, order, report)
    checkEnd(stream, order, report)
    checkBounds(stream, order, report)
  }
  checkTable(view, report)
  checkLiveness(view, report)
  return violations
}

const checkConnections = ({ connections, id }: StreamView, report: Report): void => {
  for (const [index, connection] of connections.entries()) {
    checkConnection(connection, report)
    const before = connections[index - 1]
    if (before !== undefined && (before.released?.seq ?? Infinity) > connection.open.seq)
      report("I8", `connection ${connection.conn} of stream ${id} opens beside ${before.conn}`)
    connection.messages.forEach(({ event: { wireOffset } }, at) => {
      if (wireOffset !== at)
        report("I5", `frame ${at} of connection ${connection.conn} has the number ${wireOffset}`)
    })
  }
}

const checkOffsets = (stream: StreamView, { calls }: RowOrder, report: Report): void => {
  const places = new Map(calls.map(({ call }, offset) => [call.id, offset]))
  for (const call of stream.calls) {
    if (!accepted(call) || call.end?.outcome._tag !== "Offset") continue
    const place = places.get(call.id)
    if (place === undefined)
      report("I1", `stream ${stream.id} lost ${call.op} #${call.id}: never sent nor handed back`)
    else if (place !== call.end.outcome.offset)
      report("I4", `${call.op} #${call.id} has offset ${call.end.outcome.offset}, not ${place}`)
  }
}

/** Records reported as durable are acknowledged and in the table. */
const checkClaims = (
  view: View,
  stream: StreamView,
  { calls, rows, told }: RowOrder,
  report: Report
): void => {
  const durable = (what: string, count: number, seq: number): void => {
    for (let at = 0; at < count; at++) {
      if (!((told[at] ?? Infinity) < seq))
        return report("I2", `${what} covers row ${at}, which was not acknowledged`)
      if (!((view.durable.get(rows[at]!)?.seq ?? Infinity) < seq))
        return report("I2", `${what} covers row ${at}, which was not durable`)
    }
  }
  /** The number of rows up to an offset. */
  const until = (offset: number): number => calls[offset]?.end ?? rows.length + 1
  for (const { end, op, start } of stream.calls) {
    if (end === undefined) continue
    if ((op === "await" || op === "waitForOffset") && end.outcome._tag === "Offset")
      durable(op, until(end.outcome.offset), end.seq)
    if (op === "flush" && end.outcome._tag === "Done") {
      let count = 0
      for (const { call, end: last } of calls)
        if (accepted(call) && call.end!.seq < start.seq) count = last
      durable("flush", count, end.seq)
    }
  }
  let before = -1
  for (const { offset, seq } of stream.watermarks) {
    if (offset <= before) report("I3", `the watermark goes from ${before} to ${offset}`)
    before = offset
    durable("the watermark", until(offset), seq)
  }
}

/** A stream hands back exactly the rows that were not acknowledged. */
const checkEnd = (
  stream: StreamView,
  { atMost, calls, left, rows, surely }: RowOrder,
  report: Report
): void => {
  if (stream.opening.end?.outcome._tag !== "Done" || left === undefined) return
  const back = left.flat()
  const first = rows.length - back.length
  if (back.some((row, at) => rows[first + at] !== row))
    report("I1", `stream ${stream.id} hands back [${back.join(",")}], which is not the rest`)
  if (first < surely)
    report("I1", `stream ${stream.id} hands back row ${first}, which was acknowledged`)
  if (first > atMost)
    report("I1", `stream ${stream.id} lost row ${first - 1}: neither acknowledged nor handed back`)
  for (const { durable, offset } of stream.finals) {
    const end = calls[offset]?.end
    if (end === undefined) continue
    if (durable !== end <= first)
      report("I1", `the receipt of offset ${offset} is ${durable ? "a success" : "a failure"}`)
  }
  for (const { records } of stream.unacked)
    if (records.join() !== back.join())
      report("I1", `stream ${stream.id} gives onUnacked other rows than it hands back`)
}

/** Accepted and unacknowledged batches stay within the bounds. */
const checkBounds = (stream: StreamView, { calls, told }: RowOrder, report: Report): void => {
  const { maxInflightRecords } = stream.settings
  const changes = calls.flatMap(({ call, end }) =>
    call.stream === stream.id && accepted(call)
      ? [
          { seq: call.end!.seq, by: 1 },
          { seq: told[end - 1] ?? Infinity, by: -1 }
        ]
      : []
  )
  let count = 0
  for (const { by, seq } of changes.toSorted((a, b) => a.seq - b.seq)) {
    if (seq === Infinity) break
    count += by
    if (count > maxInflightRecords)
      return report("I9", `stream ${stream.id} has ${count} batches in flight`)
  }
}

/** A row that a stream handed back may have arrived all the same, and is sent by the next one. */
const checkTable = (view: View, report: Report): void => {
  if (view.profile !== "calm") return
  const handed = new Set(
    [...view.streams.values()].flatMap((stream) => handedBack(stream) ?? []).flat()
  )
  const stored = new Set<number>()
  for (const event of view.events) {
    if (event.e !== "durable") continue
    for (const row of event.records) {
      if (stored.has(row) && !handed.has(row))
        report("duplicates", `row ${row} is stored twice without a fault`)
      stored.add(row)
    }
  }
}
