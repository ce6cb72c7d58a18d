/**
 * Many tables over few streams: 20 tables, one per tenant. At most four have an open session at a
 * time.
 *
 * The tables must exist. With a running local server:
 *
 * ```sh
 * for n in $(seq 0 19); do
 *   npx effect-zerobus table create "main.default.tenant_$n(event STRING, n INT)"
 * done
 * ```
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { DeadLetters, StreamPool, TableProperties, ZerobusLayer } from "effect-zerobus"

// Each table is created once: a pool identifies it by its name, and refuses it in another format.
const tables = Array.from({ length: 20 }, (_, tenant) =>
  TableProperties.json(`main.default.tenant_${tenant}`)
)

const program = Effect.gen(function* () {
  const pool = yield* StreamPool.make({
    maxOpen: 4,
    idleTimeToLive: "1 minute",
    // A failing table does not affect the others: its unacknowledged records are written to this
    // file, with its name.
    stream: { onUnacked: DeadLetters.file("unacked.ndjson") }
  })
  for (let n = 0; n < 10_000; n++) {
    yield* pool.ingest(tables[n % tables.length]!, { event: `event-${n}`, n })
  }
  yield* pool.flush
  yield* Console.log("10000 records durable in 20 tables over 4 streams")
})

program.pipe(Effect.scoped, Effect.provide(ZerobusLayer), NodeRuntime.runMain)
