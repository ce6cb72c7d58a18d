/**
 * A scripted server: faults at chosen points, gates instead of sleeps, an audit of the received
 * records, and a trace that replays the run on another server.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { Faults, Latency, ZerobusLocal } from "effect-zerobus/testing"

const orders = TableProperties.json("main.default.orders")

const ingest = Zerobus.use((zerobus) =>
  zerobus.withStream(orders, { batching: "off", recoveryBackoff: "10 millis" }, (stream) =>
    Effect.forEach(
      Array.from({ length: 200 }, (_, id) => ({ id })),
      stream.ingestRecord,
      { discard: true }
    )
  )
)

const firstRun = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  yield* local.createTable("main.default.orders(id BIGINT)")
  yield* local.inject(
    orders,
    // Acknowledgements are delayed, with measured quantiles.
    Faults.ackLatency(Latency.quantiles({ 0: "1 millis", 0.9: "5 millis", 1: "30 millis" }), {
      seed: 7
    }),
    // The first connection is lost after record 50 is durable and before it is acknowledged. The
    // second is refused. The third is held at record 20.
    Faults.disconnect({ at: "durable", offset: 50, connection: 1 }),
    Faults.reject({ status: "UNAVAILABLE", connection: 2 }),
    Faults.hold("message", 21, { connection: 3 })
  )
  const ingesting = yield* Effect.forkChild(ingest)

  // No sleeps: the test continues when the server has reached this point.
  yield* local.waitFor(orders, "held")
  yield* Console.log(`held on connection ${yield* local.count(orders, "connect")}`)
  yield* local.release(orders)
  yield* Fiber.join(ingesting)

  const audit = yield* local.audit(orders)
  yield* Console.log(
    `${audit.distinctRecords} orders, ${audit.ackedButMissing} missing, ` +
      `${audit.unexplainedDuplicates} unexplained duplicates`
  )
  return yield* local.trace
})

/** Replays the same faults and acknowledgements from the trace. */
const again = Effect.fn(function* (trace: string) {
  const local = yield* ZerobusLocal
  yield* local.createTable("main.default.orders(id BIGINT)")
  yield* local.replay(trace)
  const ingesting = yield* Effect.forkChild(ingest)
  yield* local.waitFor(orders, "held")
  yield* local.release(orders)
  yield* Fiber.join(ingesting)
  const { connections, distinctRecords } = yield* local.audit(orders)
  yield* Console.log(`again: ${distinctRecords} orders over ${connections} connections`)
})

const program = Effect.gen(function* () {
  const trace = yield* firstRun.pipe(Effect.provide(ZerobusLocal.layerMemoryWith({})))
  yield* again(trace).pipe(Effect.provide(ZerobusLocal.layerMemoryWith({})))
})

program.pipe(NodeRuntime.runMain)
