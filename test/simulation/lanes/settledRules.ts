/**
 * Compares reports of settled records of a stream with lanes with the records that the server
 * stored and acknowledged.
 */
import { accepted, type Call, type StreamView, type View } from "../view.ts"
import { adoptedBy, type Report, type Settled } from "./standing.ts"

/** Checks every report of settled records. */
export const checkClaims = (
  view: View,
  stream: StreamView,
  { refused, standings }: Settled,
  offsets: ReadonlyMap<Call, number>,
  report: Report
): void => {
  const claim = (call: Call, seq: number, what: string): void => {
    if ((refused.get(call) ?? Infinity) < seq) return
    const { lie = false, told = Infinity } = standings.get(call) ?? {}
    const about =
      `${what} of stream ${stream.id} calls ${call.op} #${call.id} ` +
      `[${call.records.join(",")}] settled`
    if (told > seq) report("I2", `${about} before the server did`)
    else if (
      !lie &&
      call.records.some((record) => (view.durable.get(record)?.seq ?? Infinity) > seq)
    )
      report("I2", `${about}, but it is not stored`)
  }
  const inOrder = [...offsets].toSorted(([, a], [, b]) => a - b)
  const claimUpTo = (offset: number, from: number, seq: number, what: string): void => {
    for (const [call, at] of inOrder) if (at >= from && at <= offset) claim(call, seq, what)
  }
  const readers = new Map<number, number>()
  for (const { offset, reader, seq } of stream.watermarks) {
    const before = readers.get(reader) ?? -1
    if (offset <= before)
      report("I3", `the watermark of stream ${stream.id} went from ${before} to ${offset}`)
    claimUpTo(offset, before + 1, seq, "the watermark")
    readers.set(reader, Math.max(before, offset))
  }
  const callAt = new Map(inOrder.map(([call, offset]) => [offset, call]))
  for (const call of stream.calls) {
    const { end, offset, op, start } = call
    if (end === undefined) continue
    const { outcome } = end
    if (op === "waitForOffset" && outcome._tag === "Offset")
      claimUpTo(outcome.offset, 0, end.seq, op)
    const waitedFor = op === "await" && offset !== undefined ? callAt.get(offset) : undefined
    if (waitedFor !== undefined) {
      if (outcome._tag === "Offset") claim(waitedFor, end.seq, op)
      const quiet = standings.get(waitedFor)?.quiet ?? Infinity
      if (
        outcome._tag !== "Interrupted" &&
        quiet < Infinity &&
        end.quiet > Math.max(quiet, start.quiet)
      )
        report(
          "prompt",
          `await #${call.id} of stream ${stream.id} still waited after the acknowledgement`
        )
    }
    if (outcome._tag === "Summary")
      for (const id of outcome.calls) claim(view.calls.get(id)!, end.seq, op)
    const flushes = op === "flush" || op === "close" || op === "leave"
    if (!flushes || outcome._tag !== "Done" || stream.opening.end?.outcome._tag !== "Done") continue
    // A second close repeats the result of the first.
    const first = stream.calls.find((other) => other.op === "close" || other.op === "leave")
    const from = op === "flush" ? start.seq : Math.min(start.seq, first?.start.seq ?? Infinity)
    for (const other of adoptedBy(view, stream)) claim(other, end.seq, op)
    for (const other of stream.calls)
      if (accepted(other) && other.end!.seq < from) claim(other, end.seq, op)
  }
}
