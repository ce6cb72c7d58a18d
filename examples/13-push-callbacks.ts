/**
 * The push callbacks of other SDKs, `onAck(offset)` and `onError(offset, message)`, for a program
 * with promises: one call per offset, in order, and one for each remaining offset when the stream
 * fails.
 *
 * The table must exist. A local server creates it:
 *
 * ```sh
 * npx effect-zerobus local \
 *   --table 'main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)'
 * ```
 */
import { Effect, Exit, ManagedRuntime, Scope, Stream } from "effect"
import { TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"

interface Callbacks {
  readonly onAck: (offset: number) => void
  readonly onError: (offset: number, message: string) => void
}

/** Opens a stream with callbacks. Its methods return promises. */
const openStream = async (tableName: string, { onAck, onError }: Callbacks) => {
  const runtime = ManagedRuntime.make(ZerobusLayer)
  const scope = Scope.makeUnsafe()
  const refused = new Set<number>()
  const stream = await runtime.runPromise(
    Zerobus.use((zerobus) =>
      zerobus.createStream(TableProperties.json(tableName), {
        // A record that the server refuses does not end the stream.
        onRefused: ({ cause, offset }) =>
          Effect.sync(() => {
            refused.add(offset)
            onError(offset, cause.message)
          })
      })
    ).pipe(Scope.provide(scope))
  )

  /** The first offset without a callback. */
  let next = 0
  // Everything up to a durable offset is durable or was refused. One value may cover several
  // offsets.
  const acknowledged = Stream.runForEach(stream.durableOffsets, (durable) =>
    Effect.sync(() => {
      for (; next <= durable; next++) if (!refused.delete(next)) onAck(next)
    })
  )
  const followed = runtime.runPromise(
    Effect.catch(acknowledged, ({ message }) =>
      // A batch has one offset.
      Effect.map(stream.getUnackedBatches, (left) => left.forEach(() => onError(next++, message)))
    )
  )

  return {
    ingest: (record: TableProperties.JsonRecord) => runtime.runPromise(stream.ingestRecord(record)),
    /** Rejects when the stream has failed. All callbacks have been called before that. */
    close: async () => {
      const closed = await runtime.runPromiseExit(stream.close)
      await followed
      await runtime.runPromise(Scope.close(scope, Exit.void))
      await runtime.dispose()
      if (Exit.isFailure(closed)) throw new Error("The stream has failed")
    }
  }
}

const offsets: Array<number> = []
const errors: Array<number> = []
const stream = await openStream("main.default.air_quality", {
  onAck: (offset) => offsets.push(offset),
  onError: (offset) => errors.push(offset)
})
for (let n = 0; n < 1000; n++) {
  await stream.ingest({ device_name: `sensor-${n % 10}`, temp: n === 500 ? "unknown" : n % 40 })
}
await stream.close()
const inOrder = offsets.every((offset, index) => index === 0 || offset > offsets[index - 1]!)
console.log(
  `${offsets.length} acknowledged, ${inOrder ? "in order" : "not in order"}; refused: ` +
    `${errors.join()}`
)
