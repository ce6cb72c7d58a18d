/**
 * The messages sent from a spool: in the order of the log; with `sync: "group"` only after they are
 * durable on disk; again only if not settled; and after a restart from the offset on disk.
 */
import { ackedAtLeast, ackedAtMost, type Connection, type View } from "../view.ts"
import { checkSynced, type Place, type Report } from "./places.ts"

/** A message as offsets of the log. */
interface Sent {
  readonly first: number
  readonly last: number
  readonly seq: number
}

/** Checks every connection of every process. */
export const checkSending = (
  view: View,
  places: ReadonlyMap<number, Place>,
  report: Report
): void => {
  checkSynced(view, report)
  let settled = { least: -1, most: -1 }
  let base = -1
  let noted = -1
  let stream = -1
  for (const event of view.events) {
    if (event.e === "process" && event.how === "start") {
      base = noted = event.acknowledged ?? -1
      stream = -1
    }
    // A failed note may have arrived anyway, and the next one, in the same slot, may destroy it.
    if (event.e === "noted") noted = event.offset
    if (event.e !== "open") continue
    const connection = view.connections.get(event.conn)!
    if (event.stream !== stream) {
      // A stream that is opened again in the same process starts at the acknowledgement that the
      // previous one recorded.
      base = Math.max(base, noted)
      settled = { least: base, most: base }
      stream = event.stream
    }
    settled = checkConnection(view, connection, places, settled, report)
  }
}

/** I5, I6, batch. Returns what is settled after the connection, at least and at most. */
const checkConnection = (
  view: View,
  connection: Connection,
  places: ReadonlyMap<number, Place>,
  before: { readonly least: number; readonly most: number },
  report: Report
): { readonly least: number; readonly most: number } => {
  const { conn } = connection
  const sent: Array<Sent> = []
  const refused = view.streams.get(connection.stream)!.refused
  const isRefused = (offset: number, seq: number) =>
    refused.some((each) => each.offset === offset && each.seq < seq)
  let { least, most } = before
  const resumed =
    connection.responses.find(({ text }) => text.resumed !== undefined)?.text.resumed ?? -1
  // Records of a persistent stream that the server has are settled when it is resumed.
  least = Math.max(least, resumed)
  most = Math.max(most, resumed)
  for (let again = true; again;) {
    again = false
    for (const { offset, seq } of refused) {
      if (seq > connection.open.seq) continue
      if (offset === least + 1) again = (least++, true)
      if (offset === most + 1) again = (most++, true)
    }
  }
  for (const [index, { event }] of connection.messages.entries()) {
    if (event.wireOffset !== index)
      report("I5", `connection ${conn} sends wire offset ${event.wireOffset} for ${index}`)
    const at = event.records.map((record) => places.get(record))
    const [first] = at
    const last = at.at(-1)
    if (first === undefined || last === undefined) {
      report("I4", `connection ${conn} sends [${event.records.join(",")}], which was never logged`)
      return before
    }
    for (const [i, place] of at.entries()) {
      const due = first.batch ? first.offset : first.offset + i
      if (
        place?.offset !== due ||
        place.batch !== first.batch ||
        (first.batch && place.index !== i)
      ) {
        report(
          "batch",
          `message ${index} of connection ${conn} holds [${event.records.join(",")}], not what ` +
            `was logged`
        )
        break
      }
    }
    let expected =
      sent.length === 0
        ? Math.max(least + 1, Math.min(first.offset, most + 1))
        : sent.at(-1)!.last + 1
    while (expected < first.offset && isRefused(expected, event.seq)) expected++
    if (first.offset !== expected) {
      report("I6", `connection ${conn} sends offset ${first.offset} where ${expected} is due`)
      return before
    }
    sent.push({ first: first.offset, last: last.offset, seq: event.seq })
  }
  const upTo = (count: number, otherwise: number) =>
    Math.max(otherwise, count === 0 ? -1 : sent[count - 1]!.last)
  return {
    least: upTo(ackedAtLeast(connection, Infinity), least),
    most: upTo(ackedAtMost(connection, Infinity), most)
  }
}
