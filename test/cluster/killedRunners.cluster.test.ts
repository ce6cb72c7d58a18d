/**
 * Three runners in separate processes, over sockets and PostgreSQL: one is killed, one is stopped,
 * and one is added. Run it with `npm run test:cluster`. `-- --full` uses 1,000,000 records;
 * `CLUSTER_SEED` sets other times.
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
      // The first ones are enough to find the cause.
      const faults = [missing, outOfOrder, unexplained].map((found) => found.slice(0, 5))
      assert.deepStrictEqual(faults, [[], [], []], "missing, out of order, unexplained")
      assert.isAbove(onTheirWay["kill"]!, 0, "records were on their way when the runner was killed")
    }),
    full ? 1_200_000 : 300_000
  )
})
