/**
 * Rules for summaries of sinks, for readers, and for invalid records: the parts of the client that
 * build on the others.
 */
import type { Call, StreamView, View } from "./view.ts"

type Report = (rule: string, text: string) => void

/** Checks every sink, every reader and every invalid record. */
export const checkFaces = (view: View, report: Report): void => {
  for (const call of view.calls.values()) {
    checkSummary(view, call, report)
    checkMisfit(call, report)
  }
  for (const stream of view.streams.values()) checkStates(stream, report)
}

/** A sink accepted all records it received, in order, and its summary says so. */
const checkSummary = (view: View, call: Call, report: Report): void => {
  const outcome = call.end?.outcome
  if (outcome?._tag !== "Summary") return
  const stream = view.streams.get(call.stream)!
  const taken = outcome.calls.map((id) => view.calls.get(id)!)
  const say = (text: string) =>
    report("sink", `${call.op} #${call.id} of stream ${call.stream} ${text}`)
  const refused = new Set(stream.refused.map(({ offset }) => stream.order[offset]))
  const durable = taken.filter((one) => !refused.has(one)).length
  if (outcome.records !== durable)
    say(`reports ${outcome.records} records, but ${durable} of them are durable`)
  const bytes = taken.reduce((sum, { bytes }) => sum + bytes, 0)
  if (outcome.bytes < bytes) say(`reports ${outcome.bytes} bytes, but received ${bytes}`)
  let before = -1
  for (const one of taken) {
    const position = stream.order.indexOf(one)
    if (position <= before) say(`accepted record ${one.records[0]} out of order, or not at all`)
    before = position
  }
  if (outcome.lastOffset !== before)
    say(`reports last offset ${outcome.lastOffset}, but its last record has ${before}`)
}

const refusals = new Set(["InvalidArgument", "PayloadTooLarge", "StreamClosed", "FlushTimeout"])

/** An invalid record is refused. An offer may find the stream full before it checks the record. */
const checkMisfit = (call: Call, report: Report): void => {
  const outcome = call.end?.outcome
  if (call.op !== "ingestMisfit" || outcome === undefined) return
  if (outcome._tag === "Interrupted" || outcome._tag === "Nothing") return
  if (outcome._tag === "Error" && refusals.has(outcome.error)) return
  report(
    "misfit",
    `stream ${call.stream} accepted an invalid record in call #${call.id}: ` +
      JSON.stringify(outcome)
  )
}

/**
 * The states that may follow each state. A recovery may be reported several times, and a connection
 * may open and be lost at the same moment.
 */
const follows: Record<string, ReadonlyArray<string>> = {
  connecting: ["connecting", "open", "replaying", "closed", "failed"],
  open: ["paused", "recovering", "idle", "closed", "failed"],
  replaying: ["open", "paused", "recovering", "closed", "failed"],
  paused: ["recovering", "idle", "closed", "failed"],
  recovering: ["recovering", "open", "replaying", "idle", "waiting", "closed", "failed"],
  waiting: ["recovering", "closed", "failed"],
  idle: ["recovering", "closed", "failed"],
  closed: [],
  failed: []
}

/** States follow each other as permitted, and a reader that reads to the end has seen the end. */
const checkStates = (stream: StreamView, report: Report): void => {
  const readers = new Map<number, string>()
  for (const { reader, state } of stream.states) {
    const before = readers.get(reader)
    if (before !== undefined && !follows[before]!.includes(state)) {
      report("state", `stream ${stream.id} went from ${before} to ${state}`)
    }
    readers.set(reader, state)
  }
  const ends = new Set<string>()
  for (const { reader } of stream.readerEnds) {
    const last = readers.get(reader)
    if (last === undefined) {
      const seen = stream.watermarks.findLast((event) => event.reader === reader)?.offset ?? -1
      if (seen !== stream.durable - 1) {
        report(
          "reader",
          `a reader of stream ${stream.id} ended at offset ${seen}, but ${stream.durable} ` +
            `are durable`
        )
      }
      continue
    }
    ends.add(last)
    if (last !== "closed" && last !== "failed") {
      report("state", `a reader of the states of stream ${stream.id} ended with ${last}`)
    }
  }
  if (ends.size > 1) report("state", `stream ${stream.id} ended as ${[...ends].join(" and as ")}`)
}
