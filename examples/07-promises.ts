/**
 * For programs without Effect: one runtime for the process, promises at its edge.
 *
 * The table must exist. A local server creates it:
 *
 * ```sh
 * npx effect-zerobus local \
 *   --table 'main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)'
 * ```
 */
import { Exit, ManagedRuntime, Scope } from "effect"
import { TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"

const runtime = ManagedRuntime.make(ZerobusLayer)
const scope = Scope.makeUnsafe()
try {
  const stream = await runtime.runPromise(
    Zerobus.use((zerobus) =>
      zerobus.createStream(TableProperties.json("main.default.air_quality"))
    ).pipe(Scope.provide(scope))
  )
  // Per record, a synchronous call. A promise is needed only when there is no room.
  for (let n = 0; n < 1000; n++) {
    const record = { device_name: "sensor-1", temp: n, humidity: n }
    if (stream.offerUnsafe(record) === undefined)
      await runtime.runPromise(stream.ingestRecord(record))
  }
  await runtime.runPromise(stream.close)
  console.log("1000 records durable")
} finally {
  await runtime.runPromise(Scope.close(scope, Exit.void))
  await runtime.dispose()
}
