/**
 * Everything ends in time and nothing is left: calls within their limits, no fiber, timer or
 * connection after the end, and the whole capacity free when nothing is in flight (I9, I10, row
 * 23).
 */
import { tolerance } from "./connectionRules.ts"
import { type Call, closes, type StreamView, type View } from "./view.ts"

type Report = (rule: string, text: string) => void

/** Checks every call, and what is left at the end. */
export const checkLiveness = (view: View, report: Report): void => {
  for (const call of view.calls.values()) checkCall(view, call, report)
  for (const event of view.events) {
    if (event.e === "broken") report("broken", event.what)
    // A lane without a session leaves part of the room to the others.
    const lanes = event.e === "probe" ? (view.streams.get(event.stream)?.settings.lanes ?? 1) : 1
    const probed = event.e === "probe" && lanes === 1
    if (probed && event.accepted !== event.capacity && !isClosing(view, event.stream, event.seq)) {
      report(
        "I9",
        `stream ${event.stream} accepted ${event.accepted} records with nothing in flight, but ` +
          `its capacity is ${event.capacity}`
      )
    }
    if (event.e === "left") {
      if (event.fibers !== 0) report("I10", `${event.fibers} fibers are left`)
      if (event.sleeps !== 0) report("I10", `${event.sleeps} timers are left`)
      if (event.open !== 0) report("I10", `${event.open} connections are left`)
    }
  }
}

const isClosing = (view: View, stream: number, seq: number): boolean =>
  view.streams.get(stream)!.calls.some((call) => closes(call) && call.start.seq < seq)

const checkCall = (view: View, call: Call, report: Report): void => {
  const { end, op, start } = call
  if (end === undefined) {
    report("LIVE", `${op} #${call.id} of stream ${call.stream} never ended`)
    return
  }
  if (end.outcome._tag === "Defect") {
    report("defect", `${op} #${call.id} of stream ${call.stream} died: ${end.outcome.message}`)
    return
  }
  const stream = view.streams.get(call.stream)
  const limit = stream === undefined ? undefined : limitOf(stream, op)
  const took = end.t - start.t
  if (limit !== undefined && took > limit + tolerance) {
    report(
      "LIVE",
      `${op} #${call.id} of stream ${call.stream} took ${took} ms, but its limit is ${limit} ms`
    )
  }
  if (end.outcome._tag === "Error" && end.outcome.error === "FlushTimeout") {
    const { flushTimeout = 0, ingestTimeout = Infinity } = stream?.settings ?? {}
    const sinks = op === "sink" || op === "toSink"
    const promised =
      op === "closeScope"
        ? 0
        : op.startsWith("ingest")
          ? ingestTimeout
          : sinks
            ? Math.min(flushTimeout, ingestTimeout)
            : flushTimeout
    if (took < promised - 1 && op !== "close" && op !== "leave")
      report(
        "LIVE",
        `${op} #${call.id} timed out after ${took} ms, before its limit of ${promised} ms`
      )
  }
}

/** In milliseconds; undefined for calls without a limit. */
const limitOf = ({ settings }: StreamView, op: string): number | undefined => {
  const {
    drainTimeout,
    flushTimeout,
    policy,
    recoveryBackoff,
    recoveryRetries,
    recoveryTimeout,
    scopeCloseTimeout
  } = settings
  switch (op) {
    case "flush":
    case "await":
    case "waitForOffset":
      return flushTimeout
    case "close":
      return flushTimeout + drainTimeout
    case "closeScope":
      return scopeCloseTimeout + drainTimeout
    case "leave":
      return flushTimeout + drainTimeout + scopeCloseTimeout + drainTimeout
    case "createStream":
    case "openSink":
    case "recreateStream": {
      const pauses =
        policy?.pauses ?? Array.from({ length: recoveryRetries }, () => recoveryBackoff)
      const attempt = 2 * recoveryTimeout
      return pauses.reduce(
        (sum, pause) => sum + attempt + Math.max(1.2 * pause, 3_000),
        attempt + 3_000
      )
    }
    case "ingest":
    case "ingestBatch":
      return settings.ingestTimeout
    case "sinkIngest":
    case "sink":
    case "toSink":
      return undefined
    default:
      return 0
  }
}
