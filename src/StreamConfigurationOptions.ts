/**
 * The options of one stream, their defaults, and the check that refuses a bad one by name.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type { HeadersProviderShape } from "./HeadersProvider.ts"
import { CHUNK_SIZE } from "./internal/chunk.ts"
import { InvalidArgument, type Retryable, type StreamFailure, type ZerobusError } from "./ZerobusError.ts"

/** What the `onUnacked` handler of a stream is told when its scope closed with records not acknowledged. */
export interface Unacked<A> {
  readonly tableName: string
  readonly streamId: string
  /** In order of ingestion. */
  readonly records: ReadonlyArray<A>
  /** Records that the table's schema encoded but cannot decode, as the bytes that travel; empty for schemas that do both. */
  readonly unreadable: ReadonlyArray<Uint8Array>
  /** Why they are left: what ended the stream, or the `FlushTimeout` of its closing. */
  readonly cause: ZerobusError
}

/** How single records are packed into messages. */
export interface BatchingOptions {
  /** Bytes of one coalesced message; default and maximum 262,144. */
  readonly maxBytes?: number | undefined
  /** Records of one coalesced message; default 100,000. */
  readonly maxRecords?: number | undefined
}

/** How a dead connection is found when no data flows. */
export interface KeepaliveOptions {
  /** Time between pings; default 20 seconds. */
  readonly interval?: Duration.Input | undefined
  /** How long a ping may stay unanswered; default 10 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Options of one stream. Durations are Effect durations (`"15 seconds"`); plain numbers are milliseconds. A value out of its range
 * fails with `InvalidArgument` that names the option.
 */
export interface StreamConfigurationOptions<in out A = any> {
  /** Records (a batch counts as one) that may be queued and in flight together; default 1,000,000. Above it, ingest waits. */
  readonly maxInflightRecords?: number | undefined
  /**
   * Bytes that may be queued and in flight together; default 128 MiB. Framing counts, and 128 bytes for the objects of each message, so
   * that this is the memory of the smallest records too. Above it, ingest waits; each call that waits holds its own record besides.
   */
  readonly maxInflightBytes?: number | undefined
  /** Encoded bytes of one call; default and service limit 10,420,224. */
  readonly maxPayloadBytes?: number | undefined
  /** Records of one `ingestRecords`; default 100,000. */
  readonly maxBatchRecords?: number | undefined
  /** How single records are packed into messages; `"off"` sends one message per record. */
  readonly batching?: BatchingOptions | "off" | undefined
  /** Whether a lost connection is replaced and what is unacknowledged sent again; default true. */
  readonly recovery?: boolean | undefined
  /** Limit of one attempt to open a connection, credentials included; default 15 seconds. */
  readonly recoveryTimeout?: Duration.Input | undefined
  /** Pause between attempts, jittered by 20 %; default 2 seconds. */
  readonly recoveryBackoff?: Duration.Input | undefined
  /** Attempts after the first one; default 4. Durable progress or 15 seconds of uptime give a fresh budget. */
  readonly recoveryRetries?: number | undefined
  /** Replaces `recoveryBackoff` and `recoveryRetries` by any schedule; its input is the failure of the attempt. */
  readonly recoverySchedule?: Schedule.Schedule<unknown, Retryable> | undefined
  /** How long records may be in flight without any of them becoming durable; default 60 seconds. */
  readonly serverLackOfAckTimeout?: Duration.Input | undefined
  /** Limit of `flush`, `waitForOffset` and the flush in `close`; default 300 seconds. */
  readonly flushTimeout?: Duration.Input | undefined
  /**
   * Upper bound for the pause that the server announces before it ends a connection. Not given: the server's whole time; zero:
   * reconnect at once.
   */
  readonly streamPausedMaxWaitTime?: Duration.Input | undefined
  /** How long late acknowledgements are awaited after a half-close; default 500 milliseconds. */
  readonly drainTimeout?: Duration.Input | undefined
  /** Limit of the flush when the scope closes a stream that was not closed; default 30 seconds. */
  readonly scopeCloseTimeout?: Duration.Input | undefined
  /** Credentials of one's own for this stream, instead of the layer's. */
  readonly headersProvider?: HeadersProviderShape | undefined
  /**
   * Runs once in `createStream`, before anything else of the stream; its failure is that of `createStream`, and no connection is made.
   * For typed tables: `Table.check(table)` with the catalog provided. It may take as long as `recoveryTimeout`. Default: nothing.
   */
  readonly beforeOpen?: Effect.Effect<unknown, StreamFailure> | undefined
  /**
   * Receives what is left unacknowledged when the scope closes the stream; default: a warning log with the count. It has as long as
   * `scopeCloseTimeout`, 5 seconds at least.
   */
  readonly onUnacked?: ((unacked: Unacked<A>) => Effect.Effect<void>) | undefined
}

/** The options after defaults; durations in milliseconds. */
export interface ResolvedStreamOptions {
  readonly maxInflightRecords: number
  readonly maxInflightBytes: number
  readonly maxPayloadBytes: number
  readonly maxBatchRecords: number
  readonly coalesceBytes: number
  readonly coalesceRecords: number
  readonly recovery: boolean
  readonly recoveryTimeout: number
  readonly recoveryBackoff: number
  readonly recoveryRetries: number
  readonly recoverySchedule: Schedule.Schedule<unknown, Retryable> | undefined
  readonly serverLackOfAckTimeout: number
  readonly flushTimeout: number
  readonly streamPausedMaxWaitTime: number | undefined
  readonly drainTimeout: number
  readonly scopeCloseTimeout: number
  readonly headersProvider: HeadersProviderShape | undefined
  readonly onUnacked: ((unacked: Unacked<any>) => Effect.Effect<void>) | undefined
}

/** The defaults of every stream, those of the official SDKs where they have the option. Bytes, records, milliseconds. */
export const defaults = {
  maxInflightRecords: 1_000_000,
  maxInflightBytes: 128 * 1024 * 1024,
  maxPayloadBytes: 10 * 1024 * 1024 - 64 * 1024,
  maxBatchRecords: 100_000,
  coalesceBytes: CHUNK_SIZE,
  coalesceRecords: 100_000,
  recovery: true,
  recoveryTimeout: 15_000,
  recoveryBackoff: 2_000,
  recoveryRetries: 4,
  serverLackOfAckTimeout: 60_000,
  flushTimeout: 300_000,
  drainTimeout: 500,
  scopeCloseTimeout: 30_000
} as const

/** Uptime of a connection that gives the retry budget back, in milliseconds. */
export const STABLE_UPTIME = 15_000

/** The longest wait a timer can represent, in milliseconds. */
const LONGEST_WAIT = 2 ** 31 - 1

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** Fills in the defaults and checks every value. */
export const resolve = <A>(
  options: StreamConfigurationOptions<A> = {}
): Result.Result<ResolvedStreamOptions, InvalidArgument> => {
  const issues: Array<InvalidArgument> = []
  const refuse = (option: string, rule: string) => {
    issues.push(new InvalidArgument({ message: `The option ${option} must be ${rule}.`, path: option.split(".") }))
  }
  const count = (
    option: string,
    value: number | undefined,
    fallback: number,
    max = Number.MAX_SAFE_INTEGER,
    min = 1
  ) => {
    if (value === undefined) return fallback
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      refuse(option, `a whole number from ${min} to ${max}`)
    }
    return value
  }
  const duration = <D extends number | undefined>(
    option: string,
    value: Duration.Input | undefined,
    fallback: D,
    zero: boolean
  ): number | D => {
    if (value === undefined) return fallback
    // NaN would count as no time at all.
    const millis = Number.isNaN(value) ? Option.none() : Option.map(Duration.fromInput(value), Duration.toMillis)
    if (
      Option.isNone(millis) ||
      !Number.isFinite(millis.value) ||
      millis.value < 0 ||
      millis.value > LONGEST_WAIT ||
      (!zero && millis.value === 0)
    ) {
      refuse(option, `a duration ${zero ? "from" : "above"} zero, at most ${LONGEST_WAIT} milliseconds (24 days)`)
      return fallback
    }
    return millis.value
  }
  /** For values that have no range; `undefined` is not given. */
  const kind = (option: keyof StreamConfigurationOptions, is: (value: unknown) => boolean, rule: string) => {
    if (options[option] !== undefined && !is(options[option])) refuse(option, rule)
  }
  kind("batching", (value) => value === "off" || isObject(value), `"off", or an object with maxBytes and maxRecords`)
  kind("recovery", (value) => typeof value === "boolean", "true or false")
  kind("recoverySchedule", Schedule.isSchedule, "a Schedule")
  const isProvider = (value: unknown) => isObject(value) && typeof value["getHeaders"] === "function"
  kind("headersProvider", isProvider, "made with HeadersProvider.make")
  kind("beforeOpen", Effect.isEffect, "an Effect")
  kind("onUnacked", (value) => typeof value === "function", "a function that gives an Effect")
  const batching = options.batching === "off" ? { maxBytes: CHUNK_SIZE, maxRecords: 1 } : (options.batching ?? {})
  const resolved: ResolvedStreamOptions = {
    maxInflightRecords: count("maxInflightRecords", options.maxInflightRecords, defaults.maxInflightRecords),
    maxInflightBytes: count("maxInflightBytes", options.maxInflightBytes, defaults.maxInflightBytes),
    maxPayloadBytes: count("maxPayloadBytes", options.maxPayloadBytes, defaults.maxPayloadBytes),
    maxBatchRecords: count("maxBatchRecords", options.maxBatchRecords, defaults.maxBatchRecords),
    coalesceBytes: count("batching.maxBytes", batching.maxBytes, defaults.coalesceBytes, CHUNK_SIZE),
    coalesceRecords: count("batching.maxRecords", batching.maxRecords, defaults.coalesceRecords),
    recovery: options.recovery ?? defaults.recovery,
    recoveryTimeout: duration("recoveryTimeout", options.recoveryTimeout, defaults.recoveryTimeout, false),
    recoveryBackoff: duration("recoveryBackoff", options.recoveryBackoff, defaults.recoveryBackoff, true),
    recoveryRetries: count("recoveryRetries", options.recoveryRetries, defaults.recoveryRetries, undefined, 0),
    recoverySchedule: options.recoverySchedule,
    serverLackOfAckTimeout: duration(
      "serverLackOfAckTimeout",
      options.serverLackOfAckTimeout,
      defaults.serverLackOfAckTimeout,
      false
    ),
    flushTimeout: duration("flushTimeout", options.flushTimeout, defaults.flushTimeout, false),
    streamPausedMaxWaitTime: duration("streamPausedMaxWaitTime", options.streamPausedMaxWaitTime, undefined, true),
    drainTimeout: duration("drainTimeout", options.drainTimeout, defaults.drainTimeout, true),
    scopeCloseTimeout: duration("scopeCloseTimeout", options.scopeCloseTimeout, defaults.scopeCloseTimeout, true),
    headersProvider: options.headersProvider,
    onUnacked: options.onUnacked
  }
  const first = issues[0]
  return first === undefined ? Result.succeed(resolved) : Result.fail(first)
}
