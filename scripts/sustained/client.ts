/**
 * The client of the sustained run: sends rows at a steady rate through the public client, and
 * measures the acknowledgement latency of each 5 ms portion.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Redacted } from "effect"
import { Zerobus } from "effect-zerobus"
import { row, Rows } from "./row.ts"

const [settings, rate, seconds] = [
  JSON.parse(process.argv[2]!),
  Number(process.argv[3]),
  Number(process.argv[4])
]

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  const latencies: Array<number> = []
  const start = yield* Clock.currentTimeMillis
  let sent = 0
  yield* zerobus.withStream(Rows, (stream) =>
    Effect.gen(function* () {
      for (;;) {
        const now = yield* Clock.currentTimeMillis
        if (now >= start + seconds * 1000) break
        const due = Math.floor(((now - start) / 1000) * rate)
        while (sent < due - 1) yield* stream.ingestRecord(row(sent++))
        if (sent < due) {
          const ack = yield* stream.ingestRecord(row(sent++))
          yield* Effect.forkChild(
            Effect.flatMap(ack.await, () =>
              Effect.map(Clock.currentTimeMillis, (at) => latencies.push(at - now))
            )
          )
        }
        yield* Effect.sleep(5)
      }
      yield* stream.flush
    })
  )
  const took = ((yield* Clock.currentTimeMillis) - start) / 1000
  latencies.sort((a, b) => a - b)
  const quantile = (q: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))]
  const { system, user } = process.cpuUsage()
  yield* Console.log(
    JSON.stringify({
      sent,
      seconds: took,
      rowsPerSecond: Math.round(sent / took),
      ackP50Ms: quantile(0.5),
      ackP99Ms: quantile(0.99),
      ackMaxMs: latencies.at(-1),
      cpuSeconds: (system + user) / 1e6
    })
  )
})

program.pipe(
  Effect.provide(
    Zerobus.layer({ ...settings, clientSecret: Redacted.make(settings.clientSecret), proxy: false })
  ),
  NodeRuntime.runMain
)
