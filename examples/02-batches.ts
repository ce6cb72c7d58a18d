/**
 * Atomic batches. Each has one offset and is durable as a whole or not at all.
 *
 * The table must exist. A local server creates it:
 *
 * ```sh
 * npx effect-zerobus local \
 *   --table 'main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)'
 * ```
 */
import { NodeRuntime } from "@effect/platform-node"
import { Array, Console, Effect } from "effect"
import { TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"

const batch = (n: number) =>
  Array.makeBy(100, (m) => ({ device_name: `sensor-${m}`, temp: n, humidity: m }))

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  yield* zerobus.withStream(TableProperties.json("main.default.air_quality"), (stream) =>
    Effect.gen(function* () {
      for (let n = 0; n < 10; n++) yield* stream.ingestRecords(batch(n))
      const last = yield* stream.ingestRecords(batch(10))
      if (last !== undefined)
        yield* Console.log(`1100 records durable, the last batch at offset ${yield* last.await}`)
    })
  )
})

program.pipe(Effect.provide(ZerobusLayer), NodeRuntime.runMain)
