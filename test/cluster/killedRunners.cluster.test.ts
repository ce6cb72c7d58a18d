/**
 * Three runners in processes of their own, over sockets and PostgreSQL, of which one is killed and
 * one stopped while one is added. `npm run test:cluster`, with `-- --full` for 1,000,000 records
 * and `CLUSTER_SEED` for other times.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { postgresPrograms, startPostgres } from "../support/postgres.ts"
import { runCluster } from "./clusterRun.ts"

const full = process.env["CLUSTER_FULL"] === "1"
const seed = Number(process.env["CLUSTER_SEED"] ?? "1")
const records = full ? 1_000_000 : 100_000

describe.skipIf(postgresPrograms === undefined)("a cluster over PostgreSQL", () => {
  it.live(
    "loses nothing and keeps the order of each key while runners are killed, added and stopped",
    Effect.fnUntraced(function* () {
      const { url } = yield* startPostgres
      const run = Effect.promise(() => runCluster({ database: url, records, seed }))
      const { events, seconds, verdict } = yield* run
      const { acknowledged, again, missing, onTheirWay, outOfOrder, rows, unexplained } = verdict
      const rate = Math.round(acknowledged / seconds).toLocaleString("en")
      console.log(
        [
          `seed ${seed}: ${acknowledged.toLocaleString("en")} records in ${seconds.toFixed(1)} ` +
            `s, ${rate} a second`,
          ...events.map((event) => `  ${event}`),
          `  rows ${rows}, missing ${missing.length}, out of order ${outOfOrder.length}`,
          `  again ${JSON.stringify(again)} of ${JSON.stringify(onTheirWay)} on their way, ` +
            `unexplained ${unexplained.length}`
        ].join("\n")
      )
      assert.isAtLeast(acknowledged, records)
      // The first ones tell enough.
      const faults = [missing, outOfOrder, unexplained].map((found) => found.slice(0, 5))
      assert.deepStrictEqual(faults, [[], [], []], "missing, out of order, unexplained")
      assert.isAbove(onTheirWay["kill"]!, 0, "records were on their way when the runner was killed")
    }),
    full ? 1_200_000 : 300_000
  )
})
