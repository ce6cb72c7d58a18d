/**
 * The rules for a run with crashes: compares the promises of a spool with the table, the disk and
 * the wire. Rules start with the name listed in the README.
 */
import { checkConnection, checkConnections } from "../connectionRules.ts"
import type { HistoryEvent } from "../history.ts"
import { type Call, makeView, type View } from "../view.ts"
import type { CrashPlan } from "./crashPlan.ts"
import { checkLaneSending } from "./laneSending.ts"
import { type Place, placesOf, type Report } from "./places.ts"
import { checkSending } from "./sendingRules.ts"

/**
 * Checks a history. Each violation starts with the rule it breaks. `numberOf` returns the number
 * that determines a record's key.
 */
export const checkCrashes = (
  events: ReadonlyArray<HistoryEvent>,
  plan: CrashPlan,
  numberOf: (record: number) => number = () => 0
): ReadonlyArray<string> => {
  const violations: Array<string> = []
  const report: Report = (rule, text) => void violations.push(`${rule}: ${text}`)
  const view = makeView(events, plan.base.profile)
  // A stream whose spool fails gives up its connection at once.
  const spoolFailed = events.some(({ e }) => e === "diskFailure")
  const aboutConnections: Report = (rule, text) => {
    if (spoolFailed && (rule === "silence" || rule === "connect")) return
    if (rule === "I7" && isClosedWhileOpening(view, text)) return
    report(rule, text)
  }
  const places = placesOf(events)
  const { keys } = plan.stream.settings
  /** With one lane all records have the same order. */
  const keyOf = (record: number): number =>
    !plan.lanes
      ? 0
      : keys === undefined
        ? -1 - (view.callOf.get(record)?.id ?? 0)
        : numberOf(record) % keys
  if (plan.lanes) {
    for (const { connections } of view.streams.values()) {
      for (const connection of connections) checkConnection(connection, aboutConnections)
    }
    checkLaneSending(view, places, keyOf, report)
  } else {
    checkConnections(view, aboutConnections)
    checkSending(view, places, report)
  }
  const taken = [...view.calls.values()].filter((call) => isTaken(view, call))
  checkTaken(view, taken, places, report)
  checkOffsets(taken, places, report)
  checkTable(view, places, keyOf, report)
  if (plan.persistent) checkOnce(view, report)
  checkStatements(view, report)
  checkOpening(view, plan, report)
  checkPositions(view, report)
  checkNotes(events, plan, report)
  checkBytes(view, report)
  checkEnds(view, report)
  return violations
}

/** Whether the violation is of a connection that was given up at the moment its answer arrived. */
const isClosedWhileOpening = (view: View, text: string): boolean => {
  const connection = view.connections.get(
    Number(/^connection (\d+) was closed without/.exec(text)?.[1])
  )
  const opened = connection?.responses.find(({ text }) => text.created === true)
  return opened !== undefined && opened.quiet === connection?.released?.quiet
}

/** Whether the client reported that all records of the call are in the spool. */
const isTaken = (view: View, call: Call): boolean => {
  if (call.records.length === 0) return false
  const answer = call.end?.outcome._tag
  if (call.op === "ingest" || call.op === "ingestBatch") return answer === "Offset"
  if (call.op === "sinkIngest") return answer === "Taken"
  if (call.op !== "offer") return false
  for (const other of view.streams.get(call.stream)?.calls ?? []) {
    if (other.op === "persisted" && other.from === call.id)
      return other.end?.outcome._tag === "Done"
  }
  return false
}

const name = ({ id, op, records }: Call): string => `${op} #${id} [${records.join(",")}]`

/**
 * CRASH: accepted records are in the table, or written down as refused, when the last process has
 * drained the spool.
 */
const checkTaken = (
  view: View,
  taken: ReadonlyArray<Call>,
  places: ReadonlyMap<number, Place>,
  report: Report
): void => {
  const end = view.events.findLast((event) => event.e === "process")
  if (end?.e !== "process" || end.drained !== true)
    report("LIVE", "the last process could not drain the spool")
  const letters = lettersIn(view.events)
  for (const call of taken) {
    const lost = call.records.filter((record) => !view.durable.has(record) && !letters.has(record))
    if (lost.length === 0) continue
    const at = places.get(lost[0]!)
    report(
      "CRASH",
      `${name(call)} was accepted and is lost; ` +
        `${at === undefined ? "never logged" : `offset ${at.offset}`}`
    )
  }
}

/** The records that were written down as refused, each with its first event. */
const lettersIn = (events: ReadonlyArray<HistoryEvent>): ReadonlyMap<number, number> => {
  const letters = new Map<number, number>()
  for (const event of events) {
    if (event.e !== "letter") continue
    for (const record of event.records) if (!letters.has(record)) letters.set(record, event.seq)
  }
  return letters
}

/** OFFSET: a returned offset is the one in the log, and belongs to no other call. */
const checkOffsets = (
  taken: ReadonlyArray<Call>,
  places: ReadonlyMap<number, Place>,
  report: Report
): void => {
  const owners = new Map<number, Call>()
  for (const call of taken) {
    const place = places.get(call.records[0]!)
    const { outcome } = call.end!
    if (outcome._tag === "Offset" && place !== undefined && place.offset !== outcome.offset) {
      report(
        "OFFSET",
        `${name(call)} got offset ${outcome.offset}, but the log has it at ${place.offset}`
      )
    }
    if (place === undefined) continue
    const other = owners.get(place.offset)
    if (other !== undefined)
      report("OFFSET", `${name(call)} and ${name(other)} have the same offset ${place.offset}`)
    owners.set(place.offset, call)
  }
}

/**
 * ORDER: records of a key appear in the table in the order of their offsets, however often some of
 * them were sent. A record that was refused and written down is settled, and later ones are stored.
 * A crash may lose that note; the record is then sent again, and the server may accept it this
 * time.
 */
const checkTable = (
  view: View,
  places: ReadonlyMap<number, Place>,
  keyOf: (record: number) => number,
  report: Report
): void => {
  const letters = lettersIn(view.events)
  const found = [...view.durable]
    .flatMap(([record, { place, seq }]) => {
      const at = places.get(record)
      if (at === undefined) report("ORDER", `record ${record} is in the table and was never logged`)
      return at === undefined || (letters.get(record) ?? Infinity) < seq
        ? []
        : [{ record, place, key: keyOf(record), ...at }]
    })
    .sort((a, b) => a.key - b.key || a.offset - b.offset || a.index - b.index)
  let before: (typeof found)[number] | undefined
  for (const each of found) {
    if (before?.key !== each.key) before = undefined
    if (before !== undefined && each.place < before.place) {
      report(
        "ORDER",
        `record ${each.record} of offset ${each.offset} is in the table before offset ` +
          `${before.offset}`
      )
      return
    }
    before = each
  }
}

/** EXACT: no record of a persistent stream is in the table twice. */
const checkOnce = (view: View, report: Report): void => {
  const stored = new Set<number>()
  for (const event of view.events) {
    if (event.e !== "durable") continue
    for (const record of event.records) {
      if (stored.has(record)) return report("EXACT", `record ${record} is stored twice`)
      stored.add(record)
    }
  }
}

/**
 * I2: records reported durable, or acknowledged in the spool's file, are stored or written down as
 * refused.
 */
const checkStatements = (view: View, report: Report): void => {
  /** Records that are logged and neither stored nor written down, by offset. */
  const open = new Map<number, number>()
  const offsets = new Map<number, ReadonlyArray<number>>()
  const settled = new Set<number>()
  const settle = (records: ReadonlyArray<number>) => {
    for (const record of records) {
      settled.add(record)
      open.delete(record)
    }
  }
  const claim = (upTo: number, what: string) => {
    for (const [record, offset] of open) {
      if (offset <= upTo)
        return report(
          "I2",
          `${what} reports ${upTo}, but record ${record} of offset ${offset} is not stored`
        )
    }
  }
  for (const event of view.events) {
    if (event.e === "logged") {
      for (const [index, record] of event.records.entries()) {
        const offset = event.batch ? event.offset : event.offset + index
        // The offset of a group that failed, or that a crash lost, is assigned again.
        for (const older of offsets.get(offset) ?? [])
          if (!event.records.includes(older)) open.delete(older)
        offsets.set(offset, event.batch ? event.records : [record])
        if (!settled.has(record)) open.set(record, offset)
      }
    } else if (event.e === "durable" || event.e === "letter") settle(event.records)
    else if (event.e === "watermark") claim(event.offset, `the watermark of stream ${event.stream}`)
    else if (event.e === "noted") claim(event.offset, "the file of acknowledgements")
    else if (event.e === "return") {
      const call = view.calls.get(event.id)
      if (call?.op !== "await" || event.outcome._tag !== "Offset") continue
      const lost = [...open].find(([, offset]) => offset === call.offset)
      if (lost !== undefined)
        report("I2", `the receipt of offset ${call.offset} reports it durable, but it is not`)
    }
  }
}

/** OPEN: a spool that only crashed opens; it may fail to open only while the disk fails. */
const checkOpening = (view: View, { persistent }: CrashPlan, report: Report): void => {
  for (const { id, opening } of view.streams.values()) {
    const { end, start } = opening
    if (end === undefined || end.outcome._tag === "Done" || end.outcome._tag === "Interrupted")
      continue
    const failed = view.events.some(
      (event) => event.e === "diskFailure" && event.seq > start.seq && event.seq < end.seq
    )
    const excused =
      end.outcome._tag === "Error" && end.outcome.reason === "SpoolUnavailable" && failed
    // A persistent stream needs its server to open.
    if (persistent && end.outcome._tag === "Error" && end.outcome.error !== "InvalidState") continue
    const rival = view.events.some(({ e }) => e === "rival")
    if (!excused && !rival)
      report("OPEN", `stream ${id} cannot open the spool: ${JSON.stringify(end.outcome)}`)
  }
}

/**
 * POSITION: an opened spool has the latest stored position, or one whose write a crash cut short.
 */
const checkPositions = (view: View, report: Report): void => {
  const calls = [...view.calls.values()].filter(({ op }) => op === "position")
  for (const event of view.events) {
    if (event.e !== "restored") continue
    const found = calls.find(({ from }) => String(from) === event.text)
    const end = found === undefined ? -1 : (found.end?.seq ?? Infinity)
    const later = calls.find((call) => {
      const isKept = call.end?.outcome._tag === "Done" && call.end.seq < event.seq
      return isKept && call.start.seq > end
    })
    if (later === undefined && (found === undefined) === (event.text === undefined)) continue
    report(
      "POSITION",
      `the spool has the position ${event.text}, but that of record ${later?.from} was stored`
    )
  }
}

/**
 * NOTED: acknowledgements that the client has received are in the spool's file when a process ends,
 * unless they were about to be written.
 */
const checkNotes = (events: ReadonlyArray<HistoryEvent>, plan: CrashPlan, report: Report): void => {
  const slack = 4 * (plan.latency[1] + plan.syncLatency[1]) + 1
  let heard: { readonly offset: number; readonly t: number } | undefined
  let failed = false
  let noted = -1
  for (const event of events) {
    if (event.e === "noted") {
      if (event.offset < noted)
        report("NOTED", `the acknowledged offset in the file went from ${noted} to ${event.offset}`)
      // A failed write may have reached the file, and the next one goes to the same place.
      const before = events[event.seq - 1]
      const isFailed = before?.e === "diskFailure" && before.call === "write"
      if (!isFailed) noted = event.offset
    }
    if (event.e === "process" && event.how === "power") noted = -1
    if (event.e === "diskFailure") failed = true
    if (event.e === "watermark" && event.offset > (heard?.offset ?? -1))
      heard = { offset: event.offset, t: event.t }
    if (event.e !== "process") continue
    const { acknowledged = -1, files = 0, how, process } = event
    if (how === "end" && event.drained === true && !failed) {
      if (files > 1)
        report("FILES", `process ${process} acknowledged everything and left ${files} files`)
    }
    const late = how === "end" || (heard !== undefined && event.t - heard.t > slack)
    const slow = plan.troubles.some(({ kind }) => kind === "slow")
    if (
      how !== "start" &&
      how !== "power" &&
      heard !== undefined &&
      late &&
      !slow &&
      !failed &&
      acknowledged < heard.offset
    ) {
      report(
        "NOTED",
        `process ${process} received the acknowledgement of ${heard.offset} and ended with ` +
          `${acknowledged} in the spool's file`
      )
    }
    heard = undefined
    failed = false
  }
}

/** BYTES: the log stays within its bound, except for the largest call and the current file. */
const checkBytes = (view: View, report: Report): void => {
  const largest = [...view.calls.values()].reduce((most, { bytes }) => Math.max(most, bytes), 0)
  let bound = Infinity
  let reported = false
  for (const event of view.events) {
    if (event.e === "process" && event.how === "start") {
      bound = Math.max(event.maxBytes, event.bytes ?? 0) + event.maxBytes / 4 + 2 * largest + 8_192
    }
    if (event.e === "diskFailure") bound = Infinity
    if (event.e !== "logBytes" || event.bytes <= bound || reported) continue
    reported = true
    report("BYTES", `the log takes ${event.bytes} bytes, but its bound is ${bound}`)
  }
}

/**
 * I10, LIVE, defect, broken: a process that ends normally leaves nothing behind, and all of its
 * calls have ended.
 */
const checkEnds = (view: View, report: Report): void => {
  let from = 0
  for (const event of view.events) {
    if (event.e === "broken") report("broken", event.what)
    if (event.e === "unacked")
      report("I1", `stream ${event.stream} gave records of its spool to onUnacked`)
    if (event.e === "return" && event.outcome._tag === "Defect")
      report("defect", event.outcome.message)
    if (event.e !== "process") continue
    if (event.how === "end") {
      if (event.fibers !== 0)
        report("I10", `process ${event.process} ended with ${event.fibers} fibers`)
      if (event.sleeps !== 0)
        report("I10", `process ${event.process} ended with ${event.sleeps} timers`)
      for (const call of view.calls.values()) {
        if (call.end === undefined && call.start.seq > from && call.start.seq < event.seq) {
          report("LIVE", `${name(call)} of stream ${call.stream} never ended`)
        }
      }
    }
    from = event.seq
  }
}
