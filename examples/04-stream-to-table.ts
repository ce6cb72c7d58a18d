/**
 * Streams an Effect `Stream` into a typed table: protobuf on the wire, no generated code,
 * end-to-end backpressure.
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
import { Console, DateTime, Effect, Stream } from "effect"
import { Column, Table, Zerobus, ZerobusLayer } from "effect-zerobus"

const Readings = Table.make("main.default.readings", {
  device_name: Column.String,
  temp: Column.Int,
  humidity: Column.BigInt,
  measured_at: Column.Timestamp,
  tags: Column.Array(Column.String),
  place: Column.Struct({ lat: Column.Double, lon: Column.Double }),
  note: Column.nullable(Column.String)
})

const midnight = DateTime.makeUnsafe("2026-01-01T00:00:00Z")

const rows = Stream.range(1, 10_000).pipe(
  Stream.map((n): typeof Readings.Type => ({
    device_name: `sensor-${n % 10}`,
    temp: 20 + (n % 15),
    humidity: BigInt(50 + (n % 40)),
    measured_at: DateTime.add(midnight, { seconds: n }),
    tags: ["lab"],
    place: { lat: 44.8, lon: 20.5 },
    note: n % 2 === 0 ? null : "odd"
  }))
)

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  const summary = yield* Stream.run(rows, zerobus.sink(Readings))
  yield* Console.log(`${summary.records} records durable, last offset ${summary.lastOffset}`)
})

program.pipe(Effect.provide(ZerobusLayer), NodeRuntime.runMain)
