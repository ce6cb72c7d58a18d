/**
 * The options of a stream, their defaults, and the check that names an invalid option.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type { HeadersProviderShape } from "./HeadersProvider.ts"
import { CHUNK_SIZE } from "./internal/landing/chunk.ts"
import { HEAD_ROOM } from "./internal/protobuf/envelope.ts"
import {
  checkOptions,
  count,
  duration,
  either,
  fields,
  flag,
  oneOf,
  type OptionRules,
  required,
  text,
  that
} from "./internal/optionRules.ts"
import type { Refused, Unacked } from "./ReturnedRecords.ts"
import type { Spool } from "./internal/spooledLog.ts"
import type { LandingZoneLimits } from "./internal/landing/sizeLimits.ts"
import { InvalidArgument, type Retryable, type StreamFailure } from "./ZerobusError.ts"

/**
 * How single records are combined into messages.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface BatchingOptions {
  /** Most bytes of a message of combined records. Default and maximum 262,144. */
  readonly maxBytes?: number | undefined
  /** Most records of a message of combined records. Default 100,000. */
  readonly maxRecords?: number | undefined
}

/**
 * Detection of dead connections. While records are in flight, a connection that is open at both
 * ends but carries no data is detected within `interval` + `timeout`.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface KeepaliveOptions {
  /**
   * Time without data from the server after which the client pings while records are in flight.
   * Default 20 seconds. When a server refuses pings, it doubles for the endpoint, up to one hour.
   */
  readonly interval?: Duration.Input | undefined
  /** Time limit for the answer to a ping. Default 10 seconds. */
  readonly timeout?: Duration.Input | undefined
  /**
   * The interval while nothing is in flight. Default 5 minutes, which default gRPC servers accept.
   * Shorten it only when something between client and server drops idle connections sooner.
   */
  readonly idleInterval?: Duration.Input | undefined
}

/**
 * Options of a stream. Durations are Effect durations (`"15 seconds"`); plain numbers are
 * milliseconds. A value out of range, or an unknown option, fails with `InvalidArgument` that names
 * it. Effects among the options may need services `R`. They are taken from where the stream is
 * created; for a client's defaults, from where its layer is built.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface StreamConfigurationOptions<in out A = any, out R = never> {
  /**
   * Most records queued and in flight together; a batch counts as one. Default 1,000,000. Above it,
   * ingest waits.
   */
  readonly maxInflightRecords?: number | undefined
  /**
   * Most bytes queued and in flight together. Default 128 MiB. Includes framing and 128 bytes of
   * overhead per message. Above it, ingest waits; each waiting call also holds its own record.
   */
  readonly maxInflightBytes?: number | undefined
  /** Most encoded bytes of one call. Default and service limit 10,420,224. */
  readonly maxPayloadBytes?: number | undefined
  /** Most records of one `ingestRecords` call. Default 100,000. */
  readonly maxBatchRecords?: number | undefined
  /** How single records are combined into messages. `"off"` sends one message per record. */
  readonly batching?: BatchingOptions | "off" | undefined
  /**
   * Whether a lost connection is replaced and unacknowledged records are sent again. Default true.
   */
  readonly recovery?: boolean | undefined
  /** Time limit of one attempt to open a connection, including credentials. Default 15 seconds. */
  readonly recoveryTimeout?: Duration.Input | undefined
  /**
   * Pause between attempts, with 20 % jitter. Default 2 seconds. At least 100 ms when a server
   * rotates unused connections. When an unavailable token endpoint requests a longer pause
   * (`Retry-After`), that pause is used, up to one hour; the log line then contains
   * `retryAfterMillis`. Like every pause it uses up one attempt.
   */
  readonly recoveryBackoff?: Duration.Input | undefined
  /**
   * Attempts after the first one. Default 4. Durable progress resets the budget; so do 15 seconds
   * of uptime while nothing is unacknowledged. A connection that the server rotates before any
   * record became durable counts as an attempt. When the budget is spent, the stream fails. A
   * stream without unacknowledged records becomes `idle` instead; the next record starts with a new
   * budget.
   */
  readonly recoveryRetries?: number | undefined
  /**
   * Replaces `recoveryBackoff` and `recoveryRetries` with a schedule. Its input is the failure of
   * the attempt.
   */
  readonly recoverySchedule?: Schedule.Schedule<unknown, Retryable> | undefined
  /**
   * How long records may be in flight without any of them becoming durable. Default 60 seconds. The
   * time counts over all connections, except while none is open.
   */
  readonly serverLackOfAckTimeout?: Duration.Input | undefined
  /**
   * How long one `ingestRecord` or `ingestRecords` may wait for room. Default: no limit. After that
   * the call fails with `FlushTimeout` and has ingested nothing.
   */
  readonly ingestTimeout?: Duration.Input | undefined
  /**
   * Time limit of `flush`, `waitForOffset`, the `await` of a receipt, and the flush in `close`.
   * Default 300 seconds.
   */
  readonly flushTimeout?: Duration.Input | undefined
  /**
   * Upper bound for the pause before the server ends a connection. Default: the full time that the
   * server announces, or `serverLackOfAckTimeout` after a GOAWAY, which announces none. Zero:
   * reconnect immediately.
   */
  readonly streamPausedMaxWaitTime?: Duration.Input | undefined
  /**
   * How long the client waits for late acknowledgements after a half-close. Default 500
   * milliseconds.
   */
  readonly drainTimeout?: Duration.Input | undefined
  /**
   * Time limit of the flush when the scope closes an open stream. Default 20 seconds. Streams of
   * one scope share it. Handlers and the drain of the connection have 5 more seconds. With
   * `NodeRuntime.runMain`, a second SIGINT or SIGTERM after at least one second of waiting ends the
   * flush.
   */
  readonly scopeCloseTimeout?: Duration.Input | undefined
  /** A headers provider for this stream, instead of the layer's. */
  readonly headersProvider?: HeadersProviderShape<R> | undefined
  /**
   * Runs once in `createStream`, before everything else. When it fails, `createStream` fails with
   * its error and no connection is made. For typed tables: `Table.check(table)` with the catalog
   * provided. It may take as long as `recoveryTimeout`; its finalizers are not awaited after an
   * interruption. Default: nothing.
   */
  readonly beforeOpen?: Effect.Effect<unknown, StreamFailure, R> | undefined
  /**
   * Receives the unacknowledged records when the scope closes the stream. Default: a warning in the
   * log with their number. It has 5 seconds, minus the time of `onRefused` and `drainTimeout`, but
   * at least one second; then it is interrupted and not awaited. A failure is logged.
   */
  readonly onUnacked?: ((unacked: Unacked<A>) => Effect.Effect<unknown, unknown, R>) | undefined
  /**
   * Receives each record or batch that the server refuses, in order of offset. Once it succeeds,
   * the stream continues without that record. Default: the stream ends with the server's reason and
   * the offset, and everything before it is durable. A handler that fails, or takes more than 30
   * seconds (5 while the scope closes), also ends the stream. Inside the handler, ingest calls do
   * not wait for room, and `flush`, `close` and waits of the same stream fail with `InvalidState`.
   * Delivery is at least once. Needs `recovery`.
   */
  readonly onRefused?: ((refused: Refused<A>) => Effect.Effect<unknown, unknown, R>) | undefined
  /**
   * Number of consecutive refused offsets that ends the stream with the server's reason. Default
   * 100.
   */
  readonly maxRefusals?: number | undefined
  /**
   * Stores records on disk until they are acknowledged: `Spool.directory(path)`. Default: none.
   * `createStream` then succeeds when the spool is open, even while the server cannot be reached.
   * An error that cannot be retried ends the stream, and the spool keeps all records. `onUnacked`
   * is not called. Needs `recovery`.
   */
  readonly spool?: Spool | undefined
  /**
   * Reaction to a `SchemaMismatch` of the server. `"fail"` (default): the stream fails with it, or
   * one record does when `onRefused` is set. `"reopen"`: the stream first opens another session,
   * once per offset. A table of `Table.fromCatalog` is then read again; it is also read again when
   * a record has a column that the table lacked. Added nullable columns are written from then on.
   * Needs `recovery`; not allowed with `spool` or a persistent stream. With several lanes, all of
   * them open a new session together.
   */
  readonly onSchemaChange?: "fail" | "reopen" | undefined
  /**
   * Number of sessions (lanes) to the table, 1 to 64, fixed for the stream's life. Default 1. With
   * `"auto"` their number follows the load, from 1 to 64, and record order is not kept; this needs
   * `recovery` and is not allowed with `laneKey` or a `spool`. The service accepts 100,000 records
   * and 100 MB a second per session. Each lane has its own connection and recovers independently;
   * limits and offsets are those of the stream. With more than one lane, only `laneKey` keeps
   * records in order. All lanes share one `spool`; the number of lanes may change from one process
   * to the next.
   */
  readonly lanes?: number | "auto" | undefined
  /**
   * Keeps the records of one key, a string or a number, on one lane and in order. Default: any
   * record may use any lane, and order is not kept. The lane depends only on the key and the number
   * of lanes. All records of one `ingestRecords` call must have the same key. A record for which it
   * throws or returns another type is refused with `InvalidArgument`.
   */
  readonly laneKey?: ((record: A) => string | number) | undefined
}

/**
 * Options whose effects may need services.
 *
 * @inline
 */
type Effectful = "beforeOpen" | "headersProvider" | "onRefused" | "onUnacked"

/**
 * {@link StreamConfigurationOptions} with a type parameter for the services of each effect.
 * TypeScript does not infer the union of the services of several effects in one object.
 *
 * @since 0.2.0
 * @category configuration
 */
export type OptionsByEffect<A, R1, R2, R3, R4> = Omit<StreamConfigurationOptions<A>, Effectful> &
  Pick<StreamConfigurationOptions<A, R1>, "beforeOpen"> &
  Pick<StreamConfigurationOptions<A, R2>, "headersProvider"> &
  Pick<StreamConfigurationOptions<A, R3>, "onRefused"> &
  Pick<StreamConfigurationOptions<A, R4>, "onUnacked">

/** The options with defaults applied; durations in milliseconds. */
export interface ResolvedStreamOptions extends LandingZoneLimits {
  readonly recovery: boolean
  readonly recoveryTimeout: number
  readonly recoveryBackoff: number
  readonly recoveryRetries: number
  readonly recoverySchedule: Schedule.Schedule<unknown, Retryable> | undefined
  readonly serverLackOfAckTimeout: number
  readonly ingestTimeout: number | undefined
  readonly flushTimeout: number
  readonly streamPausedMaxWaitTime: number | undefined
  readonly drainTimeout: number
  readonly scopeCloseTimeout: number
  readonly headersProvider: HeadersProviderShape | undefined
  readonly onUnacked: ((unacked: Unacked<any>) => Effect.Effect<unknown, unknown>) | undefined
  readonly onRefused: ((refused: Refused<any>) => Effect.Effect<unknown, unknown>) | undefined
  readonly maxRefusals: number
  readonly spool: Spool | undefined
  readonly onSchemaChange: "fail" | "reopen"
  /** The number of lanes. With `autoLanes`, their maximum. */
  readonly lanes: number
  readonly autoLanes: boolean
  readonly laneKey: ((record: any) => string | number) | undefined
}

/**
 * The defaults of every stream. They equal those of the official SDKs for options that exist there.
 * In bytes, records and milliseconds.
 */
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
  scopeCloseTimeout: 20_000,
  maxRefusals: 100,
  lanes: 1
} as const

/** Most sessions of one stream. */
const MOST_LANES = 64

/**
 * Uptime of a connection without unacknowledged records that resets the retry budget, in
 * milliseconds.
 */
export const STABLE_UPTIME = 15_000

const provider = that("made with HeadersProvider.make", (value) => {
  const { getHeaders, invalidate } = (value ?? {}) as Partial<
    Readonly<Record<keyof HeadersProviderShape, unknown>>
  >
  return (
    typeof getHeaders === "function" &&
    (invalidate === undefined || typeof invalidate === "function")
  )
})

/** Room for a few records of the largest size. */
const LEAST_SPOOL_BYTES = 16 * 1024 * 1024

/** Validation rules for the options of a stream. */
export const streamRules: OptionRules<StreamConfigurationOptions> = {
  maxInflightRecords: count(),
  maxInflightBytes: count(),
  maxPayloadBytes: count(),
  maxBatchRecords: count(),
  batching: either(
    oneOf("off"),
    fields<BatchingOptions>({ maxBytes: count(1, CHUNK_SIZE), maxRecords: count() })
  ),
  recovery: flag,
  recoveryTimeout: duration("above zero"),
  recoveryBackoff: duration("from zero"),
  recoveryRetries: count(0),
  recoverySchedule: that("a Schedule", Schedule.isSchedule),
  serverLackOfAckTimeout: duration("above zero"),
  ingestTimeout: duration("above zero"),
  flushTimeout: duration("above zero"),
  streamPausedMaxWaitTime: duration("from zero"),
  drainTimeout: duration("from zero"),
  scopeCloseTimeout: duration("from zero"),
  headersProvider: provider,
  beforeOpen: that("an Effect", Effect.isEffect),
  onUnacked: that("a function that returns an Effect", (value) => typeof value === "function"),
  onRefused: that("a function that returns an Effect", (value) => typeof value === "function"),
  maxRefusals: count(),
  spool: {
    ...fields<Spool>({
      path: text("the path of a folder", /./),
      maxBytes: count(LEAST_SPOOL_BYTES),
      sync: oneOf("group", "os"),
      open: required(that("made with Spool.directory", (value) => typeof value === "function")),
      left: required(that("made with Spool.directory", (value) => typeof value === "function"))
    }),
    words: "made with Spool.directory"
  },
  onSchemaChange: oneOf("fail", "reopen"),
  lanes: either(oneOf("auto"), count(1, MOST_LANES)),
  laneKey: that(
    "a function from records to texts or numbers",
    (value) => typeof value === "function"
  )
}

/**
 * Why a stream with these options cannot follow the columns of its table, as the end of a sentence.
 */
const followProblem = ({
  recovery,
  spool
}: Pick<StreamConfigurationOptions, "recovery" | "spool">): string | undefined => {
  if (recovery === false) return "needs recovery: leave one of them out."
  if (spool === undefined) return undefined
  return (
    "does not go with a spool, which keeps records with the columns that the stream was opened " +
    "with. Leave it out, and open the stream again with the table read anew when the table got " +
    "columns: the spool is continued with them."
  )
}

const millisOf = (duration: Duration.Input): number =>
  typeof duration === "number" ? duration : Duration.toMillis(Duration.fromInputUnsafe(duration))

/** Applies the defaults and checks every value. */
export const resolve = <A>(
  options: StreamConfigurationOptions<A> = {}
): Result.Result<ResolvedStreamOptions, InvalidArgument> => {
  const refused = checkOptions(streamRules, options)
  if (refused !== undefined) return Result.fail(refused)
  if (options.spool !== undefined && options.recovery === false) {
    const message = "The option spool needs recovery: leave recovery out, or the spool."
    return Result.fail(new InvalidArgument({ message, path: ["spool"] }))
  }
  const { lanes = defaults.lanes } = options
  const unfit = lanes === "auto" ? unfitForAuto(options) : undefined
  if (unfit !== undefined) return Result.fail(unfit)
  const unfollowed = options.onSchemaChange === "reopen" ? followProblem(options) : undefined
  if (unfollowed !== undefined) {
    const message = `The option onSchemaChange: "reopen" ${unfollowed}`
    return Result.fail(new InvalidArgument({ message, path: ["onSchemaChange"] }))
  }
  const batching =
    options.batching === "off" ? { maxBytes: CHUNK_SIZE, maxRecords: 1 } : (options.batching ?? {})
  const millis = (
    name: Extract<keyof typeof defaults, `${string}Timeout` | `${string}Backoff`>
  ): number => millisOf(options[name] ?? defaults[name])
  const optionalMillis = (
    name: "ingestTimeout" | "streamPausedMaxWaitTime"
  ): number | undefined => {
    const duration = options[name]
    return duration === undefined ? undefined : millisOf(duration)
  }
  return Result.succeed({
    maxInflightRecords: options.maxInflightRecords ?? defaults.maxInflightRecords,
    maxInflightBytes: options.maxInflightBytes ?? defaults.maxInflightBytes,
    maxPayloadBytes: options.maxPayloadBytes ?? defaults.maxPayloadBytes,
    maxBatchRecords: options.maxBatchRecords ?? defaults.maxBatchRecords,
    // A message of combined records is no larger than a single record may be.
    coalesceBytes: Math.min(
      batching.maxBytes ?? defaults.coalesceBytes,
      Math.max(0, (options.maxPayloadBytes ?? defaults.maxPayloadBytes) - HEAD_ROOM)
    ),
    coalesceRecords: batching.maxRecords ?? defaults.coalesceRecords,
    recovery: options.recovery ?? defaults.recovery,
    recoveryTimeout: millis("recoveryTimeout"),
    recoveryBackoff: millis("recoveryBackoff"),
    recoveryRetries: options.recoveryRetries ?? defaults.recoveryRetries,
    recoverySchedule: options.recoverySchedule,
    serverLackOfAckTimeout: millis("serverLackOfAckTimeout"),
    ingestTimeout: optionalMillis("ingestTimeout"),
    flushTimeout: millis("flushTimeout"),
    streamPausedMaxWaitTime: optionalMillis("streamPausedMaxWaitTime"),
    drainTimeout: millis("drainTimeout"),
    scopeCloseTimeout: millis("scopeCloseTimeout"),
    headersProvider: options.headersProvider,
    onUnacked: options.onUnacked,
    onRefused: options.onRefused,
    maxRefusals: options.maxRefusals ?? defaults.maxRefusals,
    spool: options.spool,
    onSchemaChange: options.onSchemaChange ?? "fail",
    lanes: lanes === "auto" ? MOST_LANES : lanes,
    autoLanes: lanes === "auto",
    laneKey: options.laneKey
  })
}

/** Why a stream with these options cannot use `lanes: "auto"`. */
const unfitForAuto = ({
  laneKey,
  recovery,
  spool
}: StreamConfigurationOptions<any>): InvalidArgument | undefined => {
  const why =
    laneKey !== undefined
      ? "gives up order, so it does not go with laneKey"
      : spool !== undefined
        ? "does not go with a spool, which binds each receipt to a lane at the call"
        : recovery === false
          ? "ends sessions and opens others, so it needs recovery"
          : undefined
  if (why === undefined) return undefined
  return new InvalidArgument({
    message: `lanes: "auto" ${why}. Give a number of lanes.`,
    path: ["lanes"]
  })
}
