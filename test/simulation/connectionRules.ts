/**
 * What the client does with its connections: one at a time, no sending after a half-close or an announced end, silence noticed in time
 * and not before, and no connection given up without a reason (I7, I8).
 */
import { callsIn, closingFrom, type Connection, isViolation, type StreamView, type View } from "./view.ts"

type Report = (rule: string, text: string) => void

/** What a limit may be exceeded by, in milliseconds. */
export const tolerance = 250

/** Checks every connection. */
export const checkConnections = (view: View, report: Report): void => {
  for (const stream of view.streams.values()) {
    for (const [index, connection] of stream.connections.entries()) {
      const before = stream.connections[index - 1]
      if (before !== undefined && (before.released === undefined || before.released.seq > connection.open.seq)) {
        report(
          "I8",
          `connection ${connection.conn} of stream ${stream.id} opens while connection ${before.conn} is open`
        )
      }
      if (connection.released === undefined) report("I10", `connection ${connection.conn} was never given up`)
      checkSending(connection, report)
      checkViolation(connection, report)
      checkSilence(stream, connection, report)
    }
  }
}

const checkSending = (connection: Connection, report: Report): void => {
  const { conn, halfCloses, messages, responses } = connection
  if (halfCloses.length > 1) report("I7", `connection ${conn} was half-closed ${halfCloses.length} times`)
  const halfClosed = halfCloses[0]?.seq ?? Infinity
  if (messages.some(({ event }) => event.seq > halfClosed))
    report("I7", `connection ${conn} sends after its half-close`)
  const signal = responses.find(({ text }) => text.closeAfter !== undefined)
  const late = signal === undefined ? undefined : messages.find(({ event }) => event.quiet > signal.quiet)
  if (late !== undefined)
    report("pause", `connection ${conn} sends message ${late.event.wireOffset} after the server announced its end`)
  const created = responses.findIndex(({ text }) => text.created === true)
  const first = messages[0]?.event.seq ?? Infinity
  if (first < (created < 0 ? Infinity : responses[created]!.seq))
    report("create", `connection ${conn} sends records before it was created`)
}

/** What no correct server says ends the connection at once. */
const checkViolation = (connection: Connection, report: Report): void => {
  const { conn, ended, released, responses } = connection
  const bad = responses.find((response) => isViolation(connection, response))
  if (bad === undefined || released === undefined || bad.seq > (ended?.seq ?? Infinity)) return
  if (released.quiet > bad.quiet)
    report("violation", `connection ${conn} goes on after ${JSON.stringify(bad.text)}, which breaks the protocol`)
}

/** The moments that feed the silence timer, and whether something was in flight after each; the end of a replay is one. */
const progress = (
  stream: StreamView,
  connection: Connection
): ReadonlyArray<{ readonly t: number; readonly busy: boolean }> => {
  const { messages, sent } = connection
  const moments: Array<{
    readonly t: number
    readonly seq: number
    readonly kind: "send" | "ack" | "sent"
    readonly value: number
    readonly replay: boolean
  }> = []
  const known = new Set(
    stream.connections
      .filter((other) => other.conn < connection.conn)
      .flatMap((other) => other.messages.flatMap(({ calls }) => calls))
  )
  const lastKnown = stream.order.findLast((call) => known.has(call))
  const lastReplayed = messages.findIndex(({ calls }) => lastKnown !== undefined && calls.includes(lastKnown))
  for (const [index, { event }] of messages.entries()) {
    moments.push({ t: event.t, seq: event.seq, kind: "send", value: 0, replay: index === lastReplayed })
  }
  for (const response of connection.responses) {
    if (isViolation(connection, response)) break
    if (typeof response.text.ack === "number") {
      moments.push({ t: response.t, seq: response.seq, kind: "ack", value: response.text.ack + 1, replay: false })
    }
  }
  for (const event of sent) moments.push({ t: event.t, seq: event.seq, kind: "sent", value: 0, replay: false })
  moments.sort((a, b) => a.seq - b.seq)
  const found: Array<{ readonly t: number; readonly busy: boolean }> = []
  let handed = 0
  let claimed = 0
  let left = -1
  let acked = 0
  for (const { kind, replay, t, value } of moments) {
    let feeds = false
    if (kind === "send") feeds = handed++ === acked || replay
    else if (kind === "ack") claimed = Math.max(claimed, value)
    else left++
    const now = Math.min(claimed, left)
    if (now > acked) {
      acked = now
      feeds = true
    }
    if (feeds) found.push({ t, busy: handed > acked })
  }
  return found
}

const checkSilence = (stream: StreamView, connection: Connection, report: Report): void => {
  const { conn, ended, released, responses } = connection
  if (released === undefined) return
  const limit = stream.settings.serverLackOfAckTimeout
  const moments = progress(stream, connection)
  for (const [index, { busy, t }] of moments.entries()) {
    const next = moments[index + 1]?.t ?? released.t
    if (busy && next - t > limit + tolerance) {
      report(
        "silence",
        `connection ${conn} was silent for ${next - t} ms with records in flight, the limit is ${limit} ms`
      )
      return
    }
  }
  // Why did the client give it up?
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
  const silentFor = released.t - (moments[moments.length - 1]?.t ?? released.t)
  const silent = moments[moments.length - 1]?.busy === true && silentFor >= limit - 1
  if (!created) {
    const waited = released.t - connection.open.t
    if (
      !told &&
      !closing &&
      !opening &&
      waited + tolerance < stream.settings.recoveryTimeout &&
      headersTook(stream, connection) + waited + 1 < stream.settings.recoveryTimeout
    ) {
      report("connect", `connection ${conn} was given up after ${waited} ms, before recoveryTimeout`)
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
      `connection ${conn} was given up without a reason: ${callsIn(connection, Infinity)} calls, ${silentFor} ms since progress`
    )
  }
}

/** How long the headers of this connection's attempt took. */
const headersTook = (stream: StreamView, connection: Connection): number => {
  const asked = stream.headers.filter(({ outcome, seq }) => outcome === "asked" && seq < connection.open.seq)
  return connection.open.t - (asked[asked.length - 1]?.t ?? connection.open.t)
}
