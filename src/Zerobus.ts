/**
 * The Zerobus client as a service, and its layers.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Credentials from "./Credentials.ts"
import * as GrpcTransport from "./GrpcTransport.ts"
import { HeadersProvider } from "./HeadersProvider.ts"
import { capture } from "./internal/engine/capture.ts"
import { Pooled } from "./internal/engine/pooling.ts"
import { makeClient, openStream, reopenStream } from "./internal/engine/stream.ts"
import { checkOptions } from "./internal/optionRules.ts"
import { makeStreamChurn } from "./internal/userCode/streamChurn.ts"
import { aroundStream } from "./internal/engine/streamOutcome.ts"
import { isTakenOver } from "./internal/engine/streamUnacked.ts"
import { apart } from "./internal/userCode/apart.ts"
import { traced } from "./internal/userCode/shield.ts"
import type { AckError } from "./RecordAck.ts"
import {
  type OptionsByEffect,
  resolve,
  type StreamConfigurationOptions,
  streamRules
} from "./StreamConfigurationOptions.ts"
import type { TableProperties } from "./TableProperties.ts"
import { Transport } from "./Transport.ts"
import {
  type InvalidArgument,
  type InvalidEndpoint,
  type InvalidState,
  Retryable,
  RetryableReason,
  type StreamFailure
} from "./ZerobusError.ts"
import {
  checkZerobusOptions,
  type SettingsByEffect,
  type ZerobusOptions,
  zerobusConfig
} from "./ZerobusOptions.ts"
import { checkStreamId, openPersistent } from "./internal/persistent/openPersistent.ts"
import { retire } from "./internal/persistent/retireStream.ts"
import type { IngestError, PersistentStream, SinkSummary, ZerobusStream } from "./ZerobusStream.ts"

/**
 * The methods of the {@link Zerobus} service.
 *
 * @since 0.1.0
 * @category models
 */
export interface ZerobusShape {
  /**
   * Opens a stream to a table. Succeeds when its first session is open. The stream lives in the
   * caller's scope: when that closes, the stream is flushed within `scopeCloseTimeout` and closed,
   * and unacknowledged records go to `onUnacked`. Fails with the reason why it could not be opened.
   */
  readonly createStream: <A, R1 = never, R2 = never, R3 = never, R4 = never>(
    table: TableProperties<A>,
    options?: OptionsByEffect<A, R1, R2, R3, R4>
  ) => Effect.Effect<ZerobusStream<A>, StreamFailure, Scope.Scope | R1 | R2 | R3 | R4>
  /**
   * Opens a stream, runs `use` with it, then flushes and closes it. Fails with the error of `use`,
   * or with the error that ended the stream. That error's `unacknowledged` is the number of
   * unacknowledged records that went to `onUnacked`. When `use` has passed the stream to
   * `recreateStream`, the new stream has the records, and this one's failure is not reported again.
   */
  readonly withStream: {
    <A, B, E, R>(
      table: TableProperties<A>,
      use: (stream: ZerobusStream<A>) => Effect.Effect<B, E, R>
    ): Effect.Effect<B, E | StreamFailure | AckError, Exclude<R, Scope.Scope>>
    <A, B, E, R, R1 = never, R2 = never, R3 = never, R4 = never>(
      table: TableProperties<A>,
      options: OptionsByEffect<A, R1, R2, R3, R4>,
      use: (stream: ZerobusStream<A>) => Effect.Effect<B, E, R>
    ): Effect.Effect<B, E | StreamFailure | AckError, Exclude<R | R1 | R2 | R3 | R4, Scope.Scope>>
  }
  /**
   * Opens a new stream with the table and options of an ended one and ingests its unacknowledged
   * records once: in order, batches as batches. Fails with `InvalidState` for an active stream and
   * for a second call. When the new stream fails to open, the call can be repeated. It also takes
   * records that `getUnackedRecords` or `onUnacked` returned: use only one of these ways. The
   * options keep the services of the ended stream.
   */
  readonly recreateStream: <A>(
    ended: ZerobusStream<A>
  ) => Effect.Effect<ZerobusStream<A>, StreamFailure | InvalidState, Scope.Scope>
  /**
   * A sink with its own stream: opens it, ingests, closes it, and ends with a summary when
   * everything is durable. Fails like `withStream`; unacknowledged records then go to `onUnacked`.
   */
  readonly sink: <A, R1 = never, R2 = never, R3 = never, R4 = never>(
    table: TableProperties<A>,
    options?: OptionsByEffect<A, R1, R2, R3, R4>
  ) => Sink.Sink<
    SinkSummary,
    A,
    never,
    StreamFailure | IngestError | AckError,
    Exclude<R1 | R2 | R3 | R4, Scope.Scope>
  >
  /**
   * Experimental: creates a {@link PersistentStream}, which can be resumed by its `streamId`. With
   * a spool that already belongs to a persistent stream it resumes that stream, so that a program
   * can do the same at each start. Fails with `Unsupported` when the server has no persistent
   * streams, and with `InvalidArgument` for `onRefused`, `lanes`, `laneKey` and federated
   * credentials. `batching` has no effect. When the server's answer is lost, the server keeps a
   * stream whose id is unknown.
   *
   * @example
   * const spool = Spool.directory("spool/orders")
   * const stream = yield* zerobus.createPersistentStream(table, { spool })
   */
  readonly createPersistentStream: <A, R1 = never, R2 = never, R3 = never, R4 = never>(
    table: TableProperties<A>,
    options?: OptionsByEffect<A, R1, R2, R3, R4>
  ) => Effect.Effect<PersistentStream<A>, StreamFailure, Scope.Scope | R1 | R2 | R3 | R4>
  /**
   * Experimental: opens the persistent stream with this id, after the last record that the server
   * has committed. If it is open elsewhere, that stream ends with `InvalidState`. Fails with
   * `InvalidArgument` for an id that is unknown or retired and for another record type than it was
   * created with, and with `InvalidState` for a spool that belongs to another stream.
   *
   * @example
   * const stream = yield* zerobus.resumePersistentStream(table, streamId)
   */
  readonly resumePersistentStream: <A, R1 = never, R2 = never, R3 = never, R4 = never>(
    table: TableProperties<A>,
    streamId: string,
    options?: OptionsByEffect<A, R1, R2, R3, R4>
  ) => Effect.Effect<PersistentStream<A>, StreamFailure, Scope.Scope | R1 | R2 | R3 | R4>
  /**
   * Experimental: ends a persistent stream permanently. Its records stay in the table. No stream
   * needs to be open; an open one ends. Retiring it again succeeds. Fails with `InvalidArgument`
   * for an unknown id, and with `Retryable` when the server could not be reached: call it again
   * then. An attempt takes at most `recoveryTimeout`.
   *
   * @example
   * yield* zerobus.retireStream("main.default.orders", streamId)
   */
  readonly retireStream: (tableName: string, streamId: string) => Effect.Effect<void, StreamFailure>
}

/**
 * The checked options of a stream, with the services of the current context. An option that is
 * `undefined` counts as not given, so the client's default applies.
 */
const withDefaults = <A, R>(
  defaults: StreamConfigurationOptions<A>,
  options: StreamConfigurationOptions<A, R> = {},
  context: Context.Context<R>
): Effect.Effect<StreamConfigurationOptions<A>, InvalidArgument> =>
  Effect.suspend(() => {
    const refused = checkOptions(streamRules, options)
    if (refused !== undefined) return Effect.fail(refused)
    // Reads the options by the names of the rules: they may be getters of a class instance.
    const given: Record<string, unknown> = {}
    for (const name in streamRules) {
      const value = options[name as keyof StreamConfigurationOptions]
      if (value !== undefined) given[name] = value
    }
    return Effect.succeed({
      ...defaults,
      ...capture(given as StreamConfigurationOptions<A, R>, context)
    })
  })

/** Runs `beforeOpen` within the time limit of one attempt. */
const withinAttempt = (
  beforeOpen: Effect.Effect<unknown, StreamFailure>,
  options: StreamConfigurationOptions
): Effect.Effect<unknown, StreamFailure> =>
  Effect.flatMap(Effect.fromResult(resolve(options)), ({ recoveryTimeout }) =>
    Effect.timeoutOrElse(apart(beforeOpen), {
      duration: recoveryTimeout,
      orElse: () => {
        const message =
          `The option beforeOpen took longer than ${recoveryTimeout} ms ` + `(recoveryTimeout).`
        return Effect.fail(
          new Retryable({ reason: RetryableReason.ConnectTimeout({ message }), attempts: 1 })
        )
      }
    })
  )

const make = <R>(
  options: StreamConfigurationOptions<any, R>
): Effect.Effect<ZerobusShape, never, Transport | HeadersProvider | Scope.Scope | R> =>
  Effect.gen(function* () {
    const defaults = capture(options, yield* Effect.context<R>())
    const transport = yield* Transport
    const client = yield* makeClient(yield* HeadersProvider)
    const noteStream = yield* makeStreamChurn

    /**
     * Opens a stream with the given options and the client's defaults, in a span. Runs `check`
     * first.
     */
    const opening = <A, R, S>(
      span: string,
      table: TableProperties<A>,
      options: StreamConfigurationOptions<A, R> | undefined,
      open: (
        options: StreamConfigurationOptions<A>
      ) => Effect.Effect<S, StreamFailure, Transport | Scope.Scope>,
      check: Effect.Effect<void, InvalidArgument> = Effect.void
    ): Effect.Effect<S, StreamFailure, Scope.Scope | R> =>
      // The context does not include the span, so that captured services are the same for all
      // streams.
      Effect.contextWith((context: Context.Context<R>) => {
        const opened = Effect.gen(function* () {
          yield* check
          yield* client.whileOpen
          yield* noteStream(table?.tableName)
          const all = yield* withDefaults(defaults, options, context)
          // Streams that `beforeOpen` opens do not belong to the pool.
          if (all.beforeOpen !== undefined) {
            yield* Effect.provideService(withinAttempt(all.beforeOpen, all), Pooled, undefined)
          }
          return yield* open(all).pipe(Effect.provideService(Transport, transport))
        })
        return traced(opened, span, { table: table?.tableName })
      })
    const createStream: ZerobusShape["createStream"] = <A, R1, R2, R3, R4>(
      table: TableProperties<A>,
      options?: OptionsByEffect<A, R1, R2, R3, R4>
    ) =>
      opening<A, R1 | R2 | R3 | R4, ZerobusStream<A>>(
        "Zerobus.createStream",
        table,
        options,
        (all) => openStream(table, all, client)
      )

    const createPersistentStream: ZerobusShape["createPersistentStream"] = <A, R1, R2, R3, R4>(
      table: TableProperties<A>,
      options?: OptionsByEffect<A, R1, R2, R3, R4>
    ) =>
      opening<A, R1 | R2 | R3 | R4, PersistentStream<A>>(
        "Zerobus.createPersistentStream",
        table,
        options,
        (all) => openPersistent(table, all, client, undefined)
      )
    const resumePersistentStream: ZerobusShape["resumePersistentStream"] = <A, R1, R2, R3, R4>(
      table: TableProperties<A>,
      streamId: string,
      options?: OptionsByEffect<A, R1, R2, R3, R4>
    ) =>
      opening<A, R1 | R2 | R3 | R4, PersistentStream<A>>(
        "Zerobus.resumePersistentStream",
        table,
        options,
        (all) => openPersistent(table, all, client, streamId),
        Effect.suspend(() => checkStreamId(streamId))
      )
    const retireStream: ZerobusShape["retireStream"] = (tableName, streamId) => {
      const retired = Effect.gen(function* () {
        yield* client.whileOpen
        const { headersProvider, recoveryTimeout } = yield* Effect.fromResult(resolve(defaults))
        yield* retire(headersProvider ?? client.provider, tableName, streamId, recoveryTimeout)
      })
      return traced(Effect.provideService(retired, Transport, transport), "Zerobus.retireStream", {
        table: tableName
      })
    }

    const withStream = <A, B, E, R, R2 = never>(
      table: TableProperties<A>,
      ...rest:
        | [(stream: ZerobusStream<A>) => Effect.Effect<B, E, R>]
        | [StreamConfigurationOptions<A, R2>, (stream: ZerobusStream<A>) => Effect.Effect<B, E, R>]
    ): Effect.Effect<B, E | StreamFailure | AckError, Exclude<R | R2, Scope.Scope>> => {
      const [options, use] = rest.length === 1 ? [undefined, rest[0]] : rest
      const used = aroundStream(
        Effect.fnUntraced(function* (note) {
          const stream = note(yield* createStream(table, options))
          const result = yield* use(stream)
          if (!isTakenOver(stream)) yield* stream.close
          return result
        }, Effect.scoped)
      )
      return traced(used, "Zerobus.withStream", { table: table?.tableName })
    }

    const recreateStream: ZerobusShape["recreateStream"] = (ended) =>
      traced(
        Effect.andThen(client.whileOpen, reopenStream(ended, client)),
        "Zerobus.recreateStream",
        {
          table: ended?.table?.tableName
        }
      ).pipe(Effect.provideService(Transport, transport))

    const sink: ZerobusShape["sink"] = (table, options) =>
      Sink.fromTransform((upstream, scope) => {
        const drained = aroundStream(
          Effect.fnUntraced(function* (note) {
            const stream = note(yield* createStream(table, options))
            const end = yield* stream.toSink.transform(upstream, scope)
            return yield* Effect.as(stream.close, end)
          }, Effect.scoped)
        )
        return traced(drained, "Zerobus.sink", { table: table?.tableName })
      })

    return {
      createStream,
      withStream,
      recreateStream,
      sink,
      createPersistentStream,
      resumePersistentStream,
      retireStream
    }
  })

/**
 * The client service. It opens streams to tables.
 *
 * @example
 * const program = Effect.gen(function*() {
 *   const zerobus = yield* Zerobus
 *   const stream = yield* zerobus.createStream(TableProperties.json("main.default.air_quality"))
 *   const ack = yield* stream.ingestRecord({ device_name: "sensor-1", temp: 22 })
 *   yield* ack.await
 * })
 * program.pipe(Effect.scoped, Effect.provide(ZerobusLayer))
 *
 * @since 0.1.0
 * @category services
 */
export class Zerobus extends Context.Service<Zerobus, ZerobusShape>()("effect-zerobus/Zerobus") {
  /**
   * The client with a custom transport and headers provider. Streams use the options that they are
   * given, else the defaults.
   */
  static readonly layerNoDeps: Layer.Layer<Zerobus, never, Transport | HeadersProvider> =
    Layer.effect(this, make({}))

  /**
   * The client with explicit settings. Fails with `InvalidEndpoint`, or with `InvalidArgument` that
   * names the setting.
   */
  static readonly layer = <R1 = never, R2 = never, R3 = never>(
    options: SettingsByEffect<R1, R2, R3>
  ): Layer.Layer<Zerobus, InvalidEndpoint | InvalidArgument, Exclude<R1 | R2 | R3, Scope.Scope>> =>
    Layer.unwrap(
      Effect.map(checkZerobusOptions(options), () =>
        Layer.effect(Zerobus, make<R1>(options.stream ?? {})).pipe(
          Layer.provide([GrpcTransport.layer<R3>(options), Credentials.layer<R2 | R3>(options)])
        )
      )
    )

  /** The client with settings from `Config`. */
  static readonly layerConfig = <R = never>(
    config: Config.Wrap<ZerobusOptions<R>>
  ): Layer.Layer<
    Zerobus,
    Config.ConfigError | InvalidEndpoint | InvalidArgument,
    Exclude<R, Scope.Scope>
  > => Layer.unwrap(Effect.map(Config.unwrap(config), (options) => Zerobus.layer(options)))
}

/**
 * The client with settings from the environment, read through `Config`: `ZEROBUS_SERVER_ENDPOINT`,
 * `DATABRICKS_WORKSPACE_URL`, `DATABRICKS_CLIENT_ID`, `DATABRICKS_CLIENT_SECRET` or the token of
 * another identity provider, and the optional settings of {@link zerobusConfig}.
 *
 * @since 0.1.0
 * @category layers
 */
export const ZerobusLayer: Layer.Layer<
  Zerobus,
  Config.ConfigError | InvalidEndpoint | InvalidArgument
> = Zerobus.layerConfig(zerobusConfig)
