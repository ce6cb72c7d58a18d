/**
 * The trace of a server: connections, messages with their offsets, acknowledgements, faults and
 * times, as JSON lines. It contains table names, but no payloads and no header values. Bytes that a
 * script made the server send are included as part of the script.
 */
import type { FaultPoint, StruckAction } from "./faultScript.ts"
import type { ConnectionFault } from "./faultySocket.ts"
import type { HttpFault, HttpPart } from "./httpScript.ts"

/** An event of one stream. `connection` is its number on the table, from 1. */
export type StreamTraceEvent =
  /** A call arrived. */
  | { readonly event: "connect" }
  /** Its create request was accepted. */
  | { readonly event: "create"; readonly kind: string }
  /** The create request was answered. */
  | { readonly event: "created" }
  /** A record or batch was accepted. */
  | {
      readonly event: "message"
      readonly offset: number
      readonly records: number
      readonly bytes: number
    }
  /** Everything up to this offset is durable. */
  | { readonly event: "durable"; readonly offset: number }
  /**
   * Everything up to this offset was acknowledged. `received` is the number of arrivals until then:
   * messages, and the half-close.
   */
  | { readonly event: "ack"; readonly offset: number; readonly received: number }
  | { readonly event: "closeSignal" }
  | { readonly event: "halfClose" }
  /**
   * A fault struck. `offset` is the one that arrived, became durable or was about to be
   * acknowledged; `received` is as above.
   */
  | {
      readonly event: "fault"
      readonly at: FaultPoint
      readonly received: number
      readonly offset?: number | undefined
      readonly action: StruckAction
    }
  /** The stream ended: `OK`, `status <code>`, `cut` or `cancelled`; `received` is as above. */
  | { readonly event: "end"; readonly how: string; readonly received: number }

/** An event, `t` milliseconds after the server started. */
export type TraceEvent = { readonly t: number } & (
  | ({ readonly table: string; readonly connection: number } & StreamTraceEvent)
  /** A connection to the gRPC endpoint, with its faults. */
  | { readonly event: "socket"; readonly faults: ReadonlyArray<ConnectionFault> }
  /** A request to the token endpoint or the catalog, with the fault that struck it. */
  | {
      readonly event: "http"
      readonly part: HttpPart
      readonly action?: HttpFault["action"] | undefined
    }
  /** The trace reached its limit; further events are missing. */
  | { readonly event: "truncated" }
)

type Untimed = TraceEvent extends infer Event
  ? Event extends unknown
    ? Omit<Event, "t">
    : never
  : never

/** Collects a trace. */
export interface Trace {
  readonly add: (event: Untimed) => void
  readonly read: () => ReadonlyArray<TraceEvent>
}

/** Creates an empty trace of at most `maxEvents` events. */
export const makeTrace = (maxEvents: number, now: () => number): Trace => {
  const start = now()
  const events: Array<TraceEvent> = []
  return {
    add: (event) => {
      if (events.length > maxEvents || maxEvents === 0) return
      const t = Math.round((now() - start) * 1000) / 1000
      events.push(
        events.length < maxEvents ? ({ t, ...event } as TraceEvent) : { t, event: "truncated" }
      )
    },
    read: () => [...events]
  }
}

/** A trace as JSON lines. Bytes are `{"base64": ...}`. */
export const encodeTrace = (events: ReadonlyArray<TraceEvent>): string =>
  events.map((event) => `${JSON.stringify(event, encodeValue)}\n`).join("")

const encodeValue = function (this: unknown, key: string, value: unknown): unknown {
  // A Buffer has already converted itself by `toJSON`, so the original value is read from the
  // object.
  const original =
    typeof this === "object" && this !== null ? (this as Record<string, unknown>)[key] : value
  if (original instanceof Uint8Array) return { base64: Buffer.from(original).toString("base64") }
  return original === Infinity ? "Infinity" : value
}

const decodeValue = (_: string, value: unknown): unknown => {
  if (value === "Infinity") return Infinity
  if (typeof value !== "object" || value === null || !("base64" in value)) return value
  return typeof value.base64 === "string"
    ? new Uint8Array(Buffer.from(value.base64, "base64"))
    : value
}

/** Reads a trace from JSON lines; returns a text with the problem when they are not a trace. */
export const decodeTrace = (text: string): ReadonlyArray<TraceEvent> | string => {
  const events: Array<TraceEvent> = []
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue
    let value: unknown
    try {
      value = JSON.parse(line, decodeValue)
    } catch {
      return `line ${index + 1} is not JSON`
    }
    if (!isEvent(value)) return `line ${index + 1} is not an event of a trace`
    events.push(value)
  }
  return events
}

const streamEvents = new Set([
  "connect",
  "create",
  "created",
  "message",
  "durable",
  "ack",
  "closeSignal",
  "halfClose"
])

const isEvent = (value: unknown): value is TraceEvent => {
  if (typeof value !== "object" || value === null) return false
  const event = value as Record<string, unknown>
  if (typeof event["t"] !== "number") return false
  const tagged = (action: unknown) =>
    typeof (action as { readonly _tag?: unknown } | null)?._tag === "string"
  switch (event["event"]) {
    case "truncated":
      return true
    case "http":
      return (
        (event["part"] === "token" || event["part"] === "catalog") &&
        optional(event["action"], tagged)
      )
    case "socket":
      return Array.isArray(event["faults"]) && event["faults"].every(tagged)
  }
  if (typeof event["table"] !== "string" || typeof event["connection"] !== "number") return false
  switch (event["event"]) {
    case "ack":
      return typeof event["offset"] === "number" && typeof event["received"] === "number"
    case "fault":
      return (
        typeof event["at"] === "string" &&
        typeof event["received"] === "number" &&
        tagged(event["action"])
      )
    case "end":
      return typeof event["how"] === "string" && typeof event["received"] === "number"
    default:
      return streamEvents.has(String(event["event"]))
  }
}

const optional = (value: unknown, check: (value: unknown) => boolean): boolean =>
  value === undefined || check(value)
