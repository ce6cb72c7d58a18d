/**
 * One record and its acknowledgement.
 *
 * Every example reads the four variables that `zerobus local` prints, or those of a workspace.
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
import { TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  const stream = yield* zerobus.createStream(TableProperties.json("main.default.air_quality"))
  const ack = yield* stream.ingestRecord({ device_name: "sensor-1", temp: 22, humidity: 55 })
  const offset = yield* ack.await
  yield* Console.log(`durable at offset ${offset}`)
})

program.pipe(Effect.scoped, Effect.provide(ZerobusLayer), NodeRuntime.runMain)
