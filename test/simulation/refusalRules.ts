/**
 * What a refusal may cause: the suspects are narrowed down, nothing beyond them is sent before they
 * are settled, and a refusal ends a stream only if the refused record, or batch, was alone in
 * flight.
 */
import { ackedAtLeast, type Call, type Connection, type StreamView, type View } from "./view.ts"

type Report = (rule: string, text: string) => void

/** INVALID_ARGUMENT and OUT_OF_RANGE. */
const refusals = new Set([3, 11])

/**
 * The calls that were in flight when the server refused one of them; empty if it refused nothing.
 */
export const suspectsOf = (connection: Connection): ReadonlyArray<Call> => {
  const { ended, messages, responses } = connection
  if (ended?.ended.how !== "status" || !refusals.has(ended.ended.code)) return []
  if (!responses.some(({ text }) => text.created === true)) return []
  // The server cannot have refused messages that the client sent before it read the end of the
  // call.
  const before = messages.filter(({ event }) => event.seq < ended.seq)
  return before.slice(ackedAtLeast(connection, Infinity)).flatMap(({ calls }) => calls)
}

/** Checks the consequences of each refusal. */
export const checkRefusals = (view: View, report: Report): void => {
  for (const stream of view.streams.values()) {
    if (!stream.settings.recovery) continue
    const positions = new Map(stream.order.map((call, position) => [call, position]))
    for (const [index, connection] of stream.connections.entries()) {
      const suspects = suspectsOf(connection)
      const next = stream.connections[index + 1]
      if (suspects.length === 0 || next === undefined) continue
      // Once a record was found, later searches guess.
      if (!stream.refused.some(({ seq }) => seq < next.open.seq)) checkAlone(stream, next, report)
      const [only] = suspects
      const found = stream.refused.some(
        ({ offset, seq }) => seq < next.open.seq && stream.order[offset] === only
      )
      // With a single suspect the search is over, even if the client sent more before it read the
      // refusal.
      if (suspects.length === 1 && found) continue
      // For the client, the refusal may also refer to messages that it sent before reading it.
      const sent = connection.messages.flatMap(({ calls }) => calls)
      checkNext(
        stream,
        next,
        Math.max(...sent.map((call) => positions.get(call) ?? -1)),
        positions,
        report
      )
    }
    for (const { offset, records, seq } of stream.refused)
      checkRefused(view, stream, offset, records, seq, report)
  }
}

/**
 * The oldest suspect is sent again in pieces, one at a time: nothing follows the first piece before
 * it is acknowledged.
 */
const checkAlone = (stream: StreamView, connection: Connection, report: Report): void => {
  const second = connection.messages[1]?.event.seq ?? Infinity
  if (
    !connection.responses.some(({ seq, text }) => seq < second && text.ack === 0) &&
    second < Infinity
  )
    report(
      "refusal",
      `connection ${connection.conn} of stream ${stream.id} sends suspects together with the oldest`
    )
}

/**
 * The connection after a refusal sends nothing beyond the suspects while one of them is
 * unacknowledged.
 */
const checkNext = (
  stream: StreamView,
  connection: Connection,
  last: number,
  positions: ReadonlyMap<Call, number>,
  report: Report
): void => {
  for (const [index, { calls, event }] of connection.messages.entries()) {
    const suspects = calls.every((call) => (positions.get(call) ?? -1) <= last)
    if (suspects) continue
    const before = connection.messages.slice(0, index)
    const acked = connection.responses
      .filter(({ seq }) => seq < event.seq)
      .reduce(
        (most, { text }) => (typeof text.ack === "number" ? Math.max(most, text.ack + 1) : most),
        0
      )
    if (acked < before.length)
      report(
        "refusal",
        `connection ${connection.conn} of stream ${stream.id} sends more before the suspects are ` +
          `settled`
      )
    return
  }
}

/**
 * A refused record is one that the store refuses, that was alone in flight, and that did not become
 * durable.
 */
const checkRefused = (
  view: View,
  stream: StreamView,
  offset: number,
  records: ReadonlyArray<number>,
  seq: number,
  report: Report
): void => {
  const say = (text: string) =>
    report("refusal", `stream ${stream.id} gave offset ${offset} to onRefused, ${text}`)
  if (stream.order[offset]?.records.join() !== records.join()) say("which belongs to another call")
  // Scripted statuses of this profile also refuse records that the server has just made durable.
  const from = view.profile === "refusing" ? seq : 0
  if (records.some((record) => (view.durable.get(record)?.seq ?? -1) >= from))
    say("although it is durable")
  const connection = stream.connections.findLast(({ open }) => open.seq < seq)
  if (connection === undefined || suspectsOf(connection).length !== 1)
    say("but it was not alone in flight")
}
