/**
 * The options of one stream, their defaults, and the check that refuses a bad one by name.
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
 * How single records are packed into messages.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface BatchingOptions {
  /** Bytes of one coalesced message; default and maximum 262,144. */
  readonly maxBytes?: number | undefined
  /** Records of one coalesced message; default 100,000. */
  readonly maxRecords?: number | undefined
}

/**
 * How a dead connection is found when no data flows. While records are in flight, a connection that
 * is open at both ends and carries nothing is found within `interval` + `timeout`.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface KeepaliveOptions {
  /**
   * Time without a byte from the server after which the client pings while something is in flight;
   * default 20 seconds. It doubles for the endpoint, up to one hour, when a server refuses pings.
   */
  readonly interval?: Duration.Input | undefined
  /** How long a ping may stay unanswered; default 10 seconds. */
  readonly timeout?: Duration.Input | undefined
  /**
   * The same while nothing is in flight; default 5 minutes, which default gRPC servers accept.
   * Shorten it only where something on the way drops idle connections sooner.
   */
  readonly idleInterval?: Duration.Input | undefined
}

/**
 * Options of one stream. Durations are Effect durations (`"15 seconds"`); plain numbers are
 * milliseconds. A value out of its range, or a name that is no option, fails with `InvalidArgument`
 * that names it. The effects among them may need services `R`: they get those of the place where
 * the stream is created, or, as defaults of a client, where its layer is built.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface StreamConfigurationOptions<in out A = any, out R = never> {
  /**
   * Records (a batch counts as one) that may be queued and in flight together; default 1,000,000.
   * Above it, ingest waits.
   */
  readonly maxInflightRecords?: number | undefined
  /**
   * Bytes that may be queued and in flight together; default 128 MiB. Includes framing and 128
   * bytes of overhead per message. Above it, ingest waits; each waiting call also holds its own
   * record.
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
  /**
   * Pause between attempts, jittered by 20 %; default 2 seconds. At least 100 ms where a server
   * rotates unused connections. A token endpoint that is unavailable and asks for more time
   * (`Retry-After`) gets it, up to an hour; the log line then has `retryAfterMillis`. Like every
   * pause it spends one attempt.
   */
  readonly recoveryBackoff?: Duration.Input | undefined
  /**
   * Attempts after the first one; default 4. Durable progress gives a fresh budget; 15 seconds of
   * uptime do while nothing is unacknowledged. A connection that the server rotates before it made
   * anything durable counts as an attempt. Once the budget is spent the stream fails; one with
   * nothing unacknowledged is `idle` until the next record, which has a fresh budget.
   */
  readonly recoveryRetries?: number | undefined
  /**
   * Replaces `recoveryBackoff` and `recoveryRetries` by any schedule; its input is the failure of
   * the attempt.
   */
  readonly recoverySchedule?: Schedule.Schedule<unknown, Retryable> | undefined
  /**
   * How long records may be in flight without any of them becoming durable, over all connections,
   * without the time in which none was open; default 60 seconds.
   */
  readonly serverLackOfAckTimeout?: Duration.Input | undefined
  /**
   * How long one `ingestRecord` or `ingestRecords` may wait for room; default: no limit. Beyond it
   * the call fails with `FlushTimeout` and has taken nothing.
   */
  readonly ingestTimeout?: Duration.Input | undefined
  /** Limit of `flush`, `waitForOffset` and the flush in `close`; default 300 seconds. */
  readonly flushTimeout?: Duration.Input | undefined
  /**
   * Upper bound for the pause before the server ends a connection. Not given: the whole time that
   * the server announces, and `serverLackOfAckTimeout` after a GOAWAY, which announces none; zero:
   * reconnect at once.
   */
  readonly streamPausedMaxWaitTime?: Duration.Input | undefined
  /** How long late acknowledgements are awaited after a half-close; default 500 milliseconds. */
  readonly drainTimeout?: Duration.Input | undefined
  /**
   * Limit of the flush when the scope closes a stream that was not closed; default 20 seconds.
   * Streams of one scope share it. Handlers and the drain of the connection have 5 seconds more.
   * After a second of waiting, a second SIGINT or SIGTERM of a program of `NodeRuntime.runMain`
   * ends the flush.
   */
  readonly scopeCloseTimeout?: Duration.Input | undefined
  /** Credentials of one's own for this stream, instead of the layer's. */
  readonly headersProvider?: HeadersProviderShape<R> | undefined
  /**
   * Runs once in `createStream`, before anything else of the stream; its failure is that of
   * `createStream`, and no connection is made. For typed tables: `Table.check(table)` with the
   * catalog provided. It may take as long as `recoveryTimeout`; an end that its interruption needs
   * longer for is not waited for. Default: nothing.
   */
  readonly beforeOpen?: Effect.Effect<unknown, StreamFailure, R> | undefined
  /**
   * Receives what is left unacknowledged when the scope closes the stream; default: a warning log
   * with the count. It has 5 seconds, less what `onRefused` and `drainTimeout` took of them, and at
   * least one; then it is interrupted and not waited for. One that fails is logged.
   */
  readonly onUnacked?: ((unacked: Unacked<A>) => Effect.Effect<unknown, unknown, R>) | undefined
  /**
   * Receives each record, or batch, that the server refuses, in order of offset; once it succeeds
   * the stream goes on without it. Default: the stream ends with the server's reason and the
   * offset, everything before it durable. A handler that fails, or takes more than 30 seconds (5
   * while the scope closes), ends the stream as well. Inside it the stream takes records without
   * waiting, and `flush`, `close` and waits of the same stream fail with `InvalidState`. Delivery
   * is at least once. Needs `recovery`.
   */
  readonly onRefused?: ((refused: Refused<A>) => Effect.Effect<unknown, unknown, R>) | undefined
  /**
   * Refused offsets in a row, without a durable one between, that end the stream with the server's
   * reason; default 100.
   */
  readonly maxRefusals?: number | undefined
  /**
   * Where records are kept on disk until they are acknowledged: `Spool.directory(path)`; default:
   * nowhere. `createStream` then succeeds when the spool is open, also while the server cannot be
   * reached. What cannot be retried ends the stream, and the spool keeps everything. `onUnacked` is
   * not called. Needs `recovery`.
   */
  readonly spool?: Spool | undefined
  /**
   * What a `SchemaMismatch` of the server does; default `"fail"`: it is the stream's failure, or
   * that of one record for `onRefused`. With `"reopen"` the stream opens another session first,
   * once per offset. A table of `Table.fromCatalog` is read again there, and so it is when a record
   * has a column that the table had not: added columns that may be NULL are written from then on.
   * Needs `recovery`; not with `lanes`, `spool` or a persistent stream.
   */
  readonly onSchemaChange?: "fail" | "reopen" | undefined
  /**
   * Sessions to the table behind the stream, 1 to 64, fixed for its life; default 1. With `"auto"`
   * they are as many as the server's pace needs, from 1 to 64, without order: that does not go with
   * `laneKey` or a `spool`, and needs `recovery`. The service
   * takes 100,000 records and 100 MB a second per session. Each lane has a connection and recovers
   * by itself; bounds and offsets are those of the stream. With more than one lane records keep
   * their order only by `laneKey`. All lanes share one `spool`, whose number of lanes may change
   * from process to process.
   */
  readonly lanes?: number | "auto" | undefined
  /**
   * Keeps the records of one key, a text or a number, on one lane and in order; default: a record
   * goes to any lane and order is given up. Which lane follows from the key and the number of lanes
   * alone. The records of one `ingestRecords` must have one key. A record that it throws for, or
   * gives something else for, is refused with `InvalidArgument`.
   */
  readonly laneKey?: ((record: A) => string | number) | undefined
}

/**
 * The options whose effects may need services.
 *
 * @inline
 */
type Effectful = "beforeOpen" | "headersProvider" | "onRefused" | "onUnacked"

/**
 * {@link StreamConfigurationOptions} with a type parameter for the services of each effect.
 * TypeScript does not unite what several effects of one object need by itself.
 *
 * @since 0.2.0
 * @category configuration
 */
export type OptionsByEffect<A, R1, R2, R3, R4> = Omit<StreamConfigurationOptions<A>, Effectful> &
  Pick<StreamConfigurationOptions<A, R1>, "beforeOpen"> &
  Pick<StreamConfigurationOptions<A, R2>, "headersProvider"> &
  Pick<StreamConfigurationOptions<A, R3>, "onRefused"> &
  Pick<StreamConfigurationOptions<A, R4>, "onUnacked">

/** The options after defaults; durations in milliseconds. */
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
  /** The most that it may have with `autoLanes`, whose number follows the load. */
  readonly lanes: number
  readonly autoLanes: boolean
  readonly laneKey: ((record: any) => string | number) | undefined
}

/**
 * The defaults of every stream, those of the official SDKs where they have the option. Bytes,
 * records, milliseconds.
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

/** The most sessions of one stream. */
const MOST_LANES = 64

/**
 * Uptime of a connection with nothing unacknowledged that gives the retry budget back, in
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

/** Room for some of the largest records. */
const LEAST_SPOOL_BYTES = 16 * 1024 * 1024

/** What each option of a stream may be. */
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
  onUnacked: that("a function that gives an Effect", (value) => typeof value === "function"),
  onRefused: that("a function that gives an Effect", (value) => typeof value === "function"),
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
const followProblem = (
  { recovery, spool }: Pick<StreamConfigurationOptions, "recovery" | "spool">,
  lanes: number
): string | undefined => {
  if (recovery === false) return "needs recovery: leave one of them out."
  if (lanes > 1) return "does not go with more than one lane yet: leave one of them out."
  return spool === undefined ? undefined : "does not go with a spool yet: leave one of them out."
}

const millisOf = (duration: Duration.Input): number =>
  typeof duration === "number" ? duration : Duration.toMillis(Duration.fromInputUnsafe(duration))

/** Fills in the defaults and checks every value. */
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
  const unfollowed =
    options.onSchemaChange === "reopen"
      ? followProblem(options, lanes === "auto" ? MOST_LANES : lanes)
      : undefined
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
    // A message of single records is no larger than a record of its own may be.
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

/** Why the number of lanes of a stream with these options cannot follow the load. */
const unfitForAuto = ({
  laneKey,
  recovery,
  spool
}: StreamConfigurationOptions<any>): InvalidArgument | undefined => {
  const why =
    laneKey !== undefined
      ? "gives up order, so it does not go with laneKey"
      : spool !== undefined
        ? "does not go with a spool, whose receipts wait for a lane from the call on"
        : recovery === false
          ? "ends sessions and opens others, so it needs recovery"
          : undefined
  if (why === undefined) return undefined
  return new InvalidArgument({
    message: `lanes: "auto" ${why}. Give a number of lanes.`,
    path: ["lanes"]
  })
}
