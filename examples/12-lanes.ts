/**
 * A fast table over several sessions: four lanes behind one stream. The records of each device stay
 * in order.
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
import { Column, Table, Zerobus, ZerobusLayer } from "effect-zerobus"

const AirQuality = Table.make("main.default.air_quality", {
  device_name: Column.String,
  temp: Column.Int,
  humidity: Column.BigInt
})

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  // Records of one device stay on one lane, so they arrive in the order of these calls.
  const stream = yield* zerobus.createStream(AirQuality, {
    lanes: 4,
    laneKey: (record) => record.device_name
  })
  for (let n = 0; n < 100_000; n++) {
    yield* stream.ingestRecord({
      device_name: `sensor-${n % 100}`,
      temp: n % 40,
      humidity: BigInt(n)
    })
  }
  const last = yield* stream.ingestRecord({ device_name: "sensor-0", temp: 0, humidity: 0n })
  // The receipt waits for its own record, `flush` for all lanes.
  yield* last.await
  yield* stream.flush
  yield* Console.log(`${last.offset + 1} records of 100 devices durable over 4 lanes`)
})

program.pipe(Effect.scoped, Effect.provide(ZerobusLayer), NodeRuntime.runMain)
