/**
 * Rules for the client's connections: one at a time, no sending after a half-close or an announced
 * end, silence detected in time and not early, and no connection given up without a reason (I7,
 * I8).
 */
import type { HistoryEvent } from "./history.ts"
import {
  callsIn,
  closingFrom,
  type Connection,
  isViolation,
  type StreamView,
  type View
} from "./view.ts"

type Report = (rule: string, text: string) => void

/** The permitted delay beyond a limit, in milliseconds. */
export const tolerance = 250

/** Checks every connection. */
export const checkConnections = (view: View, report: Report): void => {
  for (const stream of view.streams.values()) {
    let silence: Silence = { least: 0, most: 0 }
    let committed = -1
    for (const [index, connection] of stream.connections.entries()) {
      const before = stream.connections[index - 1]
      if (
        before !== undefined &&
        (before.released === undefined || before.released.seq > connection.open.seq)
      ) {
        report(
          "I8",
          `connection ${connection.conn} of stream ${stream.id} opens while connection ` +
            `${before.conn} is open`
        )
      }
      const released = before?.released?.seq ?? Infinity
      const settled = stream.refused.some(({ seq }) => seq > released && seq < connection.open.seq)
      // The record that was waited for is settled: the silence of the next one begins when it is
      // sent.
      const resumed = committedAt(connection)
      if (settled || resumed > committed) silence = { least: 0, most: 0 }
      committed = Math.max(committed, resumed + acknowledgedOn(connection))
      checkConnection(connection, report)
      silence = checkSilence(stream, connection, silence, report)
    }
  }
}

/** The offset up to which the answer to a resume settled a persistent stream; -1 without one. */
const committedAt = ({ responses }: Connection): number =>
  responses.find(({ text }) => text.resumed !== undefined)?.text.resumed ?? -1

/** How many messages a connection had acknowledged. */
const acknowledgedOn = ({ responses }: Connection): number =>
  responses.reduce(
    (most, { text }) => (typeof text.ack === "number" ? Math.max(most, text.ack + 1) : most),
    0
  )

/** Rules for a connection that do not depend on the stream's other connections. */
export const checkConnection = (connection: Connection, report: Report): void => {
  if (connection.released === undefined)
    report("I10", `connection ${connection.conn} was never given up`)
  checkSending(connection, report)
  checkViolation(connection, report)
}

const checkSending = (connection: Connection, report: Report): void => {
  const { conn, halfCloses, messages, responses } = connection
  if (halfCloses.length > 1)
    report("I7", `connection ${conn} was half-closed ${halfCloses.length} times`)
  const halfClosed = halfCloses[0]?.seq ?? Infinity
  if (messages.some(({ event }) => event.seq > halfClosed))
    report("I7", `connection ${conn} sends after its half-close`)
  const signal = responses.find(({ text }) => text.closeAfter !== undefined)
  const late =
    signal === undefined ? undefined : messages.find(({ event }) => event.quiet > signal.quiet)
  if (late !== undefined)
    report(
      "pause",
      `connection ${conn} sends message ${late.event.wireOffset} after the server announced its end`
    )
  const created = responses.findIndex(({ text }) => text.created === true)
  const first = messages[0]?.event.seq ?? Infinity
  if (first < (created < 0 ? Infinity : responses[created]!.seq))
    report("create", `connection ${conn} sends records before it was created`)
}

/** A response that no correct server sends must end the connection at once. */
const checkViolation = (connection: Connection, report: Report): void => {
  const { conn, ended, released, responses } = connection
  const bad = responses.find((response) => isViolation(connection, response))
  if (bad === undefined || released === undefined || bad.seq > (ended?.seq ?? Infinity)) return
  if (released.quiet > bad.quiet)
    report(
      "violation",
      `connection ${conn} continues after ${JSON.stringify(bad.text)}, which breaks the protocol`
    )
}

/**
 * How long earlier connections were open with something in flight and without progress, at least
 * and at most, in milliseconds.
 */
interface Silence {
  readonly least: number
  readonly most: number
}

/** A moment that restarts the silence timer, and whether something was in flight after it. */
interface Moment {
  readonly t: number
  readonly quiet: number
  readonly busy: boolean
  /** True for progress, false for the first message in flight. */
  readonly progress: boolean
}

/** The moments that restart the silence timer. */
const feeding = (connection: Connection): ReadonlyArray<Moment> => {
  const { messages, sent } = connection
  const moments: Array<{
    readonly t: number
    readonly seq: number
    readonly quiet: number
    readonly kind: "send" | "ack" | "sent"
    readonly value: number
  }> = []
  for (const { event } of messages) moments.push({ ...at(event), kind: "send", value: 0 })
  for (const response of connection.responses) {
    if (isViolation(connection, response)) break
    if (typeof response.text.ack === "number") {
      moments.push({ ...at(response), kind: "ack", value: response.text.ack + 1 })
    }
  }
  for (const event of sent) moments.push({ ...at(event), kind: "sent", value: 0 })
  moments.sort((a, b) => a.seq - b.seq)
  const found: Array<Moment> = []
  let handed = 0
  let claimed = 0
  let left = -1
  let acked = 0
  for (const { kind, quiet, t, value } of moments) {
    let feeds = false
    if (kind === "send") feeds = handed++ === acked
    else if (kind === "ack") claimed = Math.max(claimed, value)
    else left++
    const now = Math.min(claimed, left)
    const progress = now > acked
    acked = Math.max(acked, now)
    if (feeds || progress) found.push({ t, quiet, busy: handed > acked, progress })
  }
  return found
}

const at = ({ quiet, seq, t }: HistoryEvent) => ({ quiet, seq, t })

/**
 * How long a connection had been silent when it was given up, including the silence of earlier
 * connections.
 */
const silenceAt = (moments: ReadonlyArray<Moment>, released: number, before: number): number => {
  const last = moments[moments.length - 1]
  if (last === undefined) return before
  const progress = moments.some((moment) => moment.progress)
  return last.busy ? released - last.t + (progress ? 0 : before) : 0
}

/** Checks one connection and returns the silence that the next one starts with. */
const checkSilence = (
  stream: StreamView,
  connection: Connection,
  before: Silence,
  report: Report
): Silence => {
  const { conn, released } = connection
  if (released === undefined) return before
  const limit = stream.settings.serverLackOfAckTimeout
  const moments = feeding(connection)
  // Responses that arrived when the connection was given up may not have been read.
  const read = moments.filter(({ quiet }) => quiet < released.quiet)
  const least = silenceAt(moments, released.t, before.least)
  const most = Math.max(least, silenceAt(read, released.t, before.most))
  let inherited = before.least
  for (const [index, { busy, progress, t }] of moments.entries()) {
    if (progress) inherited = 0
    const silent = (moments[index + 1]?.t ?? released.t) - t + inherited
    if (busy && silent > limit + tolerance) {
      report(
        "silence",
        `connection ${conn} was silent for ${silent} ms with records in flight, the limit is ` +
          `${limit} ms`
      )
      return { least: 0, most: 0 }
    }
  }
  checkReason(stream, connection, most, report)
  // After a timeout the next connection has the whole time. Whether it was a timeout is uncertain
  // if another cause occurred at the same moment.
  return {
    least: most >= limit - limitSlack ? 0 : least,
    most: least >= limit + tolerance ? 0 : most
  }
}

/** The tolerance for rounding of a time summed over connections, in milliseconds. */
const limitSlack = 20

/** Why the client gave the connection up after this many milliseconds of silence. */
const checkReason = (
  stream: StreamView,
  connection: Connection,
  silentFor: number,
  report: Report
): void => {
  const { conn, ended, responses } = connection
  const released = connection.released!
  const limit = stream.settings.serverLackOfAckTimeout
  const created = responses.some(({ text }) => text.created === true)
  const closing = closingFrom(stream) < released.seq
  const opening =
    stream.opening.end === undefined ||
    stream.opening.end.seq >= released.seq ||
    stream.opening.end.outcome._tag !== "Done"
  const told =
    ended !== undefined ||
    responses.some((response) => isViolation(connection, response)) ||
    responses.some(({ text }) => text.closeAfter !== undefined)
  const silent = silentFor >= limit - limitSlack
  if (!created) {
    const waited = released.t - connection.open.t
    if (
      !told &&
      !closing &&
      !opening &&
      waited + tolerance < stream.settings.recoveryTimeout &&
      headersTook(stream, connection) + waited + 1 < stream.settings.recoveryTimeout
    ) {
      report(
        "connect",
        `connection ${conn} was given up after ${waited} ms, before recoveryTimeout`
      )
    }
    return
  }
  if (told || opening) return
  if (closing) {
    if (!silent && connection.halfCloses.length !== 1)
      report("I7", `connection ${conn} was closed without a half-close`)
    return
  }
  if (!silent) {
    report(
      "silence",
      `connection ${conn} was given up without a reason: ${callsIn(connection, Infinity)} ` +
        `calls, ${silentFor} ms since progress`
    )
  }
}

/** How long it took to get the headers of this connection's attempt. */
const headersTook = (stream: StreamView, connection: Connection): number => {
  const asked = stream.headers.filter(
    ({ outcome, seq }) => outcome === "asked" && seq < connection.open.seq
  )
  return connection.open.t - (asked[asked.length - 1]?.t ?? connection.open.t)
}
