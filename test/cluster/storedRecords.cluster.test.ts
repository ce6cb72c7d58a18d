/**
 * Records that PostgreSQL holds until they are durable, and the statements in docs/scaling.md that
 * remove them afterwards.
 */
import { NodeClusterSocket } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Schedule, Schema } from "effect"
import { RunnerAddress } from "effect/cluster"
import { SqlClient } from "effect/sql"
import { TableProperties } from "effect-zerobus"
import { ZerobusShards } from "effect-zerobus/cluster"
import { ZerobusLocal } from "effect-zerobus/testing"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { freePort } from "../support/freePort.ts"
import { postgresPrograms, startPostgres } from "../support/postgres.ts"

const page = Fs.readFileSync(Path.join(import.meta.dirname, "../../docs/scaling.md"), "utf8")
const statements = /```sql\n([^]*?)```/
  .exec(page)![1]!
  .trim()
  .split(/(?<=;)\n/)

const Reading = Schema.Struct({ device: Schema.String, n: Schema.Int })

const shards = ZerobusShards.layer({
  table: TableProperties.json("main.default.stored", Reading),
  shards: 8,
  key: ({ device }: typeof Reading.Type) => device,
  stream: { onRefused: () => Effect.void }
})

const count = (rows: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql.unsafe<{ count: string }>(`SELECT count(*) AS count FROM ${rows}`)
    return Number(row!.count)
  })

describe.skipIf(postgresPrograms === undefined)("records that PostgreSQL holds", () => {
  it.live(
    "become durable in order, and are removed by the statements of the page",
    () =>
      Effect.gen(function* () {
        const { url } = yield* startPostgres
        const port = yield* Effect.promise(freePort)
        const sql = PgClient.layer({ url: Redacted.make(url) })
        const cluster = NodeClusterSocket.layer({
          shardingConfig: { runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", port)) }
        })
        const local = yield* ZerobusLocal
        yield* local.createTable("main.default.stored(device STRING, n INT)")
        yield* Effect.gen(function* () {
          const readings = Array.from({ length: 300 }, (_, n) => ({ device: `sensor-${n % 7}`, n }))
          yield* Effect.forEach(
            readings,
            (reading) => ZerobusShards.ingest(reading, { persisted: true }),
            {
              concurrency: 100
            }
          )
          const open = count("cluster_messages WHERE NOT processed")
          yield* Effect.repeat(open, { until: (left) => left === 0, schedule: Schedule.spaced(50) })
          const rows = yield* local.records("main.default.stored")
          for (let device = 0; device < 7; device++) {
            const numbers = rows
              .filter((row) => row["device"] === `sensor-${device}`)
              .map(({ n }) => Number(n))
            assert.deepStrictEqual(
              numbers,
              readings.filter(({ n }) => n % 7 === device).map(({ n }) => n)
            )
          }
          const { unsafe } = yield* SqlClient.SqlClient
          assert.isAbove(yield* count("cluster_messages"), 0)
          assert.lengthOf(statements, 2)
          for (const statement of statements) yield* unsafe(statement)
          assert.strictEqual(yield* count("cluster_messages"), 0)
          assert.strictEqual(yield* count("cluster_replies"), 0)
        }).pipe(Effect.provide(shards.pipe(Layer.provide(cluster), Layer.provideMerge(sql))))
      }).pipe(Effect.provide(ZerobusLocal.layerMemory)),
    180_000
  )
})
