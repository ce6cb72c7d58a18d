/**
 * Metrics as Prometheus text. For traces and metrics over OTLP provide `Otlp.layerJson({ baseUrl, resource })` of the same module with an
 * HTTP client, instead of asking for the text.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  yield* zerobus.withStream(TableProperties.json("main.default.air_quality"), (stream) =>
    Effect.forEach(
      Array.from({ length: 1000 }, (_, n) => ({ device_name: "sensor-1", temp: n, humidity: n })),
      stream.ingestRecord,
      { discard: true }
    )
  )
  const text = yield* PrometheusMetrics.format()
  const durable = text.split("\n").filter((line) => line.startsWith("zerobus_records_durable"))
  yield* Console.log(durable.join("\n"))
})

program.pipe(Effect.provide(ZerobusLayer), NodeRuntime.runMain)
