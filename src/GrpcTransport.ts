/**
 * The transport over gRPC. Apart from `internal/grpc`, the only module of the client that uses
 * `@grpc/grpc-js`. It does not expose that library's objects.
 *
 * @packageDocumentation
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Opening } from "./internal/userCode/opening.ts"
import { GrpcCall } from "./internal/grpc/grpcCall.ts"
import { type ChannelOptions, channelSettings } from "./internal/grpc/grpcChannel.ts"
import {
  type Connection,
  OwnConnections,
  SharedConnections,
  type Wait
} from "./internal/grpc/grpcConnections.ts"
import { LossSpread } from "./internal/grpc/lossSpread.ts"
import { clientClosed, Transport } from "./Transport.ts"
import type { InvalidArgument, InvalidEndpoint } from "./ZerobusError.ts"

/**
 * A transport to `serverEndpoint` over gRPC and HTTP/2. Each call has its own connection; a
 * connection released by a pool's stream serves a later call. With `connectionPerStream: false`,
 * calls share as few connections as the server's limit of calls per connection allows. Fails with
 * `InvalidEndpoint`, or with `InvalidArgument` for invalid TLS, proxy or application settings.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <R = never>(
  options: ChannelOptions<R>
): Layer.Layer<Transport, InvalidEndpoint | InvalidArgument, Exclude<R, Scope.Scope>> =>
  Layer.effect(
    Transport,
    Effect.gen(function* () {
      const settings = yield* channelSettings(options)
      const clock = yield* Effect.clockWith(Effect.succeed)
      const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
      const exclusive = options.connectionPerStream !== false
      const connections = exclusive
        ? new OwnConnections(settings)
        : new SharedConnections(settings, now)
      const losses = new LossSpread(now)
      const onLost = (): void => losses.note()
      let over = false
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          over = true
          connections.closeUnsafe()
        })
      )
      return {
        open: Effect.fnUntraced(function* (headers, rpc = "EphemeralStream") {
          const opening = yield* Opening
          const held: { connection?: Connection | undefined; call?: GrpcCall } = {}
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              held.call?.endUnsafe()
              if (held.connection !== undefined)
                connections.giveUnsafe(held.connection, held.call !== undefined)
            })
          )
          const waitFor = ({ until, waitingFor }: Wait): Effect.Effect<void> => {
            if (opening !== undefined) opening.waitingFor = waitingFor
            return until
          }
          const turn = losses.turn()
          if (turn !== undefined) yield* waitFor(turn)
          for (;;) {
            const pause = connections.pause(opening?.limit ?? Infinity)
            if (pause !== undefined) yield* waitFor(pause)
            if (over) return yield* clientClosed
            const { connection, wait } = connections.holdUnsafe()
            held.connection = connection
            if (wait !== undefined) yield* waitFor(wait)
            if (over) return yield* clientClosed
            if (wait === undefined || connections.admitsUnsafe(connection)) {
              return (held.call = new GrpcCall(connection, {
                headers,
                rpc,
                mayShare: exclusive,
                onLost
              }))
            }
            held.connection = undefined
            connections.giveUnsafe(connection, false)
          }
        })
      }
    })
  )

/**
 * A transport with settings from `Config`.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = <R = never>(
  config: Config.Wrap<ChannelOptions<R>>
): Layer.Layer<
  Transport,
  Config.ConfigError | InvalidEndpoint | InvalidArgument,
  Exclude<R, Scope.Scope>
> => Layer.unwrap(Effect.map(Config.unwrap(config), (options) => layer<R>(options)))
