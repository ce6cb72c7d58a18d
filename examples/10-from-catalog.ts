/**
 * A table whose columns come from the catalog, and a comparison with the columns that a program
 * expects.
 *
 * The table must exist. A local server creates it:
 *
 * ```sh
 * npx effect-zerobus local --table 'main.default.readings(device_name STRING, temp INT,
 *   humidity BIGINT, measured_at TIMESTAMP, tags ARRAY<STRING>,
 *   place STRUCT<lat: DOUBLE, lon: DOUBLE>, note STRING)'
 * ```
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { Column, Table, UnityCatalogLayer, Zerobus, ZerobusLayer } from "effect-zerobus"

// The columns that the program expects. The catalog has more.
const Expected = Table.make("main.default.readings", {
  device_name: Column.String,
  temp: Column.SmallInt
})

const program = Effect.gen(function* () {
  const readings = yield* Table.fromCatalog("main.default.readings")
  for (const { message } of Table.diff(Expected, readings)) yield* Console.log(message)

  const zerobus = yield* Zerobus
  yield* zerobus.withStream(readings, (stream) =>
    stream.ingestRecord({ device_name: "sensor-1", temp: 22, humidity: 55n, tags: ["lab"] })
  )
  yield* Console.log("1 record durable")
})

program.pipe(Effect.provide(Layer.mergeAll(ZerobusLayer, UnityCatalogLayer)), NodeRuntime.runMain)
