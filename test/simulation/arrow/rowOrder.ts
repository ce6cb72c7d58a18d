/**
 * The rows of a stream in order, the first row of each connection, and when each row was
 * acknowledged.
 */
import type { Call, Connection, StreamView, View } from "../view.ts"

export type Report = (rule: string, text: string) => void

/** The rows of one stream. */
export interface RowOrder {
  /** All rows that were sent or handed back, in order. */
  readonly rows: ReadonlyArray<number>
  /**
   * Their calls, or those of the previous stream that left them unacknowledged, in the order of
   * offsets.
   */
  readonly calls: ReadonlyArray<{ readonly call: Call; readonly end: number }>
  /**
   * For each row, the sequence number of the first response that covers it; Infinity if there is
   * none.
   */
  readonly told: ReadonlyArray<number>
  /** How many rows were acknowledged at the end of the stream: at least, and at most. */
  readonly surely: number
  readonly atMost: number
  /** The rows that the stream handed back, by record; undefined if nobody read them. */
  readonly left: ReadonlyArray<ReadonlyArray<number>> | undefined
}

/** The groups of rows that a stream handed back after its end. */
export const handedBack = (
  stream: StreamView
): ReadonlyArray<ReadonlyArray<number>> | undefined => {
  for (const { end, op } of stream.calls)
    if (op === "unacked" && end?.outcome._tag === "Records") return end.outcome.groups
  return undefined
}

/** Cumulative row counts of a connection's messages. */
const rowEnds = ({ messages }: Connection): ReadonlyArray<number> => {
  let sum = 0
  return messages.map(({ event }) => (sum += event.records.length))
}

/** Rows acknowledged by responses delivered before `seq`. */
const ackedAtMost = ({ responses }: Connection, seq: number): number =>
  responses.reduce(
    (most, { seq: at, text }) => (at < seq ? Math.max(most, text.rows ?? 0) : most),
    0
  )

/**
 * Rows that are certainly acknowledged at a moment: the response was delivered before it, and the
 * transport had counted the frames as sent.
 */
const ackedAtLeast = (connection: Connection, quiet: number): number => {
  const ends = rowEnds(connection)
  const sent = connection.sent.filter((event) => event.quiet < quiet).length - 1
  const leftRows = sent <= 0 ? 0 : ends[Math.min(sent, ends.length) - 1]!
  const said = connection.responses.reduce(
    (most, { quiet: at, text }) => (at < quiet ? Math.max(most, text.rows ?? 0) : most),
    0
  )
  return Math.min(said, leftRows)
}

/** Derives the order of a stream's rows from the messages sent, and reports contradictions. */
export const orderOf = (view: View, stream: StreamView, report: Report): RowOrder => {
  const from = stream.opening.from
  const before = from === undefined ? undefined : view.streams.get(from)
  const adopted = before === undefined ? [] : (handedBack(before) ?? [])
  const rows: Array<number> = adopted.flat()
  const place = new Map(rows.map((row, at) => [row, at]))
  const told: Array<number> = []
  let surely = 0
  let atMost = 0
  for (const connection of stream.connections) {
    const { conn, messages, released, responses } = connection
    let next = -1
    for (const { event } of messages) {
      for (const row of event.records) {
        const known = place.get(row)
        if (next < 0) {
          next = known ?? rows.length
          if (next > atMost)
            report("I6", `connection ${conn} leaves out rows ${atMost} to ${next - 1}`)
          if (next < surely)
            report("I6", `connection ${conn} sends row ${next} again, which was acknowledged`)
        }
        if (known === undefined && next === rows.length) {
          place.set(row, next)
          rows.push(row)
        } else if (known !== next) {
          report("order", `connection ${conn} sends row ${row} at place ${next}, not ${known}`)
        }
        next++
      }
    }
    const base =
      next < 0 ? 0 : next - messages.reduce((sum, { event }) => sum + event.records.length, 0)
    if (next < 0) continue
    for (const { seq, text } of responses) {
      for (let at = told.length; at < base + (text.rows ?? 0) && at < next; at++) told[at] = seq
    }
    atMost = Math.max(atMost, Math.min(next, base + ackedAtMost(connection, Infinity)))
    if (released !== undefined)
      surely = Math.max(surely, base + ackedAtLeast(connection, released.quiet))
  }
  const left = handedBack(stream)
  for (const row of (left ?? []).flat()) {
    if (place.has(row)) continue
    place.set(row, rows.length)
    rows.push(row)
  }
  const calls: Array<{ readonly call: Call; readonly end: number }> = []
  let end = 0
  for (const group of adopted) {
    end += group.length
    const call = view.callOf.get(group[0]!)
    if (call !== undefined) calls.push({ call, end })
  }
  while (end < rows.length) {
    const call = view.callOf.get(rows[end]!)
    if (call === undefined) {
      report("I4", `row ${rows[end]} of stream ${stream.id} was not made by a call`)
      break
    }
    const { records } = call
    if (records.some((row, at) => rows[end + at] !== row))
      report("order", `the rows of ${call.op} #${call.id} are not together and in order`)
    end += records.length
    calls.push({ call, end })
  }
  return { rows, calls, told, surely, atMost, left }
}
