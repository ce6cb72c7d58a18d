/**
 * A client over real sockets, for tests of the layers below the engine.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { HeadersProvider } from "../../src/HeadersProvider.ts"
import { Zerobus, type ZerobusShape } from "../../src/Zerobus.ts"
import type { InvalidArgument, InvalidEndpoint, StreamFailure } from "../../src/ZerobusError.ts"
import type { ZerobusOptions } from "../../src/ZerobusOptions.ts"
import { record, table } from "./acceptance.ts"

/** Options of a client without credentials, proxy and retries. */
export const realOptions = (
  serverEndpoint: string,
  options: Partial<ZerobusOptions> = {}
): ZerobusOptions => ({
  serverEndpoint,
  proxy: false,
  ...options,
  stream: {
    headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed({}) }),
    recoverySchedule: Schedule.recurs(0),
    scopeCloseTimeout: 0,
    onUnacked: () => Effect.void,
    ...options.stream
  }
})

export const realClient = (
  serverEndpoint: string,
  options: Partial<ZerobusOptions> = {}
): Effect.Effect<ZerobusShape, InvalidArgument | InvalidEndpoint, Scope.Scope> =>
  Effect.map(Layer.build(Zerobus.layer(realOptions(serverEndpoint, options))), (context) =>
    Context.get(context, Zerobus)
  )

/** Sends one record and succeeds when it is durable. */
export const sendOne = (serverEndpoint: string, options: Partial<ZerobusOptions> = {}) =>
  Effect.scoped(
    Effect.flatMap(realClient(serverEndpoint, options), (zerobus) =>
      zerobus.withStream(table, (stream) => stream.ingestRecord(record(0)))
    )
  ) satisfies Effect.Effect<unknown, StreamFailure | object>
