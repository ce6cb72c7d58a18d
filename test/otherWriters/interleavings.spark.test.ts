/**
 * The server and Spark writing to the same tables. `npm run test:spark` provides Spark; `-- --full`
 * runs the long form.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { hasSpark, longForm, sharedSpark, type SparkSession } from "../support/sparkSession.ts"
import { runInterleavings } from "./interleavings.ts"
import { sparkWriter } from "./spark.ts"

describe.skipIf(!hasSpark)("interleavings with Spark", () => {
  let spark: SparkSession
  beforeAll(async () => {
    spark = await sharedSpark()
  }, 300_000)

  // A VACUUM without retention may delete a file that the server is about to commit, after the
  // server last checked for it.
  for (const [turns, count, retainHours] of [
    ["in turn", longForm ? 25 : 3, 0],
    ["at the same time", longForm ? 25 : 2, 168]
  ] as const) {
    it.live(
      `${count} ${turns}: every acknowledged record and every row of Spark once`,
      () =>
        Effect.gen(function* () {
          const seeds = Array.from({ length: count }, (_, n) => n + 1)
          const { wrong, ...found } = yield* runInterleavings(
            sparkWriter(spark, retainHours),
            turns,
            seeds,
            longForm ? 4 : 3
          )
          console.log(
            `Spark ${spark.version} ${turns}: ${count} interleavings, ${JSON.stringify(found)}`
          )
          assert.deepStrictEqual(wrong.slice(0, 10), [])
          assert.isAbove(found.acknowledged, count * 20)
          assert.isAbove(found.foreign, count)
        }),
      longForm ? 3_600_000 : 600_000
    )
  }
})
