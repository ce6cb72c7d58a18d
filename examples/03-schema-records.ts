/**
 * JSON records typed by an Effect Schema. A record that the schema refuses fails at the call, and
 * the stream stays open.
 *
 * The table must exist. A local server creates it:
 *
 * ```sh
 * npx effect-zerobus local \
 *   --table 'main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)'
 * ```
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schema } from "effect"
import { TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"

const Reading = Schema.Struct({
  device_name: Schema.NonEmptyString,
  temp: Schema.Int.check(Schema.isBetween({ minimum: -90, maximum: 60 })),
  humidity: Schema.Int
})

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  yield* zerobus.withStream(TableProperties.json("main.default.air_quality", Reading), (stream) =>
    Effect.gen(function* () {
      yield* stream.ingestRecord({ device_name: "sensor-1", temp: 22, humidity: 55 })
      yield* stream
        .ingestRecord({ device_name: "sensor-2", temp: 451, humidity: 1 })
        .pipe(
          Effect.catchTag("InvalidArgument", (error) =>
            Console.log(`refused at ${error.path.join(".")}`)
          )
        )
      yield* stream.ingestRecord({ device_name: "sensor-3", temp: 23, humidity: 54 })
    })
  )
  yield* Console.log("2 records durable")
})

program.pipe(Effect.provide(ZerobusLayer), NodeRuntime.runMain)
