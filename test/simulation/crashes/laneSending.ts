/**
 * The messages sent from a spool with several lanes: the rules of one lane, key by key. A record
 * without a key counts as a separate key.
 */
import type { HistoryEvent } from "../history.ts"
import { ackedAtLeast, ackedAtMost, type Connection, type StreamView, type View } from "../view.ts"
import { checkSynced, type Place, type Report } from "./places.ts"

/** The offsets of one key in the log, in order, and the position of each among them. */
interface Line {
  readonly offsets: Array<number>
  readonly ranks: Map<number, number>
  /** The rank up to which all are settled, at least and at most. */
  least: number
  most: number
  /**
   * The connection that last sent this key, and its messages there with the highest rank in each.
   */
  on: Connection | undefined
  messages: Array<readonly [number, number]>
}

/** Checks every stream of every process. */
export const checkLaneSending = (
  view: View,
  places: ReadonlyMap<number, Place>,
  keyOf: (record: number) => number,
  report: Report
): void => {
  checkSynced(view, report)
  const lines = linesOf(view.events, keyOf)
  let base = -1
  let noted = -1
  let stream = -1
  for (const event of view.events) {
    if (event.e === "process" && event.how === "start") {
      base = noted = event.acknowledged ?? -1
      stream = -1
    }
    if (event.e === "noted") noted = event.offset
    if (event.e !== "open" || event.stream === stream) continue
    // A stream starts at the recorded acknowledgement, on every lane.
    base = Math.max(base, noted)
    stream = event.stream
    for (const line of lines.values()) {
      const above = line.offsets.findIndex((offset) => offset > base)
      line.least = line.most = (above < 0 ? line.offsets.length : above) - 1
      line.on = undefined
    }
    checkStream(view.streams.get(stream)!, places, lines, keyOf, report)
  }
}

/**
 * The log by keys. The offset of a lost group is assigned again, and counts for the record that has
 * it last.
 */
const linesOf = (
  events: ReadonlyArray<HistoryEvent>,
  keyOf: (record: number) => number
): ReadonlyMap<number, Line> => {
  const owners = new Map<number, number>()
  for (const event of events) {
    if (event.e !== "logged") continue
    if (event.batch) owners.set(event.offset, event.records[0]!)
    else event.records.forEach((record, i) => owners.set(event.offset + i, record))
  }
  const lines = new Map<number, Line>()
  for (const [offset, record] of [...owners].sort(([a], [b]) => a - b)) {
    const key = keyOf(record)
    const line: Line = lines.get(key) ?? {
      offsets: [],
      ranks: new Map(),
      least: -1,
      most: -1,
      on: undefined,
      messages: []
    }
    lines.set(key, line)
    line.ranks.set(offset, line.offsets.length)
    line.offsets.push(offset)
  }
  return lines
}

/** I4, I5, I6, I8, batch, order: checks everything that a stream sends, in the order of time. */
const checkStream = (
  { connections, refused }: StreamView,
  places: ReadonlyMap<number, Place>,
  lines: ReadonlyMap<number, Line>,
  keyOf: (record: number) => number,
  report: Report
): void => {
  const isRefused = (offset: number, seq: number) =>
    refused.some((each) => each.offset === offset && each.seq < seq)
  /** The highest offset that each connection has sent. */
  const reached = new Map<Connection, number>()
  const sends = connections.flatMap((connection) =>
    connection.messages.map(({ event }, index) => ({ connection, event, index }))
  )
  for (const { connection, event, index } of sends.toSorted((a, b) => a.event.seq - b.event.seq)) {
    const { conn } = connection
    const { records, seq, wireOffset } = event
    if (wireOffset !== index)
      report("I5", `connection ${conn} sends wire offset ${wireOffset} for ${index}`)
    const first = places.get(records[0]!)
    const whole = first?.batch === true
    for (const [i, record] of records.entries()) {
      const place = places.get(record)
      const line = lines.get(keyOf(record))
      const rank = place === undefined ? undefined : line?.ranks.get(place.offset)
      if (place === undefined || line === undefined || rank === undefined) {
        return report(
          "I4",
          `connection ${conn} sends record ${record}, which the log does not have`
        )
      }
      const { offset } = place
      if (place.batch !== whole || (whole && (offset !== first.offset || place.index !== i))) {
        report(
          "batch",
          `message ${index} of connection ${conn} holds [${records.join(",")}], not the logged ` +
            `records`
        )
        break
      }
      if (whole && i > 0) continue
      const before = reached.get(connection) ?? -1
      if (offset <= before)
        report("order", `connection ${conn} sends offset ${offset} after ${before}`)
      reached.set(connection, offset)
      const { on } = line
      const goesOn = on === connection
      if (on !== undefined && !goesOn) {
        const isGone = (on.released?.seq ?? Infinity) < seq
        const most = ackedAtMost(on, isGone ? Infinity : seq)
        // Settled records may be followed by records of their key on any lane.
        if (!isGone && line.messages.at(-1)![0] >= most) {
          report(
            "I8",
            `connection ${conn} sends record ${record} while connection ${on.conn} has its key`
          )
        }
        const least = ackedAtLeast(on, isGone ? Infinity : event.quiet)
        for (const [message, rank] of line.messages) {
          if (message < least) line.least = Math.max(line.least, rank)
          if (message < most) line.most = Math.max(line.most, rank)
        }
      }
      if (!goesOn) {
        for (; isRefused(line.offsets[line.least + 1]!, connection.open.seq); line.least++);
        for (
          line.most = Math.max(line.least, line.most);
          isRefused(line.offsets[line.most + 1]!, seq);
          line.most++
        );
        line.on = connection
        line.messages = []
      }
      let due = goesOn
        ? line.messages.at(-1)![1] + 1
        : Math.max(line.least + 1, Math.min(rank, line.most + 1))
      while (due < rank && isRefused(line.offsets[due]!, seq)) due++
      if (due !== rank) {
        const expected = line.offsets[due]
        return report(
          "I6",
          `connection ${conn} sends offset ${offset} where ${expected} of its key is due`
        )
      }
      line.messages.push([index, rank])
    }
  }
}
