/**
 * What to do when recovery has failed for good: a new stream takes over the unacknowledged records.
 *
 * The table must exist. A local server creates it:
 *
 * ```sh
 * npx effect-zerobus local \
 *   --table 'main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)'
 * ```
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schedule, Stream } from "effect"
import { TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  const stream = yield* zerobus.createStream(TableProperties.json("main.default.air_quality"), {
    recoveryTimeout: "5 seconds",
    recoverySchedule: Schedule.exponential("100 millis").pipe(
      Schedule.jittered,
      Schedule.upTo({ times: 6 })
    ),
    flushTimeout: "30 seconds"
  })
  yield* stream.stateChanges.pipe(
    Stream.filter((state) => state === "recovering"),
    Stream.runForEach(() => Console.log("the connection was lost, recovering")),
    Effect.forkScoped
  )

  yield* Effect.forEach(
    Array.from({ length: 1000 }, (_, n) => ({ device_name: `sensor-${n}`, temp: n, humidity: n })),
    stream.ingestRecord,
    { discard: true }
  )
  yield* stream.close.pipe(
    Effect.catch((error) =>
      Effect.gen(function* () {
        const unacked = yield* stream.getUnackedRecords
        yield* Console.log(`${error._tag}: ${unacked.length} records go to a new stream`)
        const next = yield* zerobus.recreateStream(stream)
        yield* next.flush
      })
    )
  )
  yield* Console.log("all 1000 records durable")
})

program.pipe(Effect.scoped, Effect.provide(ZerobusLayer), NodeRuntime.runMain)
