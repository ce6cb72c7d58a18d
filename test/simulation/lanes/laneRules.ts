/**
 * The rules for runs with lanes. Records without a key have no order, so each counts as a separate
 * key. Otherwise the rules are those of one lane, key by key:
 *
 * | rule | meaning |
 * | --- | --- |
 * | order | calls of a key are first sent in the order of their offsets, without gap |
 * | I6 | a call is sent again only when it was not acknowledged, and none before it is left out |
 * | I8 | a key is on one connection at a time |
 * | I2 | what is reported as settled is acknowledged and stored, or refused, on every lane |
 * | I1 | an accepted call is acknowledged, refused or handed back in the order of offsets |
 * | I9 | what is accepted and not settled stays within the bounds of the stream |
 * | I13 | all receipts that fail have the same cause |
 *
 * I2 covers receipts, waits, flushes and the watermark. By I1, receipts fail for exactly the calls
 * that are handed back.
 */
import { checkConnection } from "../connectionRules.ts"
import type { HistoryEvent } from "../history.ts"
import { checkLiveness } from "../livenessRules.ts"
import type { Profile } from "../plan.ts"
import { accepted, type Call, type StreamView, type View, makeView } from "../view.ts"
import { checkClaims } from "./settledRules.ts"
import { adoptedBy, handedBack, type Report, type Settled, settledOf } from "./standing.ts"
import { checkWire } from "./wireRules.ts"

/**
 * Checks a history. Each violation starts with the rule it breaks. `keyOf` returns the number that
 * determines a record's key.
 */
export const checkLanes = (
  events: ReadonlyArray<HistoryEvent>,
  profile: Profile,
  keyOf: (record: number) => number
): ReadonlyArray<string> => {
  const violations: Array<string> = []
  const report: Report = (rule, text) => void violations.push(`${rule}: ${text}`)
  const view = makeView(events, profile)
  for (const stream of view.streams.values()) {
    for (const connection of stream.connections) checkConnection(connection, report)
    const settled = settledOf(view, stream, report)
    const { keys } = stream.settings
    checkWire(
      stream,
      settled,
      (call) => (keys === undefined ? -1 - call.id : keyOf(call.records[0]!) % keys),
      report
    )
    const offsets = offsetsOf(view, stream, report)
    checkClaims(view, stream, settled, offsets, report)
    checkEnd(view, stream, settled, offsets, report)
    checkBounds(stream, settled, report)
  }
  checkLiveness(view, report)
  return violations
}

/**
 * The known offsets of calls: those that were returned, and those of records that a stream took
 * over.
 */
const offsetsOf = (view: View, stream: StreamView, report: Report): Map<Call, number> => {
  const offsets = new Map<Call, number>()
  const taken = new Map<number, Call>()
  const note = (call: Call, offset: number) => {
    const other = taken.get(offset)
    if (other !== undefined)
      report("I4", `${call.op} #${call.id} got offset ${offset}, as did #${other.id}`)
    taken.set(offset, call)
    offsets.set(call, offset)
  }
  adoptedBy(view, stream).forEach((call, offset) => note(call, offset))
  for (const call of stream.calls) {
    if (call.end?.outcome._tag === "Offset" && call.records.length > 0)
      note(call, call.end.outcome.offset)
  }
  return offsets
}

const name = ({ id, op, records }: Call): string => `${op} #${id} [${records.join(",")}]`

/** Everything accepted is acknowledged, refused or handed back, and receipts report which. */
const checkEnd = (
  view: View,
  stream: StreamView,
  { refused, standings }: Settled,
  offsets: ReadonlyMap<Call, number>,
  report: Report
): void => {
  if (stream.opening.end?.outcome._tag !== "Done") return
  const groups = stream.calls.flatMap(({ end, op }) =>
    op === "unacked" && end?.outcome._tag === "Records" ? [end.outcome.groups] : []
  )
  const left = handedBack(view, stream) ?? []
  const leftCalls = new Set(left)
  if (groups.some((list) => JSON.stringify(list) !== JSON.stringify(groups[0])))
    report("I1", `stream ${stream.id} gives different unacknowledged records the second time`)
  for (const group of groups[0] ?? []) {
    if (view.callOf.get(group[0] ?? -1)?.records.join() !== group.join())
      report("I1", `stream ${stream.id} hands back [${group.join(",")}], which no call made`)
  }
  if (leftCalls.size !== left.length) report("I1", `stream ${stream.id} hands back a call twice`)
  let before = -1
  for (const call of left) {
    if ((standings.get(call)?.surely ?? Infinity) < Infinity)
      report("I1", `stream ${stream.id} hands back ${name(call)}, which was acknowledged`)
    if (refused.has(call))
      report("I1", `stream ${stream.id} hands back ${name(call)}, which was refused`)
    const offset = offsets.get(call) ?? before
    if (offset < before)
      report("I1", `stream ${stream.id} hands back ${name(call)} after one with a later offset`)
    before = offset
  }
  const mine = [...adoptedBy(view, stream), ...stream.calls.filter(accepted)]
  for (const call of mine) {
    const acknowledged = (standings.get(call)?.told ?? Infinity) < Infinity
    if (!acknowledged && !refused.has(call) && !leftCalls.has(call))
      report("I1", `stream ${stream.id} lost ${name(call)}: neither acknowledged nor handed back`)
  }
  const callAt = new Map([...offsets].map(([call, offset]) => [offset, call]))
  const causes = new Set<string>()
  for (const { durable, error, offset } of stream.finals) {
    const call = callAt.get(offset)
    if (call === undefined) continue
    if (durable !== (!leftCalls.has(call) && !refused.has(call))) {
      const where = leftCalls.has(call)
        ? "handed back"
        : refused.has(call)
          ? "refused"
          : "not handed back"
      report(
        "I1",
        `the receipt of ${name(call)} reports ${durable ? "durable" : "failed"}, but it is ${where}`
      )
    }
    if (!durable && !refused.has(call)) causes.add(error ?? "")
  }
  if (causes.size > 1)
    report("I13", `receipts of stream ${stream.id} fail with ${[...causes].join(" and with ")}`)
}

/** Accepted and unsettled records stay within the bounds. */
const checkBounds = (stream: StreamView, { refused, standings }: Settled, report: Report): void => {
  const { maxInflightBytes, maxInflightRecords } = stream.settings
  const changes = stream.calls.filter(accepted).flatMap((call) => {
    const settledAt = Math.min(standings.get(call)?.told ?? Infinity, refused.get(call) ?? Infinity)
    return [
      { seq: call.end!.seq, records: 1, bytes: call.bytes },
      { seq: settledAt, records: -1, bytes: -call.bytes }
    ]
  })
  let [records, bytes] = [0, 0]
  for (const change of changes.toSorted((a, b) => a.seq - b.seq)) {
    if (change.seq === Infinity) break
    records += change.records
    bytes += change.bytes
    if (records > maxInflightRecords || bytes > maxInflightBytes) {
      const bounds = `${maxInflightRecords} records and ${maxInflightBytes} bytes`
      report(
        "I9",
        `stream ${stream.id} has ${records} records with ${bytes} bytes in flight, its bounds ` +
          `are ${bounds}`
      )
      return
    }
  }
}
