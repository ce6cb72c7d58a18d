/** A history organised for the rules: calls, streams and connections. */
import type { Ended, HistoryEvent, Outcome, StreamSettings } from "./history.ts"
import type { Profile } from "./plan.ts"

type Of<E extends HistoryEvent["e"]> = Extract<HistoryEvent, { readonly e: E }>

/** A call of the program. */
export interface Call {
  readonly id: number
  readonly stream: number
  readonly op: string
  readonly records: ReadonlyArray<number>
  readonly bytes: number
  readonly offset: number | undefined
  readonly from: number | undefined
  readonly start: HistoryEvent
  end: (HistoryEvent & { readonly outcome: Outcome }) | undefined
}

/** A message of a connection. */
export interface Message {
  readonly event: Of<"send">
  /** The calls whose records it carries, in order. */
  readonly calls: ReadonlyArray<Call>
}

/** A connection as seen at the client's end. */
export interface Connection {
  readonly conn: number
  readonly stream: number
  readonly open: Of<"open">
  readonly messages: Array<Message>
  /** Requests, including the create request, that the transport has counted as sent. */
  readonly sent: Array<HistoryEvent>
  readonly responses: Array<Of<"response">>
  readonly halfCloses: Array<HistoryEvent>
  ended: (HistoryEvent & { readonly ended: Ended }) | undefined
  released: HistoryEvent | undefined
  /** The position of its first message in the stream's order of calls; set by the journal. */
  base: number
}

/** A stream and everything about it. */
export interface StreamView {
  readonly id: number
  readonly settings: StreamSettings
  readonly opening: Call
  readonly calls: Array<Call>
  readonly connections: Array<Connection>
  readonly watermarks: Array<Of<"watermark">>
  readonly states: Array<Of<"state">>
  readonly readerEnds: Array<Of<"readerEnd">>
  readonly finals: Array<Of<"final">>
  readonly unacked: Array<Of<"unacked">>
  readonly refused: Array<Of<"refused">>
  readonly headers: Array<Of<"headers">>
  readonly invalidations: Array<Of<"invalidate">>
  /** All accepted calls in order, as far as the evidence shows; set by the journal. */
  order: Array<Call>
  /** How many of them the client had been told are durable when the stream ended. */
  durable: number
}

export interface View {
  readonly profile: Profile
  readonly events: ReadonlyArray<HistoryEvent>
  readonly calls: ReadonlyMap<number, Call>
  readonly streams: ReadonlyMap<number, StreamView>
  readonly connections: ReadonlyMap<number, Connection>
  readonly callOf: ReadonlyMap<number, Call>
  /** For each record, when it first became durable, and its position in the table then. */
  readonly durable: ReadonlyMap<number, { readonly seq: number; readonly place: number }>
}

/** Whether a call was certainly accepted. */
export const accepted = (call: Call): boolean =>
  (call.end?.outcome._tag === "Offset" || call.end?.outcome._tag === "Taken") &&
  call.records.length > 0

/**
 * Whether the call ends its stream: a close, a scope's end, or the end of `withStream` and `sink`
 * after their users are done.
 */
export const closes = ({ op }: Call): boolean =>
  op === "close" || op === "closeScope" || op === "leave"

/**
 * When the stream may begin to close: later events need no other reason. A sink that refuses a
 * record ends its stream before outside code is notified, so closing may begin at the last record
 * that it received.
 */
export const closingFrom = ({ calls, settings }: StreamView): number => {
  const first = calls.find(closes)?.start.seq ?? Infinity
  const sink = calls.find(({ op }) => op === "sink")?.end?.outcome
  const refused =
    (sink?._tag === "Error" &&
      (sink.error === "PayloadTooLarge" || sink.error === "FlushTimeout")) ||
    // It may be interrupted while it closes for that reason.
    (sink?._tag === "Interrupted" &&
      (settings.ingestTimeout !== undefined ||
        calls.some(({ bytes, op }) => op === "sinkIngest" && bytes > settings.maxInflightBytes)))
  if (!refused) return first
  return Math.min(first, calls.findLast(({ op }) => op === "sinkIngest")?.start.seq ?? Infinity)
}

/** Sorts a history. */
export const makeView = (events: ReadonlyArray<HistoryEvent>, profile: Profile): View => {
  const calls = new Map<number, Call>()
  const streams = new Map<number, StreamView>()
  const connections = new Map<number, Connection>()
  const callOf = new Map<number, Call>()
  const durable = new Map<number, { readonly seq: number; readonly place: number }>()
  let place = 0
  for (const event of events) {
    switch (event.e) {
      case "call": {
        const { bytes = 0, from, id, offset, op, records = [], settings, stream } = event
        const call: Call = {
          id,
          stream,
          op,
          records,
          bytes,
          offset,
          from,
          start: event,
          end: undefined
        }
        calls.set(id, call)
        for (const record of records) callOf.set(record, call)
        if (settings !== undefined) streams.set(stream, makeStream(stream, settings, call))
        else streams.get(stream)?.calls.push(call)
        break
      }
      case "return":
        calls.get(event.id)!.end = event
        break
      case "open": {
        const connection: Connection = {
          conn: event.conn,
          stream: event.stream,
          open: event,
          messages: [],
          sent: [],
          responses: [],
          halfCloses: [],
          ended: undefined,
          released: undefined,
          base: 0
        }
        connections.set(event.conn, connection)
        streams.get(event.stream)?.connections.push(connection)
        break
      }
      case "send":
        connections.get(event.conn)!.messages.push({
          event,
          calls: [...new Set(event.records.flatMap((record) => callOf.get(record) ?? []))]
        })
        break
      case "sent":
        connections.get(event.conn)!.sent.push(event)
        break
      case "halfClose":
        connections.get(event.conn)!.halfCloses.push(event)
        break
      case "response":
        connections.get(event.conn)!.responses.push(event)
        break
      case "ended":
        connections.get(event.conn)!.ended = event
        break
      case "released":
        connections.get(event.conn)!.released = event
        break
      case "watermark":
        streams.get(event.stream)!.watermarks.push(event)
        break
      case "state":
        streams.get(event.stream)!.states.push(event)
        break
      case "readerEnd":
        streams.get(event.stream)!.readerEnds.push(event)
        break
      case "final":
        streams.get(event.stream)!.finals.push(event)
        break
      case "unacked":
        streams.get(event.stream)!.unacked.push(event)
        break
      case "refused":
        streams.get(event.stream)!.refused.push(event)
        break
      case "headers":
        streams.get(event.stream)!.headers.push(event)
        break
      case "invalidate":
        streams.get(event.stream)!.invalidations.push(event)
        break
      case "durable":
        for (const record of event.records) {
          if (!durable.has(record)) durable.set(record, { seq: event.seq, place: place++ })
        }
        break
      default:
        break
    }
  }
  return { profile, events, calls, streams, connections, callOf, durable }
}

const makeStream = (id: number, settings: StreamSettings, opening: Call): StreamView => ({
  id,
  settings,
  opening,
  calls: [],
  connections: [],
  watermarks: [],
  states: [],
  readerEnds: [],
  finals: [],
  unacked: [],
  refused: [],
  headers: [],
  invalidations: [],
  order: [],
  durable: 0
})

/**
 * The maximum number of messages that the acknowledgements delivered so far cover: the highest
 * plausible one counts, processed or not.
 */
export const ackedAtMost = (connection: Connection, seq: number): number => {
  let most = 0
  for (const { seq: at, text } of connection.responses) {
    if (at >= seq) break
    if (typeof text.ack === "number" && text.ack >= 0 && text.ack < connection.messages.length)
      most = Math.max(most, text.ack + 1)
  }
  return most
}

/**
 * Messages that are certainly acknowledged by the quiet moment `quiet`: delivered and sent before
 * it, with no invalid response before them.
 */
export const ackedAtLeast = (connection: Connection, quiet: number): number => {
  const sent = connection.sent.filter((event) => event.quiet < quiet).length - 1
  let least = 0
  for (const response of connection.responses) {
    const { text } = response
    if (response.quiet >= quiet || isViolation(connection, response)) break
    if (typeof text.ack === "number") least = Math.max(least, Math.min(text.ack + 1, sent))
  }
  return Math.max(0, least)
}

/** Whether no correct server would have sent this response on this connection. */
export const isViolation = (connection: Connection, { seq, text }: Of<"response">): boolean => {
  const first = connection.responses[0]!.seq === seq
  return (
    text.bad !== undefined ||
    text.ack === "missing" ||
    (typeof text.ack === "number" && (text.ack < 0 || text.ack >= connection.messages.length)) ||
    first !== (text.created === true)
  )
}

/** The number of calls in the first `count` messages. */
export const callsIn = (connection: Connection, count: number): number =>
  connection.messages.slice(0, count).reduce((sum, message) => sum + message.calls.length, 0)
