/**
 * Forty days of a table as Spark with Delta Lake reads them: each version within the retention of
 * deleted files has its rows, and properties that Spark sets are read. Needs the environment of
 * `npm run test:spark`.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { openLog } from "../../../src/local/delta/deltaLog.ts"
import { propertiesOf } from "../../../src/local/delta/tableProperties.ts"
import { agedTable, day } from "../../support/agedTable.ts"
import { hasSpark, sharedSpark, type SparkSession } from "../../support/sparkSession.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

let spark: SparkSession

describe.skipIf(!hasSpark)("Spark with Delta Lake", () => {
  beforeAll(async () => {
    spark = await sharedSpark()
  }, 180_000)

  it.live(
    "reads each version within the retention after forty days, and sets properties that are read",
    () =>
      Effect.gen(function* () {
        const { location, now, versions } = yield* agedTable({
          folder: yield* temporaryFolder,
          days: 40,
          commitsPerDay: 2,
          configuration: {
            "delta.deletedFileRetentionDuration": "interval 3 days",
            "delta.logRetentionDuration": "interval 5 days",
            "delta.checkpointInterval": "1"
          }
        })
        const kept = versions.filter(
          (_, index) => (versions[index + 1]?.time ?? now) > now - 3 * day
        )
        assert.isAbove(kept.length, 6)
        const sql = (text: string) => Effect.promise(() => spark.sql(text))
        // One statement for all versions, because each statement takes Spark a second.
        const counted = yield* sql(
          kept
            .map(
              ({ version }) =>
                `SELECT ${version} AS version, count(*) AS n, count(DISTINCT id) AS ids, ` +
                `max(id) AS last ` +
                `FROM delta.\`${location}\` VERSION AS OF ${version}`
            )
            .join(" UNION ALL ")
        )
        assert.deepStrictEqual(
          counted.map((found) =>
            ["version", "n", "ids", "last"].map((name) => Number(found[name]))
          ),
          kept.map(({ rows, version }) => [Number(version), rows, rows, rows - 1])
        )
        const history = yield* sql(`DESCRIBE HISTORY delta.\`${location}\``)
        const oldest = Math.min(...history.map((commit) => Number(commit["version"])))
        assert.isAbove(oldest, versions.length / 2, "commits have left")
        yield* sql(
          `ALTER TABLE delta.\`${location}\` SET TBLPROPERTIES (` +
            "'delta.deletedFileRetentionDuration' = 'interval 2 days 12 hours', " +
            "'delta.logRetentionDuration' = 'INTERVAL 1 WEEK', " +
            "'delta.setTransactionRetentionDuration' = 'interval 90 minutes', " +
            "'delta.dataSkippingStatsColumns' = '`id`,word', " +
            "'delta.enableExpiredLogCleanup' = 'false')"
        )
        const log = yield* Effect.promise(() => openLog(location))
        const { indexed, problems, ...properties } = propertiesOf(log!.snapshot.metadata)
        assert.deepStrictEqual(problems, [])
        assert.deepStrictEqual(indexed.only, [["id"], ["word"]])
        assert.deepStrictEqual(properties, {
          deletedFileRetention: 2.5 * day,
          logRetention: 7 * day,
          expiredLogCleanup: false,
          checkpointInterval: 1,
          transactionRetention: day / 16
        })
      }),
    900_000
  )
})
