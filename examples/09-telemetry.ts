/**
 * Telemetry of the client: metrics as Prometheus text, and metrics, spans and logs over OTLP to a
 * collector, which runs in this program for the example. The client names metrics and spans; the
 * application chooses the exporters.
 *
 * The table must exist. A local server creates it:
 *
 * ```sh
 * npx effect-zerobus local \
 *   --table 'main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)'
 * ```
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { Otlp, PrometheusMetrics } from "effect/observability"
import { TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

/** A collector that only records which of its paths were called. */
const collector = Effect.acquireRelease(
  Effect.callback<{
    readonly url: string
    readonly paths: Set<string>
    readonly close: () => void
  }>((done) => {
    const paths = new Set<string>()
    const server = createServer((request, response) => {
      paths.add(request.url ?? "")
      request
        .resume()
        .on("end", () => response.setHeader("content-type", "application/json").end("{}"))
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      const close = () => {
        server.close()
        server.closeAllConnections()
      }
      done(Effect.succeed({ url: `http://127.0.0.1:${port}`, paths, close }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

const ingest = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  yield* zerobus.withStream(TableProperties.json("main.default.air_quality"), (stream) =>
    Effect.forEach(
      Array.from({ length: 1000 }, (_, n) => ({ device_name: "sensor-1", temp: n, humidity: n })),
      stream.ingestRecord,
      { discard: true }
    )
  )
  const text = yield* PrometheusMetrics.format()
  const shown = /^zerobus_records_(?:durable|ingested)\{/
  for (const line of text
    .split("\n")
    .filter((line) => shown.test(line))
    .sort())
    yield* Console.log(line)
  yield* Effect.log("all records are durable")
})

const program = Effect.gen(function* () {
  const { paths, url } = yield* collector
  const telemetry = Otlp.layerJson({ baseUrl: url, resource: { serviceName: "air-quality" } })
  // The layer sends the remaining data when it closes.
  yield* ingest.pipe(
    Effect.provide(ZerobusLayer),
    Effect.provide(telemetry.pipe(Layer.provide(FetchHttpClient.layer)))
  )
  yield* Console.log(`the collector got ${[...paths].sort().join(" ")}`)
})

program.pipe(Effect.scoped, NodeRuntime.runMain)
