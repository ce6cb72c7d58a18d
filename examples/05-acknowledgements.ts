/**
 * Follows the durable offset while a plain callback, here a timer, ingests records.
 *
 * The table must exist. A local server creates it:
 *
 * ```sh
 * npx effect-zerobus local \
 *   --table 'main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)'
 * ```
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber, Option, Stream } from "effect"
import { TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  const stream = yield* zerobus.createStream(TableProperties.json("main.default.air_quality"))

  // The watermark: everything up to this offset is durable. It only increases, and ends with the
  // stream.
  const watermark = yield* stream.durableOffsets.pipe(
    Stream.runLast,
    Effect.forkChild({ startImmediately: true })
  )

  const refused = yield* Effect.callback<number>((done) => {
    let n = 0
    let refused = 0
    const timer = setInterval(() => {
      // `undefined` means full or closed. A callback cannot wait, so it decides what to do with the
      // record.
      if (stream.offerUnsafe({ device_name: "sensor-1", temp: n, humidity: n }) === undefined)
        refused++
      if (++n < 100) return
      clearInterval(timer)
      done(Effect.succeed(refused))
    }, 1)
    return Effect.sync(() => clearInterval(timer))
  })

  yield* stream.close
  const last = yield* Fiber.join(watermark)
  yield* Console.log(`${refused} refused, durable up to offset ${Option.getOrElse(last, () => -1)}`)
})

program.pipe(Effect.scoped, Effect.provide(ZerobusLayer), NodeRuntime.runMain)
