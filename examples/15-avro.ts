/**
 * Avro records: values that are encoded by an Avro schema, and bytes that another program has
 * encoded already. A value that does not fit fails at the call, and the stream stays open.
 *
 * The table must exist. A local server creates it:
 *
 * ```sh
 * npx effect-zerobus local \
 *   --table 'main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)'
 * ```
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Zerobus, ZerobusLayer } from "effect-zerobus"
import { AvroTable } from "effect-zerobus/avro"

const table = AvroTable.make("main.default.air_quality", {
  type: "record",
  name: "Reading",
  fields: [
    { name: "device_name", type: "string" },
    { name: "temp", type: ["null", "int"] },
    { name: "humidity", type: ["null", "long"] }
  ]
})

// A record of the schema without a container: "sensor-2", 23, and no humidity.
const encoded = Uint8Array.of(16, 115, 101, 110, 115, 111, 114, 45, 50, 2, 46, 0)

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  yield* zerobus.withStream(table, (stream) =>
    Effect.gen(function* () {
      yield* stream.ingestRecord({ device_name: "sensor-1", temp: 22, humidity: 55n })
      yield* stream.ingestRecord(encoded)
      yield* stream
        .ingestRecord({ device_name: "sensor-3", temp: 22.5 })
        .pipe(
          Effect.catchTag("InvalidArgument", (error) =>
            Console.log(`refused at ${error.path.join(".")}`)
          )
        )
    })
  )
  yield* Console.log("2 records durable")
})

program.pipe(Effect.provide(ZerobusLayer), NodeRuntime.runMain)
