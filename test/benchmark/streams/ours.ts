/**
 * This package: one fiber per tick of the load ingests the records that are due, and one fiber per
 * observed record awaits its receipt.
 */
import { Effect, Exit, ManagedRuntime, Redacted, Scope } from "effect"
import { descriptor, TABLE } from "../clients/client.ts"
import type { LoadLone } from "./lone.ts"

type Package = typeof import("effect-zerobus")

/** The number of streams being opened at once. */
const OPENING = 64

export const load: LoadLone = async ({ entry, port, shared, streams: count, tokens }) => {
  const { HeadersProvider, TableProperties, Zerobus } = (await import(
    entry ?? "effect-zerobus"
  )) as Package
  return async (records) => {
    const serverEndpoint = `http://127.0.0.1:${port}`
    const runtime = ManagedRuntime.make(
      Zerobus.layer(
        tokens === undefined
          ? { serverEndpoint, connectionPerStream: shared !== true }
          : {
              ...tokens,
              serverEndpoint,
              connectionPerStream: shared !== true,
              clientSecret: Redacted.make(tokens.clientSecret),
              proxy: false
            }
      )
    )
    const headersProvider = HeadersProvider.make({
      getHeaders: Effect.succeed({ authorization: "Bearer benchmark" })
    })
    const scope = Scope.makeUnsafe()
    const streams = await runtime.runPromise(
      Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const options = tokens === undefined ? { headersProvider } : {}
        const one = zerobus.createStream(TableProperties.proto(TABLE, descriptor), options)
        return yield* Effect.all(
          Array.from({ length: count }, () => one),
          { concurrency: OPENING }
        )
      }).pipe(Scope.provide(scope))
    )
    const ignore = (error: unknown): void => {
      throw error
    }
    let next = 0
    return {
      send: (due, acknowledged) => {
        const handIn = Effect.gen(function* () {
          for (const { observed, stream } of due) {
            const started = performance.now()
            const receipt = yield* streams[stream]!.ingestRecord(records[next++ % records.length]!)
            if (!observed) continue
            const noted = Effect.map(receipt.await, () => acknowledged(performance.now() - started))
            yield* Effect.forkDetach(noted, { startImmediately: true })
          }
        })
        runtime.runPromise(handIn as Effect.Effect<void>).catch(ignore)
      },
      flush: () =>
        runtime.runPromise(
          Effect.forEach(streams, (stream) => stream.flush, {
            concurrency: "unbounded",
            discard: true
          })
        ),
      close: () => runtime.runPromise(Scope.close(scope, Exit.void))
    }
  }
}
