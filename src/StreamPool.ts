/**
 * A pool of streams: records for any number of tables over a few open streams.
 *
 * Each table has a queue of encoded records. At most `maxOpen` tables have an open stream at a
 * time. A free slot goes to the table that has waited longest.
 *
 * @packageDocumentation
 *
 * @example
 * const pool = yield* StreamPool.make({ maxOpen: 64, idleTimeToLive: "1 minute" })
 * for (const event of events) yield* pool.ingest(tableOf(event.tenant), event)
 * yield* pool.flush
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { unpooled } from "./internal/engine/pooling.ts"
import {
  checkOptions,
  count,
  duration,
  fields,
  type OptionRules,
  required
} from "./internal/optionRules.ts"
import { openPool } from "./internal/pool/tables.ts"
import type { AckError, RecordAck } from "./RecordAck.ts"
import { defaults, type OptionsByEffect, streamRules } from "./StreamConfigurationOptions.ts"
import type { TableProperties } from "./TableProperties.ts"
import { Zerobus } from "./Zerobus.ts"
import type { InvalidArgument, InvalidState, StreamFailure } from "./ZerobusError.ts"
import type { IngestError } from "./ZerobusStream.ts"

/**
 * Why `pool.ingest` did not accept a record: the errors of a stream, `InvalidState` for a table
 * that was used in another format before or after the pool's scope has closed, or the error with
 * which the table failed.
 *
 * @since 0.2.0
 * @category errors
 */
export type PoolIngestError = IngestError | StreamFailure | InvalidState

/**
 * Options of every stream of a pool. Excluded are a spool, which belongs to one table, lanes, and
 * the memory limit, which belongs to the pool.
 *
 * @since 0.2.0
 * @category configuration
 */
export type PooledStreamOptions<R1 = never, R2 = never, R3 = never, R4 = never> = Omit<
  OptionsByEffect<any, R1, R2, R3, R4>,
  "laneKey" | "lanes" | "maxInflightBytes" | "spool"
>

/**
 * Options of a pool. A value out of range fails with `InvalidArgument` that names it.
 *
 * @since 0.2.0
 * @category configuration
 */
export interface StreamPoolOptions<R1 = never, R2 = never, R3 = never, R4 = never> {
  /** Most streams open at a time. */
  readonly maxOpen: number
  /**
   * How long a stream stays open without records while no other table waits. Milliseconds or a
   * duration.
   */
  readonly idleTimeToLive: Duration.Input
  /**
   * Most bytes queued and in flight over all tables. Default 128 MiB. One table may use half of
   * them, so that a blocked table leaves room for others. Above the limit, `ingest` waits. In
   * addition, each table with records holds a buffer of up to 64 KiB.
   */
  readonly maxInflightBytes?: number | undefined
  /**
   * Options of the streams, which override the client's defaults. Handlers receive the table's
   * name. Needs `recovery`. `maxInflightRecords` applies per table.
   */
  readonly stream?: PooledStreamOptions<R1, R2, R3, R4> | undefined
}

/**
 * An open pool.
 *
 * @since 0.2.0
 * @category models
 */
export interface StreamPool {
  /**
   * Queues one record of a table and succeeds with its receipt. Waits while the pool or the table
   * has no room. Records of one table stay in order. The record is encoded during the call, so that
   * an invalid one fails here with `InvalidArgument` or `PayloadTooLarge`. Interrupting the wait
   * ingests nothing.
   *
   * A table is identified by its name. Every call must use it in the same format and with the same
   * schema, else it fails with `InvalidState`: create a table once and use it for all its records.
   *
   * When a table fails, its unacknowledged records go to `onUnacked` and its receipts fail with the
   * cause. A waiting call fails with `StreamClosed`. For 10 seconds, further calls for this table
   * fail immediately with the cause; then the next one opens it again. The offset of a receipt
   * counts per table, and starts from 0 again after that.
   *
   * @example
   * const ack = yield* pool.ingest(readings, { device: "sensor-1", temp: 22 })
   * yield* ack.await
   */
  readonly ingest: <A>(
    table: TableProperties<A>,
    record: A
  ) => Effect.Effect<RecordAck, PoolIngestError>
  /**
   * Waits until every record ingested before is durable or accepted by `onRefused`, at most
   * `flushTimeout` per table. When tables fail while it waits, or have failed with unacknowledged
   * records since the last flush, it waits for the others and then fails with the first cause.
   */
  readonly flush: Effect.Effect<void, AckError>
}

const {
  laneKey: _key,
  lanes: _lanes,
  maxInflightBytes: _bytes,
  spool: _spool,
  ...pooledRules
} = streamRules

const poolRules: OptionRules<StreamPoolOptions> = {
  maxOpen: required(count()),
  idleTimeToLive: required(duration("above zero")),
  maxInflightBytes: count(2),
  stream: fields<PooledStreamOptions>(pooledRules)
}

/** One table may use this fraction (1/n) of the memory limit. */
const PARTS_OF_TABLE = 2

/**
 * Opens a pool in the current scope. It connects with its first records. When the scope closes, all
 * tables are flushed concurrently within `scopeCloseTimeout`, and unacknowledged records go to
 * `onUnacked`, table by table. Fails with `InvalidArgument` for an option out of range.
 *
 * @example
 * const pool = yield* StreamPool.make({
 *   maxOpen: 16,
 *   idleTimeToLive: "1 minute",
 *   stream: { onUnacked: DeadLetters.file("unacked.ndjson") }
 * })
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = <R1 = never, R2 = never, R3 = never, R4 = never>(
  options: StreamPoolOptions<R1, R2, R3, R4>
): Effect.Effect<StreamPool, InvalidArgument, Zerobus | Scope.Scope | R1 | R2 | R3 | R4> =>
  Effect.gen(function* () {
    const refused = checkOptions(poolRules, options)
    if (refused !== undefined) return yield* refused
    const { maxInflightBytes = defaults.maxInflightBytes, stream = {} } = options
    const outside = unpooled(stream)
    if (outside !== undefined) return yield* outside
    const zerobus = yield* Zerobus
    const clock = yield* Clock.Clock
    return yield* openPool<R1 | R2 | R3 | R4>({
      zerobus,
      maxOpen: options.maxOpen,
      idleMillis: Duration.toMillis(Duration.fromInputUnsafe(options.idleTimeToLive)),
      maxInflightBytes,
      now: () => Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000),
      stream: { ...stream, maxInflightBytes: Math.floor(maxInflightBytes / PARTS_OF_TABLE) }
    })
  })
