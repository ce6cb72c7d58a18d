/**
 * A node of a cluster that accepts readings of any device and keeps those of each device in order.
 *
 * Each node is a runner: it owns shards of the table, and sends readings of other shards to their
 * owners. `HOST` (default `localhost`) and `PORT` are its address for the other nodes,
 * `DATABASE_URL` is the address of PostgreSQL. `cluster.compose.yaml` runs three of them.
 */
import { NodeClusterSocket, NodeRuntime } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { Config, Console, Effect, Layer, Schedule, Schema, Stream } from "effect"
import { TableProperties, ZerobusLayer } from "effect-zerobus"
import { ZerobusShards } from "effect-zerobus/cluster"

const Reading = Schema.Struct({ device: Schema.String, node: Schema.String, n: Schema.Int })

const Shards = ZerobusShards.layer({
  table: TableProperties.json("main.default.sensors", Reading),
  shards: 64,
  key: (reading: typeof Reading.Type) => reading.device
})

// The shard leases are stored in PostgreSQL.
const Cluster = NodeClusterSocket.layer().pipe(
  Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
)

const program = Effect.gen(function* () {
  const node = yield* Config.String("HOST").pipe(Config.withDefault("localhost"))
  const count = yield* Config.Int("READINGS").pipe(Config.withDefault(Infinity))
  yield* Stream.fromSchedule(Schedule.spaced("10 millis")).pipe(
    Stream.take(count),
    Stream.map((n) => ({ device: `sensor-${n % 20}`, node, n })),
    // Succeeds when the reading is durable. Readings of one device stay in order.
    Stream.mapEffect((reading) => ZerobusShards.ingest(reading), { concurrency: 1000 }),
    Stream.runDrain
  )
  yield* Console.log(`${count} readings durable`)
})

program.pipe(
  Effect.provide(Shards.pipe(Layer.provide([Cluster, ZerobusLayer]))),
  NodeRuntime.runMain
)
