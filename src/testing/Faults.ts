/**
 * Scripted faults for tests with the local server: plain data, injected per table with
 * `ZerobusLocal.inject`.
 *
 * A fault triggers at a point of a stream's life, counted from its injection: at the n-th
 * occurrence, after a number of records, or at a wire offset; on any connection or a certain one;
 * once or several times. Tests wait for events with `ZerobusLocal.waitFor` and continue held
 * streams with `ZerobusLocal.release`, so they need no sleeps. `inject` fails for a fault that
 * could not trigger.
 *
 * There are two other kinds: faults of the token endpoint and the catalog (`http...`, for
 * `ZerobusLocal.injectHttp`), and faults of a connection below gRPC (`cutAfterBytes`, `throttle`,
 * `goAway` and others, for `ZerobusLocal.injectConnection`). `docs/testing.md` lists them all.
 *
 * @packageDocumentation
 *
 * @example
 * yield* local.inject(
 *   orders,
 *   Faults.disconnect({ afterRecords: 300 }),
 *   Faults.reject({ status: "UNAVAILABLE", connection: 2 })
 * )
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { Fault, FaultPoint } from "../local/faults/faultScript.ts"
import type { Latency } from "../local/faults/latency.ts"

export * from "./connectionFaults.ts"
export * from "./httpFaults.ts"
export type { Fault, FaultAction, FaultPoint, LocalEvent } from "../local/faults/faultScript.ts"
export type { ConnectionFault } from "../local/faults/faultySocket.ts"
export type { HttpFault, HttpPart } from "../local/faults/httpScript.ts"

/**
 * When a fault triggers.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface When {
  /**
   * After this many records have arrived since the injection. Not together with `nth` or `offset`.
   */
  readonly afterRecords?: number | undefined
  /**
   * When this wire offset (0, 1, 2, ... per connection; persistent streams continue theirs)
   * arrives, is durable or is to be acknowledged. Only at these points. Not together with `nth`.
   */
  readonly offset?: number | undefined
  /**
   * At the n-th occurrence of the point, from 1. Default 1. Counts messages, each of which may
   * carry or acknowledge many records.
   */
  readonly nth?: number | undefined
  /** Only on this connection of the table, from 1. Default any. */
  readonly connection?: number | undefined
  /** How often it triggers. Default once. */
  readonly times?: number | undefined
}

/**
 * The name of a gRPC status that is not OK.
 *
 * @since 0.1.0
 * @category models
 */
export type StatusName =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED"

const codes: { readonly [Name in StatusName]: number } = {
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
}

const fault = (at: FaultPoint, when: When, action: Fault["action"]): Fault => ({
  at,
  afterRecords: when.afterRecords,
  offset: when.offset,
  nth: when.nth,
  connection: when.connection,
  times: when.times,
  action
})

/**
 * Breaks the connection below gRPC. By default it breaks when a message arrives, which is then not
 * stored. `at: "durable"` breaks it when records are durable but not acknowledged, so that they are
 * sent again; `at: "connect"` breaks it before anything is read. `how` is `"reset"` (RST, the
 * default) or `"fin"`.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const disconnect = (
  options: When & {
    readonly at?: FaultPoint | undefined
    readonly how?: "reset" | "fin" | undefined
  }
): Fault => fault(options.at ?? "message", options, { _tag: "Cut", how: options.how ?? "reset" })

/**
 * Refuses the stream instead of answering the create request.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const reject = (
  options: When & {
    readonly status: StatusName
    readonly message?: string | undefined
    readonly details?: Uint8Array | undefined
  }
): Fault => fault("create", options, status(options))

/**
 * Ends a stream with a status. By default it ends when a message arrives, which is then not stored.
 * `at: "connect"` ends it before any other response, with trailers only.
 *
 * @since 0.1.0
 * @category stream faults
 */
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

/**
 * Refuses the `nth` message (from 1) of a connection with INVALID_ARGUMENT, without acknowledging
 * the messages before it. Those are durable, or lost with `earlier: "lost"`. Must be injected
 * before the connection opens; by default it applies to the next one.
 *
 * @example
 * yield* local.inject(orders, ...Faults.refuse({ nth: 5, earlier: "lost" }))
 *
 * @since 0.2.0
 * @category stream faults
 */
export const refuse = (options: {
  readonly nth: number
  readonly connection?: number | undefined
  readonly earlier?: "durable" | "lost" | undefined
  readonly message?: string | undefined
}): ReadonlyArray<Fault> => {
  const { connection, nth } = options
  return [
    ackAt([], { connection, afterwards: "silence" }),
    ...(options.earlier === "lost" && nth > 1
      ? [loseMessages({ connection, times: nth - 1 })]
      : []),
    fail({ status: "INVALID_ARGUMENT", nth, connection, message: options.message })
  ]
}

/**
 * Refuses the resume of a persistent stream instead of answering it.
 *
 * @example
 * yield* local.inject(orders, Faults.rejectResume({ status: "NOT_FOUND" }))
 *
 * @since 0.2.0
 * @category stream faults
 */
export const rejectResume = (
  options: When & {
    readonly status: StatusName
    readonly message?: string | undefined
    readonly details?: Uint8Array | undefined
  }
): Fault => fault("resume", options, status(options))

/**
 * Answers the resume of a persistent stream with a committed offset that is `by` ahead of the real
 * one, or behind it when negative. The stream itself continues after the real one.
 *
 * @example
 * yield* local.inject(orders, Faults.committedOffset(-1))
 *
 * @since 0.2.0
 * @category stream faults
 */
export const committedOffset = (by: number, when: When = {}): Fault =>
  fault("resume", when, { _tag: "Committed", by })

/**
 * Breaks the connection instead of answering the create request. A persistent stream already exists
 * then, but the client does not know its id.
 *
 * @example
 * yield* local.inject(orders, Faults.loseCreateAnswer())
 *
 * @since 0.2.0
 * @category stream faults
 */
export const loseCreateAnswer = (when: When = {}): Fault => disconnect({ ...when, at: "create" })

/**
 * Ends an open stream with OK although the client did not request it.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const endStream = (options: When & { readonly at?: FaultPoint | undefined }): Fault =>
  fault(options.at ?? "message", options, { _tag: "End" })

/**
 * Refuses the next `times` streams as if their tokens were invalid.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const rejectTokens = (options?: When): Fault =>
  fault("connect", options ?? {}, status({ status: "UNAUTHENTICATED" }))

/**
 * Ends an open stream with UNAUTHENTICATED, as when its token expires, and refuses that token from
 * then on. A new token is accepted.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const expireToken = (options: When & { readonly at?: FaultPoint | undefined } = {}): Fault =>
  fault(options.at ?? "message", options, { _tag: "ExpireToken" })

/**
 * Announces the end of the stream, and ends it after `duration` (default 0) unless the client
 * half-closes first. By default it does so when a message arrives. `withAck` sends the announcement
 * in the same message as the next acknowledgement.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const closeSignal = (
  options: When & {
    readonly duration?: Duration.Input | undefined
    readonly withAck?: boolean | undefined
  }
): Fault => {
  const afterMillis = Duration.toMillis(Duration.fromInputUnsafe(options.duration ?? 0))
  return options.withAck === true
    ? fault("ack", options, { _tag: "AckAndClose", afterMillis })
    : fault("message", options, { _tag: "CloseSignal", afterMillis })
}

/**
 * Stops the stream at a point until `ZerobusLocal.release`. `"ack"` and `"durable"` stop
 * acknowledgements, the other points stop incoming messages.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const hold = (at: FaultPoint, nth?: number, when: Omit<When, "nth"> = {}): Fault =>
  fault(at, { ...when, nth }, { _tag: "Hold" })

/**
 * Stops the stream at a point for a duration.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const delay = (at: FaultPoint, duration: Duration.Input, when: When = {}): Fault =>
  fault(at, when, { _tag: "Delay", millis: Duration.toMillis(Duration.fromInputUnsafe(duration)) })

/**
 * Sends no more acknowledgements until `ZerobusLocal.clearFaults`. Records still become durable.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const stallAcks = (options?: Omit<When, "times">): Fault =>
  fault("ack", { ...options, times: Infinity }, { _tag: "Skip" })

/**
 * Acknowledges exactly these wire offsets of a connection, each as soon as it is durable,
 * regardless of the acknowledgement interval. Afterwards it continues as usual, acknowledges
 * nothing more (`"silence"`), or acknowledges only once the client half-closes (`"halfClose"`). By
 * default it applies to the next connection; `times` sets the number of connections.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const ackAt = (
  offsets: ReadonlyArray<number>,
  options: Pick<When, "connection" | "times"> & {
    readonly afterwards?: "automatic" | "silence" | "halfClose" | undefined
  } = {}
): Fault =>
  fault("ack", options, {
    _tag: "AckAt",
    acks: offsets.map((offset) => ({ offset })),
    afterwards: options.afterwards ?? "automatic"
  })

/**
 * Delays each acknowledgement by a latency from a distribution of `Latency`, in order. The same
 * seed (default 1) gives the n-th acknowledgement of a connection the same latency in every run. By
 * default it applies to every connection; `times` sets the number of connections.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const ackLatency = (
  latency: Latency,
  options: Pick<When, "connection" | "times"> & { readonly seed?: number | undefined } = {}
): Fault =>
  fault(
    "ack",
    { times: Infinity, ...options },
    {
      _tag: "AckLatency",
      latency,
      seed: options.seed ?? 1
    }
  )

/**
 * Discards messages and acknowledges them as if they were durable. The audit reports them as
 * `lostRecords` and `ackedButMissing`. For tests that a check detects a loss.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const loseMessages = (options?: When): Fault =>
  fault("message", options ?? {}, { _tag: "Lose" })

/**
 * Ignores messages as if they never arrived: the server refuses the next one as out of order, and
 * acknowledges none of them.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const dropMessages = (options?: When): Fault =>
  fault("message", options ?? {}, { _tag: "Skip" })

/**
 * Never answers the create request.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const ignoreCreate = (options?: When): Fault =>
  fault("create", options ?? {}, { _tag: "Skip" })

/**
 * Sends an acknowledgement that violates the protocol, before the next real one or at another
 * point: beyond what was sent (`future`), below the last (`lower`), the same again (`repeated`),
 * negative, or without its offset (`missing`). `at: "create"` sends it before the stream is open.
 * For one after the end, see `ackAfterEnd`.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const badAck = (
  kind: "future" | "lower" | "repeated" | "negative" | "missing",
  when: When & { readonly at?: FaultPoint | undefined } = {}
): Fault => fault(when.at ?? "ack", when, { _tag: "BadAck", kind })

/**
 * Sends these bytes as a response, for example an unknown message type or a truncated message.
 *
 * @since 0.1.0
 * @category stream faults
 */
export const rawResponse = (
  bytes: Uint8Array,
  when: When & { readonly at?: FaultPoint | undefined } = {}
): Fault => fault(when.at ?? "message", when, { _tag: "Raw", bytes })
