/**
 * Tables created by Spark, served by the running server: deletion vectors, CHAR and VARCHAR,
 * defaults, and in-commit timestamps. Both write, and both must read the same. `npm run test:spark`
 * provides Spark.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal, type ZerobusLocalShape } from "effect-zerobus/testing"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { logFolder, openLog } from "../../src/local/delta/deltaLog.ts"
import { zerobus as command } from "../support/commandLine.ts"
import { hasSpark, sharedSpark, type SparkSession } from "../support/sparkSession.ts"
import { temporaryFolder } from "../support/storedTables.ts"

let spark: SparkSession
const sql = (text: string) =>
  Effect.tryPromise({ try: () => spark.sql(text), catch: (error) => error as Error })

const name = "main.spark.t"

/** A table of Spark's in a server. `delta` names it in Spark's statements. */
const served = (local: ZerobusLocalShape, location: string) => {
  const delta = `delta.\`${location}\``
  const environment = {
    ZEROBUS_SERVER_ENDPOINT: local.serverEndpoint,
    DATABRICKS_WORKSPACE_URL: local.workspaceUrl,
    DATABRICKS_CLIENT_ID: local.clientId,
    DATABRICKS_CLIENT_SECRET: Redacted.value(local.clientSecret)
  }
  const ran = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
    const { code, err, out } = yield* Effect.promise(() =>
      command([...args, "--json"], environment)
    )
    assert.strictEqual(code, 0, err)
    return out
      .trim()
      .split("\n")
      .map((line): Record<string, unknown> => JSON.parse(line))
  })
  return {
    delta,
    location,
    /** Sends records with a client and commits them. */
    send: (...records: ReadonlyArray<object>) =>
      Effect.gen(function* () {
        const stream = yield* (yield* Zerobus).createStream(TableProperties.json(name))
        const ack = yield* stream.ingestRecords(records)
        yield* ack!.await
        yield* local.flush(name)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Zerobus.layer({
            serverEndpoint: local.serverEndpoint,
            workspaceUrl: local.workspaceUrl,
            clientId: local.clientId,
            clientSecret: local.clientSecret,
            proxy: false,
            stream: { recovery: false }
          })
        )
      ),
    records: local.records(name),
    query: (text: string) => ran("query", text),
    shown: Effect.map(ran("table", "show", name), ([shown]) => shown!)
  }
}

/**
 * Lets Spark create a table below a data folder, and passes it to a test once a server serves it.
 */
const withServer = <A, E, R>(
  make: (delta: string) => ReadonlyArray<string>,
  use: (table: ReturnType<typeof served>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const location = Path.join(folder, ...name.split("."))
    for (const statement of make(`delta.\`${location}\``)) yield* sql(statement)
    yield* Effect.flatMap(ZerobusLocal, (local) => use(served(local, location))).pipe(
      Effect.provide(ZerobusLocal.layerServer({ dataDir: folder, flushInterval: "1 hour" }))
    )
  })

const patient = 300_000

describe.skipIf(!hasSpark)("tables of Spark in the running server", () => {
  beforeAll(async () => {
    spark = await sharedSpark()
  }, patient)

  it.live(
    "rows that Spark deletes by deletion vectors are gone for query, table show and records",
    () =>
      withServer(
        (delta) => [
          `CREATE TABLE ${delta} (id BIGINT) USING delta TBLPROPERTIES ` +
            `('delta.enableDeletionVectors' = 'true')`,
          `INSERT INTO ${delta} SELECT /*+ COALESCE(1) */ id FROM range(600)`,
          `DELETE FROM ${delta} WHERE id % 7 = 3 OR id BETWEEN 200 AND 290`
        ],
        ({ delta, location, query, records, send, shown }) =>
          Effect.gen(function* () {
            const same = Effect.fnUntraced(function* (keep: (id: number) => boolean, end: number) {
              const kept = Array.from({ length: end }, (_, id) => id).filter(keep)
              const ids = (rows: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
                rows.map(({ id }) => Number(id)).sort((a, b) => a - b)
              assert.deepStrictEqual(ids(yield* sql(`SELECT id FROM ${delta}`)), kept, "Spark")
              assert.deepStrictEqual(ids(yield* records), kept, "records")
              assert.deepStrictEqual(ids(yield* query(`SELECT id FROM ${name}`)), kept, "query")
              assert.strictEqual((yield* shown)["rows"], kept.length, "table show")
            })
            const first = (id: number) => id % 7 !== 3 && !(id >= 200 && id <= 290)
            yield* same(first, 600)
            yield* send(...Array.from({ length: 50 }, (_, n) => ({ id: 600 + n })))
            // The server's file gets a deletion vector, and Spark's file a new one.
            yield* sql(`DELETE FROM ${delta} WHERE id % 5 = 0`)
            yield* send({ id: 650 }, { id: 651 })
            yield* same((id) => id >= 650 || ((id >= 600 || first(id)) && id % 5 !== 0), 652)
            const { files } = (yield* Effect.promise(() => openLog(location)))!.snapshot
            assert.lengthOf(
              [...files.values()].filter((add) => add.deletionVector !== undefined),
              2
            )
          })
      ),
    patient
  )

  it.live(
    "CHAR and VARCHAR have the lengths that Spark writes and accepts",
    () =>
      withServer(
        (delta) => [
          `CREATE TABLE ${delta} (id BIGINT, code CHAR(3), word VARCHAR(4), s STRUCT<w: ` +
            `VARCHAR(2)>) USING delta`
        ],
        ({ delta, records, send }) =>
          Effect.gen(function* () {
            yield* sql(
              `INSERT INTO ${delta} VALUES (1, 'a', 'žluť', named_struct('w', '🐎🐎')), (2, ` +
                `'abc', '', NULL)`
            )
            yield* send(
              { id: 11, code: "a", word: "žluť", s: { w: "🐎🐎" } },
              { id: 12, code: "abc", word: "" }
            )
            const seen = yield* sql(`SELECT code, word, s.w AS w FROM ${delta} ORDER BY id`)
            assert.deepStrictEqual(seen.slice(0, 2), [
              { code: "a  ", word: "žluť", w: "🐎🐎" },
              { code: "abc", word: "", w: null }
            ])
            assert.deepStrictEqual(seen.slice(2), seen.slice(0, 2))
            assert.lengthOf(yield* records, 4)
            for (const [column, value] of [
              ["code", "abcd"],
              ["word", "abcde"]
            ] as const) {
              const theirs = yield* Effect.flip(
                sql(`INSERT INTO ${delta} (id, ${column}) VALUES (3, '${value}')`)
              )
              assert.match(theirs.message, /EXCEED/)
              const ours = yield* Effect.flip(send({ id: 13, [column]: value }))
              assert.include(ours.message, `column ${column}`)
            }
            assert.lengthOf(yield* records, 4)
          })
      ),
    patient
  )

  it.live(
    "literal defaults are those that Spark writes, and other defaults are required in records",
    () =>
      withServer(
        (delta) => [
          `CREATE TABLE ${delta} (id BIGINT, n INT DEFAULT 7, word STRING DEFAULT 'it\\'s', day DATE DEFAULT DATE '2020-02-29',
            price DECIMAL(9,2) DEFAULT 12.5, flag BOOLEAN DEFAULT true) USING delta
            TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')`
        ],
        ({ delta, records, send }) =>
          Effect.gen(function* () {
            yield* sql(`INSERT INTO ${delta} (id) VALUES (1)`)
            yield* sql(`INSERT INTO ${delta} (id, n, word) VALUES (2, NULL, 'set')`)
            yield* send({ id: 11 })
            yield* send({ id: 12, n: null, word: "set" })
            const seen = yield* sql(`SELECT * EXCEPT (id) FROM ${delta} ORDER BY id`)
            assert.deepStrictEqual(seen[0], {
              n: "7",
              word: "it's",
              day: "18321",
              price: "12.50",
              flag: true
            })
            assert.deepStrictEqual(seen.slice(2), seen.slice(0, 2))
            yield* sql(`ALTER TABLE ${delta} ALTER COLUMN n SET DEFAULT 8`)
            yield* send({ id: 13 })
            const changed = yield* sql(`SELECT n FROM ${delta} WHERE id = 13`)
            assert.deepStrictEqual(changed, [{ n: "8" }])
            yield* sql(`ALTER TABLE ${delta} ALTER COLUMN n SET DEFAULT 1 + length('x')`)
            assert.include((yield* Effect.flip(send({ id: 14 }))).message, "column n")
            assert.lengthOf(yield* records, 5)
          })
      ),
    patient
  )

  it.live(
    "in-commit timestamps rise through the commits of both, and Spark time-travels by them",
    () =>
      withServer(
        (delta) => [
          `CREATE TABLE ${delta} (id BIGINT) USING delta TBLPROPERTIES ` +
            `('delta.enableInCommitTimestamps' = 'true')`
        ],
        ({ delta, location, send }) =>
          Effect.gen(function* () {
            for (let id = 0; id < 6; id += 2) {
              yield* send({ id })
              yield* sql(`INSERT INTO ${delta} VALUES (${id + 1})`)
            }
            const folder = logFolder(location)
            const names = (yield* Effect.promise(() => Fs.readdir(folder))).filter((file) =>
              /^\d+\.json$/.test(file)
            )
            const times: Array<number> = []
            for (const file of names.sort()) {
              const text = yield* Effect.promise(() => Fs.readFile(Path.join(folder, file), "utf8"))
              times.push(JSON.parse(text.slice(0, text.indexOf("\n"))).commitInfo.inCommitTimestamp)
            }
            assert.lengthOf(times, 7)
            assert.deepStrictEqual(
              times,
              [...new Set(times)].sort((a, b) => a - b)
            )
            const history = yield* sql(`DESCRIBE HISTORY ${delta}`)
            assert.deepStrictEqual(
              history.map(({ timestamp }) => Number(timestamp) / 1000),
              [...times].reverse()
            )
            for (const version of [1, 3, 5]) {
              // The files' modification times differ: Spark uses the times in the commits.
              const at = new Date(times[version]!).toISOString()
              const rows = yield* sql(`SELECT count(*) AS n FROM ${delta} TIMESTAMP AS OF '${at}'`)
              assert.deepStrictEqual(rows, [{ n: String(version) }])
            }
          })
      ),
    patient
  )
})
