/**
 * When a stream retries, when it fails, and with which error: attempts within the budget, the
 * deciding cause, credentials fetched for every connection and invalidated once per rejection (I12,
 * I13, I14).
 */
import { suspectsOf } from "./refusalRules.ts"
import type { Outcome } from "./history.ts"
import {
  accepted,
  ackedAtLeast,
  ackedAtMost,
  callsIn,
  closingFrom,
  type Connection,
  isViolation,
  type StreamView,
  type View
} from "./view.ts"

type Report = (rule: string, text: string) => void

const stableUptime = 15_000

const classOf = (code: number): string => {
  switch (code) {
    case 16:
      return "InvalidToken"
    case 7:
      return "PermissionDenied"
    case 5:
      return "InvalidTable"
    case 12:
      return "Unsupported"
    case 3:
    case 9:
    case 11:
      return "InvalidArgument"
    default:
      return "Retryable ServerUnavailable"
  }
}

/** One attempt to open a session, from fetching headers to the next time. */
interface Attempt {
  readonly asked: { readonly seq: number; readonly t: number }
  readonly until: { readonly seq: number; readonly t: number }
  readonly connection: Connection | undefined
  /** The first cause that was reported to the client, once it was. */
  readonly cause: string | undefined
  readonly rotated: boolean
  /** Whether its session may have earned a fresh budget, and whether it certainly did. */
  readonly stable: boolean
  readonly surelyStable: boolean
  /** Whether nothing was unacknowledged when it ended. */
  readonly emptyAtEnd: Empty
  /** Whether the server refused records in flight, which spends no retry and needs no pause. */
  readonly refused: boolean
}

/**
 * The attempts since the budget was refilled, including this one: if uncertain cases refilled it,
 * and if they did not.
 */
interface Counted extends Attempt {
  readonly fewest: number
  readonly most: number
}

/**
 * Counts attempts as the budget does: progress refills it, and so does the first record of an idle
 * stream.
 */
const counted = (attempts: ReadonlyArray<Attempt>, adopts: boolean): ReadonlyArray<Counted> => {
  let fewest = 0
  let most = 0
  let before: Empty = { maybe: !adopts, surely: !adopts }
  return attempts.map((attempt) => {
    const { emptyAtEnd, refused, stable, surelyStable } = attempt
    fewest = before.maybe && !emptyAtEnd.surely ? 1 : fewest + 1
    most = before.surely && !emptyAtEnd.maybe ? 1 : most + 1
    before = emptyAtEnd
    const now = { ...attempt, fewest, most }
    fewest = stable ? 0 : refused ? fewest - 1 : fewest
    most = surelyStable ? 0 : refused ? most - 1 : most
    return now
  })
}

/** Checks attempts and failures of every stream. */
export const checkFailures = (view: View, report: Report): void => {
  for (const stream of view.streams.values()) {
    const attempts = counted(attemptsOf(view, stream), stream.opening.from !== undefined)
    const ending = failureOf(stream, report)
    checkBudget(stream, attempts, ending, report)
    checkCause(view, stream, attempts, ending, report)
    checkCredentials(stream, attempts, report)
    checkPace(stream, attempts, report)
  }
}

const attemptsOf = (view: View, stream: StreamView): ReadonlyArray<Attempt> => {
  const asked = stream.headers.filter(({ outcome }) => outcome === "asked")
  const last = view.events[view.events.length - 1]!
  return asked.map((event, index) => {
    const until = asked[index + 1] ?? { seq: Infinity, t: last.t }
    const within = ({ seq }: { readonly seq: number }) => seq > event.seq && seq < until.seq
    const connection = stream.connections.find(({ open }) => within(open))
    const answer = stream.headers.find((other) => other.outcome !== "asked" && within(other))
    const rested = restedOn(view, stream, connection, until.t)
    // Without a connection and an answer, it ended at its limit, not with the next attempt.
    const timeout = event.t + stream.settings.recoveryTimeout
    const timedOut = view.events.findLast(({ seq, t }) => seq < until.seq && t < timeout)
    const end = connection?.released ?? answer ?? timedOut ?? last
    return {
      asked: event,
      until,
      connection,
      cause:
        answer?.outcome === "Retryable"
          ? "Retryable TokenServiceUnavailable"
          : answer?.outcome === "InvalidToken"
            ? "InvalidToken"
            : causeOf(connection),
      rotated:
        connection?.responses.some(
          (response) => response.text.closeAfter !== undefined && !isViolation(connection, response)
        ) ?? false,
      stable: connection !== undefined && (ackedAtMost(connection, Infinity) > 0 || rested.maybe),
      surelyStable:
        connection !== undefined && (ackedAtLeast(connection, Infinity) > 0 || rested.surely),
      emptyAtEnd: holding(stream, end),
      refused:
        connection !== undefined && stream.settings.recovery && suspectsOf(connection).length > 0
    }
  })
}

/** Whether a stream has nothing unacknowledged at some moment. */
interface Empty {
  readonly maybe: boolean
  readonly surely: boolean
}

const holding = (
  stream: StreamView,
  { quiet, seq }: { readonly quiet: number; readonly seq: number }
): Empty => {
  let least = 0
  let most = 0
  for (const connection of stream.connections) {
    if (connection.open.seq > seq) break
    least = Math.max(least, connection.base + callsIn(connection, ackedAtLeast(connection, quiet)))
    most = Math.max(most, connection.base + callsIn(connection, ackedAtMost(connection, seq)))
  }
  // Records accepted by a handler are settled as well.
  for (const refused of stream.refused) {
    if (refused.seq > seq) continue
    least = Math.max(least, refused.offset + 1)
    most = Math.max(most, refused.offset + 1)
  }
  return {
    maybe: !stream.order.some(
      (call, position) =>
        position >= most && (call.stream !== stream.id || (accepted(call) && call.end!.seq < seq))
    ),
    surely: !stream.order.some(
      (call, position) => position >= least && (call.stream !== stream.id || call.start.seq < seq)
    )
  }
}

/** Whether a connection was open for long enough with nothing unacknowledged. */
const restedOn = (
  view: View,
  stream: StreamView,
  connection: Connection | undefined,
  until: number
): Empty => {
  const created = connection?.responses.find(({ text }) => text.created === true)
  if (connection === undefined || created === undefined) return { maybe: false, surely: false }
  const uptime = (connection.released?.t ?? until) - created.t
  const at = (millis: number) =>
    holding(
      stream,
      view.events.findLast(({ t }) => t <= created.t + millis)!
    )
  return {
    maybe: uptime >= stableUptime - 1 && at(stableUptime - 2).maybe,
    surely:
      connection.ended !== undefined && uptime >= stableUptime + 1 && at(stableUptime + 1).surely
  }
}

const causeOf = (connection: Connection | undefined): string | undefined => {
  if (connection === undefined) return undefined
  const { ended, released, responses } = connection
  // Responses that arrived when the connection was given up may not have been read.
  const bad = responses.find((response) => isViolation(connection, response))
  if (bad !== undefined && bad.seq < (ended?.seq ?? Infinity))
    return bad.quiet < (released?.quiet ?? Infinity) ? "ProtocolViolation" : undefined
  if (ended === undefined) return undefined
  return ended.ended.how === "status" ? classOf(ended.ended.code) : "Retryable ConnectionLost"
}

/** Calls that fail with the error of their stream. */
const tells = new Set(["flush", "close", "await", "leave", "sink", "toSink"])

/** The error that the stream failed with; all calls must return the same one. */
const failureOf = (stream: StreamView, report: Report): string | undefined => {
  const told = new Set<string>()
  const hear = (outcome: Outcome | undefined) => {
    if (
      outcome?._tag !== "Error" ||
      ["FlushTimeout", "StreamClosed", "InvalidState", "PayloadTooLarge", "UserFailure"].includes(
        outcome.error
      )
    )
      return
    told.add(outcome.error === "Retryable" ? `Retryable ${outcome.reason}` : outcome.error)
  }
  hear(stream.opening.end?.outcome)
  const refused = new Set(stream.refused.map(({ offset }) => offset))
  for (const { end, offset, op } of stream.calls) {
    // The receipt of a refused offset fails separately.
    if (tells.has(op) && !(op === "await" && refused.has(offset ?? -1))) hear(end?.outcome)
  }
  for (const { outcome } of stream.readerEnds) hear(outcome)
  if (told.size > 1)
    report("I13", `stream ${stream.id} failed with different errors: ${[...told].join(", ")}`)
  return [...told][0]
}

const checkBudget = (
  stream: StreamView,
  attempts: ReadonlyArray<Counted>,
  ending: string | undefined,
  report: Report
): void => {
  const { policy, recovery } = stream.settings
  const retries = policy?.pauses.length ?? stream.settings.recoveryRetries
  const allowed = recovery ? 1 + retries : 1
  const stops = policy?.stopsAt === undefined ? undefined : `Retryable ${policy.stopsAt}`
  for (const [index, attempt] of attempts.entries()) {
    const next = attempts[index + 1]
    const idles = attempt.emptyAtEnd.maybe && stream.opening.end?.outcome._tag === "Done"
    if (next === undefined || attempt.stable || attempt.refused) continue
    if (stops !== undefined && attempt.cause === stops && !idles) {
      report("I12", `stream ${stream.id} retried after ${stops}, where its schedule ends`)
    }
    // A stream without records waits for the next one, which has a separate budget.
    if (attempt.fewest >= allowed && !idles) {
      report(
        "I12",
        `stream ${stream.id} continues after ${attempt.fewest} attempts without progress, ` +
          `but ${allowed} are allowed`
      )
      return
    }
  }
  if (ending?.startsWith("Retryable") !== true || !recovery || attempts.length === 0) return
  const last = attempts[attempts.length - 1]!
  if (last.surelyStable)
    report("I12", `stream ${stream.id} gave up (${ending}) although its last session made progress`)
  else if (last.most < allowed && ending !== stops)
    report(
      "I12",
      `stream ${stream.id} gave up (${ending}) after ${last.most} of ${allowed} attempts`
    )
  if (last.emptyAtEnd.surely && stream.opening.end?.outcome._tag === "Done")
    report("I12", `stream ${stream.id} gave up (${ending}) with nothing unacknowledged`)
}

/** The permitted difference from a promised pause, in milliseconds. */
const slack = 50
const jitter = 0.2
/** The minimum pause after a second rotation of a connection without progress. */
const leastPause = 100
/** The longest pause that the simulated token service requires. */
const longestRetryAfter = 3_000

/**
 * At once after a session with progress, otherwise after the backoff or the pause of the schedule;
 * row 24.
 */
const checkPace = (stream: StreamView, attempts: ReadonlyArray<Counted>, report: Report): void => {
  const { policy, recoveryBackoff } = stream.settings
  const allowed = 1 + (policy?.pauses.length ?? stream.settings.recoveryRetries)
  for (const [
    index,
    { cause, connection, emptyAtEnd, fewest, most, refused, rotated, stable, surelyStable }
  ] of attempts.entries()) {
    const next = attempts[index + 1]
    const due = policy?.pauses.slice(Math.max(0, fewest - 1), most) ?? [recoveryBackoff]
    const spread = policy?.jittered === false ? 0 : jitter
    // It is not known how long a stream is idle.
    const idles = emptyAtEnd.maybe && (most >= allowed || `Retryable ${policy?.stopsAt}` === cause)
    const rejected = cause === "InvalidToken" || cause === "PermissionDenied"
    if (next === undefined || connection?.released === undefined || rejected) continue
    const pause = next.asked.t - connection.released.t
    const longest =
      surelyStable || refused
        ? 0
        : Math.max(
            ...due.map((millis) => millis * (1 + spread)),
            rotated ? leastPause : 0,
            longestRetryAfter
          )
    if (pause > longest + slack && !idles) {
      report(
        "pace",
        `stream ${stream.id} waited ${pause} ms after connection ${connection.conn}, at most ` +
          `${longest} ms were due`
      )
    }
    if (!stable && !rotated && !refused && !idles && pause < Math.min(...due) * (1 - spread) - 1) {
      report(
        "pace",
        `stream ${stream.id} opened again ${pause} ms after connection ${connection.conn}, ` +
          `before its backoff`
      )
    }
  }
}

const timeouts = new Set(["Retryable ConnectTimeout", "Retryable AckTimeout"])

const checkCause = (
  view: View,
  stream: StreamView,
  attempts: ReadonlyArray<Attempt>,
  ending: string | undefined,
  report: Report
): void => {
  const closing = closingFrom(stream)
  let refused = false
  for (const [index, attempt] of attempts.entries()) {
    const { cause, stable } = attempt
    const next = attempts[index + 1]
    if (stable) refused = false
    const rejected =
      (cause === "InvalidToken" && attempt.connection !== undefined) || cause === "PermissionDenied"
    const final =
      cause !== undefined &&
      !cause.startsWith("Retryable") &&
      (!rejected || refused || !invalidates(stream))
    refused = refused || rejected
    if (next === undefined || next.asked.seq > closing) continue
    if (final && !attempt.refused && !(attempt.rotated && tooLate(attempt))) {
      report("I13", `stream ${stream.id} retried after ${cause}, which is final`)
    }
  }
  const last = attempts[attempts.length - 1]
  if (ending === undefined || last === undefined || ending === last.cause) return
  if (timeouts.has(ending) && last.cause === undefined) return
  // The limit of the attempt may pass at the moment when the cause arrives.
  if (
    ending === "Retryable ConnectTimeout" &&
    last.until.t - last.asked.t >= stream.settings.recoveryTimeout
  )
    return
  if (
    ending === "Retryable AckTimeout" &&
    last.connection?.released !== undefined &&
    last.connection.ended !== undefined &&
    last.connection.ended.t >= last.connection.released.t - 1
  )
    return
  if (ending === "Retryable ConnectionLost" && last.rotated) return
  // An unexpected response ends the session, even if the history alone cannot tell whether it was
  // read in time.
  if (
    ending === "ProtocolViolation" &&
    last.connection?.responses.some((response) => isViolation(last.connection!, response)) === true
  )
    return
  report(
    "I13",
    `stream ${stream.id} failed with ${ending}, but its last attempt ended with ` +
      `${last.cause ?? "nothing"}`
  )
  void view
}

/** The final cause arrived when the session was already ending: after the drain of a rotation. */
const tooLate = ({ connection }: Attempt): boolean =>
  connection?.ended !== undefined &&
  connection.released !== undefined &&
  connection.ended.quiet >= connection.released.quiet

const invalidates = (stream: StreamView): boolean => stream.invalidations.length > 0

const checkCredentials = (
  stream: StreamView,
  attempts: ReadonlyArray<Attempt>,
  report: Report
): void => {
  const given = stream.headers.filter(({ outcome }) => outcome === "ok").length
  if (stream.connections.length > given)
    report(
      "I14",
      `stream ${stream.id} opened ${stream.connections.length} connections with ${given} sets ` +
        `of headers`
    )
  for (const [index, { open }] of stream.connections.entries()) {
    const from = stream.connections[index - 1]?.open.seq ?? -1
    if (
      !stream.headers.some(({ outcome, seq }) => outcome === "ok" && seq > from && seq < open.seq)
    ) {
      report("I14", `connection ${open.conn} opened with old headers`)
    }
  }
  for (const { seq, token } of stream.invalidations) {
    const again = stream.connections.find(({ open }) => open.seq > seq && open.token === token)
    if (again !== undefined)
      report("I14", `connection ${again.conn} opened with a token that was invalidated`)
  }
  const closing = closingFrom(stream)
  const rejections = attempts.filter(
    ({ cause, connection }) =>
      connection !== undefined && (cause === "InvalidToken" || cause === "PermissionDenied")
  )
  if (stream.invalidations.length > rejections.length) {
    report(
      "I14",
      `stream ${stream.id} invalidated credentials ${stream.invalidations.length} times for ` +
        `${rejections.length} rejections`
    )
  }
  for (const { asked, connection, until } of rejections) {
    if (until.seq > closing || stream.opening.end === undefined) continue
    const told = stream.invalidations.filter(({ seq }) => seq > asked.seq && seq < until.seq).length
    if (told === 0 && until.seq < Infinity)
      report(
        "I14",
        `stream ${stream.id} opened again with the credentials that connection ` +
          `${connection!.conn} was refused with`
      )
  }
}
