/**
 * Compares reports of durability to the program with the records that the server stored and
 * acknowledged (I2, I3, I9, I11), and checks the records handed over when the scope ends.
 */
import {
  ackedAtLeast,
  ackedAtMost,
  accepted,
  type Call,
  closes,
  type Connection,
  type StreamView,
  type View
} from "./view.ts"

type Report = (rule: string, text: string) => void

/** Checks every report of durability. */
export const checkDelivery = (view: View, report: Report): void => {
  const tellings = new Map(
    [...view.streams.values()].map((stream) => [stream, whenTold(view, stream, report)] as const)
  )
  // A stream may receive a false acknowledgement for records that it took over from another one.
  const lied = new Set(
    [...tellings].flatMap(([{ order }, told]) =>
      order.filter((_, position) => told[position]?.lie === true)
    )
  )
  // Records left by one stream may be refused when another one takes them over.
  const gone = new Set(
    [...view.streams.values()].flatMap((stream) =>
      stream.refused.map(({ offset }) => stream.order[offset]!)
    )
  )
  for (const [stream, told] of tellings) {
    checkStatements(view, stream, told, report)
    checkOrderInTable(view, stream, lied, gone, report)
    checkBounds(stream, told, report)
    checkHandOver(view, stream, report)
    checkPromptness(stream, report)
  }
  if (view.profile === "calm") checkNoDuplicates(view, report)
}

/** Without faults, only records that were handed back and ingested again may be stored twice. */
const checkNoDuplicates = (view: View, report: Report): void => {
  const adopted = new Set(
    [...view.streams.values()].flatMap((stream) =>
      stream.order.filter((call) => call.stream !== stream.id)
    )
  )
  const seen = new Set<number>()
  for (const event of view.events) {
    if (event.e !== "durable") continue
    for (const record of event.records) {
      if (seen.has(record) && !adopted.has(view.callOf.get(record)!))
        report("duplicates", `record ${record} is stored twice in a run without faults`)
      seen.add(record)
    }
  }
}

/**
 * For each position in the stream's order: when its acknowledgement reached the client, and whether
 * that acknowledgement was false.
 */
interface Told {
  readonly at: number
  readonly lie: boolean
}

const durableSeq = (view: View, call: Call): number =>
  call.records.reduce(
    (latest, record) => Math.max(latest, view.durable.get(record)?.seq ?? Infinity),
    -1
  )

const whenTold = (
  view: View,
  stream: StreamView,
  report: Report
): ReadonlyArray<Told | undefined> => {
  const told: Array<Told | undefined> = []
  for (const connection of stream.connections) {
    let covered = 0
    for (const response of connection.responses) {
      const acked = ackedAtMost(connection, response.seq + 1)
      for (; covered < acked; covered++) {
        for (const call of connection.messages[covered]!.calls) {
          const position = positionOf(connection, covered, call)
          const lie = durableSeq(view, call) > response.seq
          if (lie && view.profile !== "hostile") {
            report(
              "server",
              `connection ${connection.conn} acknowledged ${call.op} #${call.id} before it was ` +
                `durable`
            )
          }
          if (told[position] === undefined || (told[position]!.lie && !lie))
            told[position] = { at: response.seq, lie }
        }
      }
    }
  }
  return told
}

const positionOf = (connection: Connection, message: number, call: Call): number => {
  let position = connection.base
  for (let i = 0; i < message; i++) position += connection.messages[i]!.calls.length
  return position + connection.messages[message]!.calls.indexOf(call)
}

const checkStatements = (
  view: View,
  stream: StreamView,
  told: ReadonlyArray<Told | undefined>,
  report: Report
): void => {
  /** At `seq` the program was told that the call at `position` is durable. */
  const claim = (position: number, seq: number, what: string) => {
    const call = stream.order[position]
    const by = told[position]
    // A refused offset is settled, and waits only report that.
    if (stream.refused.some(({ offset }) => offset === position)) return
    if (call === undefined)
      report(
        "I2",
        `${what} of stream ${stream.id} reports offset ${position}, which was never assigned`
      )
    else if (by === undefined || by.at > seq) {
      report(
        "I2",
        `${what} of stream ${stream.id} reports offset ${position} durable before the server did`
      )
    } else if (!by.lie && durableSeq(view, call) > seq) {
      report(
        "I2",
        `${what} of stream ${stream.id} reports offset ${position} durable, but it is not stored`
      )
    }
  }
  const readers = new Map<number, number>()
  for (const { offset, reader, seq } of stream.watermarks) {
    const before = readers.get(reader) ?? -1
    if (offset <= before)
      report("I3", `the watermark of stream ${stream.id} went from ${before} to ${offset}`)
    for (let position = before + 1; position <= offset; position++)
      claim(position, seq, "the watermark")
    readers.set(reader, Math.max(before, offset))
  }
  for (const call of stream.calls) {
    const { end, op } = call
    if (end === undefined) continue
    const { outcome } = end
    if ((op === "await" || op === "waitForOffset") && outcome._tag === "Offset") {
      if (outcome.offset !== call.offset)
        report("I2", `${op} for offset ${call.offset} returned ${outcome.offset}`)
      claim(outcome.offset, end.seq, op)
    }
    if (outcome._tag === "Summary") {
      for (const id of outcome.calls) claim(stream.order.indexOf(view.calls.get(id)!), end.seq, op)
    }
    if (
      (op === "flush" || op === "close" || op === "leave") &&
      outcome._tag === "Done" &&
      stream.opening.end?.outcome._tag === "Done"
    ) {
      for (const [position, other] of stream.order.entries()) {
        const earlier =
          other.stream !== stream.id || (accepted(other) && other.end!.seq < call.start.seq)
        // A second close repeats the result of the first.
        if (
          earlier &&
          !(op !== "flush" && position >= stream.durable && closedBefore(stream, call))
        )
          claim(position, end.seq, op)
      }
    }
  }
  for (const final of stream.finals) if (final.durable) claim(final.offset, final.seq, "poll")
}

const closedBefore = (stream: StreamView, call: Call): boolean =>
  stream.calls.some(
    (other) =>
      other !== call &&
      other.op !== "closeScope" &&
      closes(other) &&
      other.start.seq < call.start.seq
  )

/**
 * Waiters for an offset are notified at once when it is durable: no later than the client settles
 * after the acknowledgement.
 */
const checkPromptness = (stream: StreamView, report: Report): void => {
  const settled = new Map<number, number>()
  for (const connection of stream.connections) {
    const moments = [...connection.responses, ...connection.sent].toSorted((a, b) => a.seq - b.seq)
    let covered = 0
    for (const { quiet } of moments) {
      const acked = ackedAtLeast(connection, quiet + 1)
      for (; covered < acked; covered++) {
        for (const call of connection.messages[covered]!.calls) {
          const position = positionOf(connection, covered, call)
          if (!settled.has(position)) settled.set(position, quiet)
        }
      }
    }
  }
  for (const { end, id, offset, op, start } of stream.calls) {
    if (
      end === undefined ||
      (op !== "await" && op !== "waitForOffset") ||
      offset === undefined ||
      end.outcome._tag === "Interrupted"
    )
      continue
    const quiet = settled.get(offset)
    if (quiet !== undefined && end.quiet > Math.max(quiet, start.quiet)) {
      report(
        "prompt",
        `${op} #${id} of stream ${stream.id} still waited for offset ${offset} after its ` +
          `acknowledgement`
      )
    }
  }
}

/** Apart from duplicates, the table has the records in the order of the calls. */
const checkOrderInTable = (
  view: View,
  stream: StreamView,
  lied: ReadonlySet<Call>,
  gone: ReadonlySet<Call>,
  report: Report
): void => {
  let before = -1
  let missing: Call | undefined
  for (const call of stream.order) {
    if (gone.has(call)) continue
    for (const record of call.records) {
      const place = view.durable.get(record)?.place
      if (place === undefined) {
        if (!lied.has(call)) missing ??= call
      } else if (missing !== undefined) {
        report(
          "order",
          `the table has record ${record} of stream ${stream.id}, but not ${missing.op} ` +
            `#${missing.id} before it`
        )
        return
      } else if (place < before) {
        report(
          "order",
          `record ${record} of stream ${stream.id} is in the table before one that was ` +
            `ingested earlier`
        )
        return
      } else before = place
    }
  }
}

/** Accepted and unacknowledged records stay within the bounds. */
const checkBounds = (
  stream: StreamView,
  told: ReadonlyArray<Told | undefined>,
  report: Report
): void => {
  const { maxInflightBytes, maxInflightRecords } = stream.settings
  const changes: Array<{ readonly seq: number; readonly records: number; readonly bytes: number }> =
    []
  for (const [position, call] of stream.order.entries()) {
    // An interrupted call that was accepted anyway was accepted before its end, and must have had
    // room then.
    const taken = call.stream === stream.id ? call.end?.seq : -1
    if (taken === undefined) continue
    changes.push({ seq: taken, records: 1, bytes: call.bytes })
    const by = told[position]
    const at = by?.at ?? stream.refused.find(({ offset }) => offset === position)?.seq
    if (at !== undefined) changes.push({ seq: at, records: -1, bytes: -call.bytes })
  }
  changes.sort((a, b) => a.seq - b.seq)
  let records = 0
  let bytes = 0
  for (const change of changes) {
    records += change.records
    bytes += change.bytes
    if (change.records < 0 || change.seq < 0) continue
    if (records > maxInflightRecords || bytes > maxInflightBytes) {
      const bound = `its bounds are ${maxInflightRecords} records and ${maxInflightBytes} bytes`
      report(
        "I9",
        `stream ${stream.id} has ${records} records with ${bytes} bytes in flight, ${bound}`
      )
      return
    }
  }
}

/**
 * The records that the scope's end leaves go to `onUnacked`, once, unless the program took them
 * itself.
 */
const checkHandOver = (view: View, stream: StreamView, report: Report): void => {
  const close = stream.calls.find(({ op }) => op === "closeScope" || op === "leave")
  if (close?.end === undefined || stream.opening.end?.outcome._tag !== "Done") return
  const rest = stream.order.slice(stream.durable).flatMap((call) => call.records)
  const taken =
    stream.calls.some(
      (call) =>
        call.op === "unacked" &&
        call.end?.outcome._tag === "Records" &&
        call.end.seq < close.start.seq
    ) ||
    stream.calls.some(
      (call) =>
        call.op === "unackedWhileOpen" &&
        call.end?.outcome._tag === "Done" &&
        call.end.seq < close.end!.seq
    ) ||
    stream.calls.some(
      (call) => call.op === "unackedWhileOpen" && call.end?.outcome._tag === "Interrupted"
    ) ||
    [...view.streams.values()].some(
      (other) =>
        other.opening.from === stream.id &&
        other.opening.end?.outcome._tag === "Done" &&
        other.opening.end.seq < close.end!.seq
    )
  if (taken || rest.length === 0) {
    if (stream.unacked.length > (taken ? 1 : 0))
      report(
        "I1",
        `stream ${stream.id} reports unacknowledged records that were taken over or do not exist`
      )
    return
  }
  const [event] = stream.unacked
  if (stream.unacked.length !== 1)
    report(
      "I1",
      `stream ${stream.id} left ${rest.length} records and called onUnacked ` +
        `${stream.unacked.length} times`
    )
  else if (event!.records.join() !== rest.join())
    report(
      "I1",
      `stream ${stream.id} gave onUnacked [${event!.records.join(",")}], but left ` +
        `[${rest.join(",")}]`
    )
}
