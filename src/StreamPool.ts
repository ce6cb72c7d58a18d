/**
 * A pool of streams: records for any number of tables over few open streams.
 *
 * Every table has a line of its own for its records, encoded, and at most `maxOpen` tables have a
 * stream to the server at a time. A free slot goes to the table that has waited longest.
 *
 * @example
 * const pool = yield* StreamPool.make({ maxOpen: 64, idleTimeToLive: "1 minute" })
 * for (const event of events) yield* pool.ingest(tableOf(event.tenant), event)
 * yield* pool.flush
 *
 * @packageDocumentation
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
 * Why `pool.ingest` took nothing: as for a stream; `InvalidState` for a table that came in another
 * format before, and after the pool's scope has closed; or what a table that failed has failed
 * with.
 *
 * @since 0.2.0
 * @category errors
 */
export type PoolIngestError = IngestError | StreamFailure | InvalidState

/**
 * Options of every stream of a pool. A spool belongs to one table, a slot to one lane, and the
 * budget to the pool.
 *
 * @since 0.2.0
 * @category configuration
 */
export type PooledStreamOptions<R1 = never, R2 = never, R3 = never, R4 = never> = Omit<
  OptionsByEffect<any, R1, R2, R3, R4>,
  "laneKey" | "lanes" | "maxInflightBytes" | "spool"
>

/**
 * Options of a pool. A value out of its range fails with `InvalidArgument` that names it.
 *
 * @since 0.2.0
 * @category configuration
 */
export interface StreamPoolOptions<R1 = never, R2 = never, R3 = never, R4 = never> {
  /** Streams that may be open at a time. */
  readonly maxOpen: number
  /**
   * How long a stream stays open without records while no other table waits; milliseconds, or a
   * duration.
   */
  readonly idleTimeToLive: Duration.Input
  /**
   * Bytes that all tables together may have queued and in flight; default 128 MiB. One table may
   * have half of them, so that a table whose records do not get through leaves room for others.
   * Above it `ingest` waits. Each table with records holds up to one buffer of 64 KiB besides.
   */
  readonly maxInflightBytes?: number | undefined
  /**
   * Options of the streams, over the client's defaults. Handlers are told the table's name. Needs
   * `recovery`. `maxInflightRecords` counts per table.
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
   * Queues one record of a table and succeeds with its receipt; waits while the pool, or the table,
   * has no room. Records of one table stay in order. The record is encoded at the call, so that a
   * bad one fails here with `InvalidArgument` or `PayloadTooLarge`. Interrupting the wait hands in
   * nothing.
   *
   * A table is known by its name, and every call must give it in the same format and with the same
   * schema, else `InvalidState`: make a table once and use it for all its records.
   *
   * When a table fails, what it had left goes to `onUnacked` and its receipts fail with the cause;
   * a call that was waiting fails with `StreamClosed`. For 10 seconds further calls for this table
   * fail with the cause at once; then the next one opens it anew. Offsets of a receipt count per
   * table, from 0 again after that.
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
   * Waits until everything that was ingested before is durable or accepted by `onRefused`, each
   * table for at most `flushTimeout`. When tables fail meanwhile, or have failed with records left
   * since the last flush, it waits for the others and then fails with the first cause.
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

/** The parts of the budget that one table may have. */
const PARTS_OF_TABLE = 2

/**
 * Opens a pool in the current scope. It connects with its first records. When the scope closes, all
 * tables are flushed at once within `scopeCloseTimeout`, and what is left goes to `onUnacked`,
 * table by table. Fails with `InvalidArgument` for an option out of its range.
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
