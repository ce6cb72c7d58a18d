/**
 * Scripted faults for tests against the local server: plain data, injected per table with `ZerobusLocal.inject`.
 *
 * A fault strikes at a point of a stream's life, counted from when it was injected: at the n-th time, or after so many records, on any
 * connection or a certain one, once or several times. Tests wait for what happens with `ZerobusLocal.waitFor` and let held streams go on
 * with `ZerobusLocal.release`, so they need no sleeps.
 *
 * Two further kinds: faults of the token endpoint and the catalog (`http...`, for `ZerobusLocal.injectHttp`), and faults of a
 * connection below gRPC (`cutAfterBytes`, `throttle`, `goAway`, ..., for `ZerobusLocal.injectConnection`).
 *
 * @example
 * yield* local.inject(orders, Faults.disconnect({ afterRecords: 300 }), Faults.reject({ status: "UNAVAILABLE", connection: 2 }))
 */
import * as Duration from "effect/Duration"
import type { Fault, FaultPoint } from "../local/faultScript.ts"
import type { ConnectionFault } from "../local/faultySocket.ts"
import { http2Frame } from "../local/frameEditor.ts"
import type { HttpFault, HttpPart } from "../local/httpFaults.ts"

export type { Fault, FaultAction, FaultPoint, LocalEvent } from "../local/faultScript.ts"
export type { ConnectionFault } from "../local/faultySocket.ts"
export type { HttpFault, HttpPart } from "../local/httpFaults.ts"

/** When a fault strikes. */
export interface When {
  /** Once this many records have arrived since the injection. Not together with `nth`. */
  readonly afterRecords?: number | undefined
  /** At the n-th occurrence of the point, from 1; default 1. */
  readonly nth?: number | undefined
  /** Only on this connection of the table, from 1; default any. */
  readonly connection?: number | undefined
  /** How often; default once. */
  readonly times?: number | undefined
}

const codes = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16
} as const

/** The name of a gRPC status that is not OK. */
export type StatusName = keyof typeof codes

const fault = (at: FaultPoint, when: When, action: Fault["action"]): Fault => ({
  at,
  afterRecords: when.afterRecords,
  nth: when.nth,
  connection: when.connection,
  times: when.times,
  action
})

/**
 * Breaks the connection below gRPC. By default when a message arrives, which is then not stored; `at: "durable"` breaks it when records
 * are durable but not acknowledged, so that they are sent again; `at: "connect"` before anything is read. `how` is `"reset"` (RST, the
 * default) or `"fin"`.
 */
export const disconnect = (
  options: When & { readonly at?: FaultPoint | undefined; readonly how?: "reset" | "fin" | undefined }
): Fault => fault(options.at ?? "message", options, { _tag: "Cut", how: options.how ?? "reset" })

/** Refuses the stream instead of answering the create request. */
export const reject = (
  options: When & {
    readonly status: StatusName
    readonly message?: string | undefined
    readonly details?: Uint8Array | undefined
  }
): Fault => fault("create", options, status(options))

/** Ends an open stream with a status; by default when a message arrives, which is then not stored. */
export const fail = (
  options: When & {
    readonly status: StatusName
    readonly message?: string | undefined
    readonly details?: Uint8Array | undefined
    readonly at?: FaultPoint | undefined
  }
): Fault => fault(options.at ?? "message", options, status(options))

const status = (options: {
  readonly status: StatusName
  readonly message?: string | undefined
  readonly details?: Uint8Array | undefined
}): Fault["action"] => ({
  _tag: "Status",
  code: codes[options.status],
  message: options.message ?? "Scripted by a test. Error Code: 9000, Error State: 1.",
  details: options.details
})

/** Ends an open stream with OK although the client did not ask for it. */
export const endStream = (options: When & { readonly at?: FaultPoint | undefined }): Fault =>
  fault(options.at ?? "message", options, { _tag: "End" })

/** Refuses the next `times` streams as if their tokens were not accepted. */
export const rejectTokens = (options?: When): Fault =>
  fault("connect", options ?? {}, status({ status: "UNAUTHENTICATED" }))

/** Announces the end of the stream, and ends it after `duration` (default 0) unless the client half-closes before. */
export const closeSignal = (options: When & { readonly duration?: Duration.Input | undefined }): Fault =>
  fault("message", options, {
    _tag: "CloseSignal",
    afterMillis: Duration.toMillis(Duration.fromInputUnsafe(options.duration ?? 0))
  })

/** Stops the stream at a point until `ZerobusLocal.release`. `"ack"` and `"durable"` stop acknowledgements, the others what comes in. */
export const hold = (at: FaultPoint, nth = 1, when: Omit<When, "nth"> = {}): Fault =>
  fault(at, { ...when, nth }, { _tag: "Hold" })

/** Stops the stream at a point for a time. */
export const delay = (at: FaultPoint, duration: Duration.Input, when: When = {}): Fault =>
  fault(at, when, { _tag: "Delay", millis: Duration.toMillis(Duration.fromInputUnsafe(duration)) })

/** Sends no acknowledgement from here on, until `ZerobusLocal.clearFaults`. Records stay durable. */
export const stallAcks = (options?: Omit<When, "times">): Fault =>
  fault("ack", { ...options, times: Infinity }, { _tag: "Skip" })

/** Loses messages: they are neither stored nor acknowledged by themselves. Only a lying server does this; the audit shows it. */
export const loseMessages = (options?: When): Fault => fault("message", options ?? {}, { _tag: "Skip" })

/** Never answers the create request. */
export const ignoreCreate = (options?: When): Fault => fault("create", options ?? {}, { _tag: "Skip" })

/**
 * Sends an acknowledgement that breaks the protocol before the next real one, or at another point: beyond what was sent (`future`), below
 * the last (`lower`), the same again (`repeated`), negative, or without its offset (`missing`).
 */
export const badAck = (
  kind: "future" | "lower" | "repeated" | "negative" | "missing",
  when: When & { readonly at?: FaultPoint | undefined } = {}
): Fault => fault(when.at ?? "ack", when, { _tag: "BadAck", kind })

/** Sends these bytes as a response: an unknown kind, a truncated message, whatever a test wants to see refused. */
export const rawResponse = (bytes: Uint8Array, when: When & { readonly at?: FaultPoint | undefined } = {}): Fault =>
  fault(when.at ?? "message", when, { _tag: "Raw", bytes })

/**
 * The next requests to the token endpoint or the catalog get this status. `body` is the text of the answer, an empty JSON object by
 * default. For `ZerobusLocal.injectHttp`.
 */
export const httpStatus = (
  at: HttpPart,
  status: number,
  options: {
    readonly body?: string | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
    readonly times?: number | undefined
  } = {}
): HttpFault => ({
  at,
  times: options.times,
  action: { _tag: "Answer", status, body: options.body ?? "{}", headers: options.headers }
})

/** The next requests to the token endpoint or the catalog are answered later. For `ZerobusLocal.injectHttp`. */
export const httpDelay = (at: HttpPart, duration: Duration.Input, times?: number): HttpFault => ({
  at,
  times,
  action: { _tag: "Delay", millis: Duration.toMillis(Duration.fromInputUnsafe(duration)) }
})

/** The next requests to the token endpoint or the catalog are never answered. For `ZerobusLocal.injectHttp`. */
export const httpHang = (at: HttpPart, times?: number): HttpFault => ({ at, times, action: { _tag: "Hang" } })

/**
 * Ends a connection after so many bytes in a direction (`up` is to the server): by RST (default), by FIN, or by silence, with the
 * connection left open. For `ZerobusLocal.injectConnection`.
 */
export const cutAfterBytes = (
  direction: "up" | "down",
  bytes: number,
  how: "reset" | "fin" | "blackHole" = "reset"
): ConnectionFault => ({ _tag: "CutAfter", direction, bytes, how })

/** Passes so many bytes a second: a slow reader (`up`) or a slow writer (`down`). For `ZerobusLocal.injectConnection`. */
export const throttle = (direction: "up" | "down", bytesPerSecond: number): ConnectionFault => ({
  _tag: "Throttle",
  direction,
  bytesPerSecond
})

/** Passes the bytes in pieces of `size`, so that frames and messages arrive in parts. For `ZerobusLocal.injectConnection`. */
export const pieces = (direction: "up" | "down", size: number): ConnectionFault => ({ _tag: "Pieces", direction, size })

/** Leaves the client's HTTP/2 pings unanswered. For `ZerobusLocal.injectConnection`. */
export const ignorePings: ConnectionFault = { _tag: "IgnorePings" }

/**
 * Sends GOAWAY with an HTTP/2 error code (0 is NO_ERROR) in front of the n-th DATA frame to the client. `lastStreamId` 0 says that the
 * client's call was not processed. For `ZerobusLocal.injectConnection`.
 */
export const goAway = (code: number, options: { readonly nthData?: number; readonly lastStreamId?: number } = {}) => {
  const payload = Buffer.alloc(8)
  payload.writeUInt32BE(options.lastStreamId ?? 0x7fffffff, 0)
  payload.writeUInt32BE(code, 4)
  return insertFrames(http2Frame(7, 0, 0, payload), options.nthData)
}

/** Sends RST_STREAM with an HTTP/2 error code in front of the n-th DATA frame. For `ZerobusLocal.injectConnection`. */
export const rstStream = (code: number, options: { readonly nthData?: number; readonly streamId?: number } = {}) => {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(code)
  return insertFrames(http2Frame(3, 0, options.streamId ?? 1, payload), options.nthData)
}

/** Sends bytes, usually whole HTTP/2 frames, in front of the n-th DATA frame. For `ZerobusLocal.injectConnection`. */
export const insertFrames = (bytes: Uint8Array, nthData = 1): ConnectionFault => ({
  _tag: "InsertFrames",
  nthData,
  bytes
})

/** Ends the call with the n-th DATA frame, without trailers. For `ZerobusLocal.injectConnection`. */
export const endWithoutTrailers = (nthData = 1): ConnectionFault => ({ _tag: "EndWithoutTrailers", nthData })

/** Marks the message in the n-th DATA frame as compressed, or gives it another length. For `ZerobusLocal.injectConnection`. */
export const damagePrefix = (options: {
  readonly nthData?: number
  readonly compressed?: boolean
  readonly length?: number
}): ConnectionFault => ({
  _tag: "DamagePrefix",
  nthData: options.nthData ?? 1,
  compressed: options.compressed,
  length: options.length
})
