/**
 * Ingestion over many machines: the shards of a table, each owned by one runner of an
 * `effect/cluster` at a time.
 *
 * Any runner accepts any record and sends it, in batches, to the owner of the record's key. The
 * owner writes it through the single stream of its shard. When a runner stops, its shards move, and
 * unacknowledged records are sent again. Records of a key become durable in the order in which one
 * process ingests them, as long as the cluster's shard leases hold: the service has no fencing that
 * would stop a runner that has lost its lease without noticing. The program provides the cluster
 * itself (`NodeClusterSocket` and its SQL storage).
 *
 * @packageDocumentation
 *
 * @example
 * const Shards = ZerobusShards.layer({
 *   table: readings,
 *   shards: 64,
 *   key: (reading: Reading) => reading.device
 * })
 * const program = ZerobusShards.ingest({ device: "sensor-1", temp: 22 })
 * const Cluster = NodeClusterSocket.layer().pipe(Layer.provide(SqlLayer))
 * program.pipe(Effect.provide(Shards), Effect.provide([Cluster, ZerobusLayer]))
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { CurrentAddress } from "effect/cluster/Entity"
import type * as Sharding from "effect/cluster/Sharding"
import { checkTableName } from "../internal/columns/tableName.ts"
import { ScratchWriter } from "../internal/landing/scratchWriter.ts"
import { SizeLimits } from "../internal/landing/sizeLimits.ts"
import {
  checkOptions,
  count,
  duration,
  fields,
  type OptionRules,
  required,
  that
} from "../internal/optionRules.ts"
import {
  resolve,
  type StreamConfigurationOptions,
  streamRules
} from "../StreamConfigurationOptions.ts"
import type { TableProperties } from "../TableProperties.ts"
import { Zerobus } from "../Zerobus.ts"
import {
  InvalidArgument,
  type InvalidTable,
  ProtocolViolation,
  StreamClosed,
  type ZerobusError
} from "../ZerobusError.ts"
import {
  type Outcome,
  payloadsOf,
  type Replier,
  shardEntity,
  shardOf,
  type ShardRequest
} from "./shardProtocol.ts"
import { makeSender } from "./shardSender.ts"
import { feedStreams, type ShardBatch } from "./shardStream.ts"

/**
 * The shards of a table of records `A`, as a service.
 *
 * @since 0.2.0
 * @category services
 */
export interface ZerobusShards<out A> {
  /** @hidden */
  readonly "~effect-zerobus/cluster/ZerobusShards": { readonly _A: A }
}

/**
 * How records are combined into the batches that runners send each other.
 *
 * @since 0.2.0
 * @category configuration
 */
export interface ShardBatchOptions {
  /** Most records of a batch. Default 5,000. */
  readonly maxRecords?: number | undefined
  /** Most bytes of a batch. Default 1 MiB. A larger record is sent alone. */
  readonly maxBytes?: number | undefined
}

/**
 * Options of a shard's stream: those of any stream, without `spool` and `onUnacked`, because the
 * senders or the message storage keep the records.
 *
 * @since 0.2.0
 * @category configuration
 */
export type ShardStreamOptions<A, R = never> = Omit<
  StreamConfigurationOptions<A, R>,
  "spool" | "onUnacked"
>

/**
 * Options of {@link layer}. All runners must have the same `table`, `shards` and `key`.
 *
 * @since 0.2.0
 * @category configuration
 */
export interface ShardsOptions<in out A, out R = never> {
  /** The target table. */
  readonly table: TableProperties<A>
  /**
   * Number of shards, from 1 to 10,000: the number of streams to the table over all runners. The
   * shard of a key depends on it, so it must be the same on every runner. Change it only when no
   * records are in flight.
   */
  readonly shards: number
  /** The key of a record. Records of one key keep their order. */
  readonly key: (record: A) => string | number
  /**
   * Options of each shard's stream. `onRefused` receives refused records. Without it, only `ingest`
   * reports them, and `persisted` is not available. `scopeCloseTimeout` defaults to 1 second here.
   */
  readonly stream?: ShardStreamOptions<A, R> | undefined
  /** How records are combined into batches. */
  readonly batch?: ShardBatchOptions | undefined
  /**
   * Time limit for a batch until its owner has replied, including moves of its shard. Default 300
   * seconds. After that its records fail with `Retryable` of reason `AckTimeout`.
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Options of one `ingest` call.
 *
 * @since 0.2.0
 * @category configuration
 */
export interface ShardIngestOptions {
  /**
   * Whether `ingest` succeeds as soon as the cluster's message storage contains the record. Default
   * false. The owner of the shard then writes it, even when the runner that accepted it has
   * stopped. Needs `onRefused` in the options of the stream.
   */
  readonly persisted?: boolean | undefined
}

interface Service<in A> {
  readonly ingest: (record: A, options: ShardIngestOptions) => Effect.Effect<void, ZerobusError>
}

const tag = <A>() =>
  Context.Service<ZerobusShards<A>, Service<A>>(
    "effect-zerobus/cluster/ZerobusShards"
  ) as Context.Key<ZerobusShards<A>, Service<A>>

const { onUnacked: _, spool: __, ...shardStreamRules } = streamRules

const isFunction = (value: unknown): boolean => typeof value === "function"

const rules: OptionRules<ShardsOptions<any>> = {
  table: required(
    that(
      "made with TableProperties or Table",
      (value) => typeof value === "object" && value !== null
    )
  ),
  shards: required(count(1, 10_000)),
  key: required(that("a function that returns a string or a number", isFunction)),
  stream: fields<ShardStreamOptions<any>>(shardStreamRules),
  batch: fields<ShardBatchOptions>({ maxRecords: count(), maxBytes: count() }),
  timeout: duration("above zero")
}

/** Most batches that wait for a shard's stream. Above that, senders wait and retry. */
const MAILBOX = 256
/**
 * Time limit for the flush of a shard's stream when the shard moves, in milliseconds.
 * Unacknowledged records are sent again anyway.
 */
const STREAM_CLOSE_TIMEOUT = 1000
/** How long the layer waits for batches in flight when it is closed, in milliseconds. */
const CLOSE_TIMEOUT = 20_000
const TIMEOUT = 300_000
const MAX_RECORDS = 5000
const MAX_BYTES = 1024 * 1024

/**
 * The table for the owner of a shard: records arrive as encoded payloads. User code that reads them
 * receives decoded records.
 */
const encodedTable = <A>({ codec, ...table }: TableProperties<A>): TableProperties<Uint8Array> => ({
  ...table,
  codec: {
    write: (payload, sink) => {
      sink.ensure(payload.length)
      sink.buffer.set(payload, sink.position)
      sink.position += payload.length
      return undefined
    },
    read: codec.read as (payload: Uint8Array) => any
  }
})

/** Registers the shard owners with the cluster. */
const register = <A, R>(options: ShardsOptions<A, R>) =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    // Each stream has its own scope, not that of the layer.
    const context = Context.omit(Scope.Scope)(yield* Effect.context<R>())
    const stream = {
      scopeCloseTimeout: STREAM_CLOSE_TIMEOUT,
      // Refused records are reported to their senders, so that the stream can continue without
      // them.
      ...(options.stream?.recovery === false ? {} : { onRefused: () => Effect.void }),
      ...options.stream,
      onUnacked: () => Effect.void
    } as StreamConfigurationOptions<any, R>
    const open = Effect.provideContext(
      zerobus.createStream(encodedTable(options.table), stream as StreamConfigurationOptions<any>),
      context as Context.Context<never>
    )
    const entity = shardEntity(options.table.tableName, options.shards)
    const serve = Effect.map(
      CurrentAddress,
      ({ entityId }) =>
        (requests: Queue.Dequeue<ShardRequest>, replier: Replier) =>
          Effect.gen(function* () {
            const batches = yield* Queue.unbounded<ShardBatch>()
            const arriving = Effect.forever(
              Effect.flatMap(Queue.take(requests), (request) => {
                const payloads = payloadsOf(request.payload.records)
                const reply = (outcome: Outcome) => replier.succeed(request, outcome)
                return payloads === undefined
                  ? reply({ settled: 0, refused: [], failure: unreadable })
                  : Queue.offer(batches, { payloads, stored: request.tag === "Store", reply })
              })
            )
            return yield* Effect.raceFirst(arriving, feedStreams(batches, open))
          }).pipe(Effect.annotateLogs({ table: options.table.tableName, shard: entityId }))
    )
    const layer = entity.toLayerQueue(serve, { mailboxCapacity: MAILBOX })
    yield* Layer.build(layer)
    return entity
  })

/** Encodes single records and refuses those that the shard's stream would refuse. */
const makeEncoder = <A>({ key, shards, stream, table }: ShardsOptions<A, any>) =>
  Effect.map(Effect.fromResult(resolve(stream as StreamConfigurationOptions<A>)), (limits) => {
    const writer = new ScratchWriter(table.codec)
    const sizes = new SizeLimits(limits)
    return (record: A) => {
      const shard = shardOf(key(record), shards)
      writer.begin()
      const refusal = writer.writeRecord(record) ?? sizes.check(writer.payloadSize, writer.size)
      return refusal ?? { shard, content: Buffer.from(writer.buffer.subarray(0, writer.position)) }
    }
  })

const unreadable = new ProtocolViolation({
  message:
    "The owner of the record's shard cannot read its batch. Run the same version of " +
    "effect-zerobus on all runners."
})

const noRefusals = new InvalidArgument({
  message:
    "No caller waits for a record with persisted: true, so its refusal cannot be reported. " +
    "Give the layer stream.onRefused, such as DeadLetters.file(path).",
  path: ["persisted"]
})

const make = <A, R>(options: ShardsOptions<A, R>) =>
  Effect.gen(function* () {
    const refused = checkOptions(rules, options)
    if (refused !== undefined) return yield* refused
    yield* checkTableName(options.table.tableName)
    const encode = yield* makeEncoder(options)
    const entity = yield* register(options)
    const client = yield* entity.client
    const owners = Array.from({ length: options.shards }, (_, shard) => client(String(shard)))
    const accept = yield* makeSender(
      (shard, records, stored) =>
        stored
          ? Effect.as(owners[shard]!.Store({ records }, { discard: true }), undefined)
          : owners[shard]!.Ingest({ records }),
      {
        maxRecords: options.batch?.maxRecords ?? MAX_RECORDS,
        maxBytes: options.batch?.maxBytes ?? MAX_BYTES,
        timeout: Duration.toMillis(Duration.fromInputUnsafe(options.timeout ?? TIMEOUT)),
        closeTimeout: CLOSE_TIMEOUT
      }
    ).pipe(Effect.annotateLogs({ table: options.table.tableName }))
    const ingest = (
      record: A,
      { persisted = false }: ShardIngestOptions
    ): Effect.Effect<void, ZerobusError> =>
      Effect.suspend(() => {
        if (persisted && options.stream?.onRefused === undefined) return Effect.fail(noRefusals)
        const encoded = encode(record)
        if ("_tag" in encoded) return Effect.fail(encoded)
        return Effect.callback<void, ZerobusError>((resume) => {
          const waiting = { content: encoded.content, stored: persisted, done: resume }
          if (!accept(encoded.shard, waiting))
            resume(Exit.fail(new StreamClosed({ operation: "ingest" })))
        })
      })
    return { ingest }
  })

/**
 * The shards of a table on this runner. It owns the shards that the cluster assigns to it and sends
 * records of other shards to their owners. A client-only runner owns none. Fails with
 * `InvalidArgument` for an invalid option and with `InvalidTable` for an invalid name. One layer
 * serves one table; provide it to the part of the program that ingests into that table.
 *
 * Closing the layer first sends waiting records, for at most 20 seconds. The remaining ones fail
 * with `StreamClosed`.
 *
 * @example
 * const Shards = ZerobusShards.layer({
 *   table: TableProperties.json("main.default.readings", Reading),
 *   shards: 64,
 *   key: (reading: Reading) => reading.device,
 *   stream: { onRefused: DeadLetters.file("refused.ndjson") }
 * })
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = <A, R = never>(
  options: ShardsOptions<A, R>
): Layer.Layer<
  ZerobusShards<A>,
  InvalidArgument | InvalidTable,
  Zerobus | Sharding.Sharding | Exclude<R, Scope.Scope>
> => Layer.effect(tag<A>(), make(options)) as any

/**
 * Sends one record to the owner of its key. Succeeds when it is durable, or with `persisted: true`
 * when the cluster's message storage contains it. Records of one key stay in the order of the
 * calls.
 *
 * Fails with:
 *
 * - `InvalidArgument` or `PayloadTooLarge` for a record that cannot be sent
 * - `InvalidArgument` for a record that the server refused
 * - the error that ended the shard's stream; the record may then be durable or not
 * - `Retryable` of reason `AckTimeout` after `timeout`
 * - `Retryable` of reason `SpoolUnavailable` when the message storage failed
 * - `StreamClosed` once the layer or the cluster is closed
 *
 * Interrupting it ends the wait, not the sending.
 *
 * @example
 * yield* ZerobusShards.ingest({ device: "sensor-1", temp: 22 })
 * yield* ZerobusShards.ingest({ device: "sensor-1", temp: 23 }, { persisted: true })
 *
 * @since 0.2.0
 * @category accessors
 */
export const ingest = <A>(
  record: A,
  options: ShardIngestOptions = {}
): Effect.Effect<void, ZerobusError, ZerobusShards<A>> =>
  Effect.flatMap(tag<A>(), (service) => service.ingest(record, options))
