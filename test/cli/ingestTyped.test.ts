/**
 * `zerobus ingest` of Parquet, Arrow and Avro files: every type, compared with what DuckDB reads
 * from the Parquet file of the same rows, and the manners of the command.
 */
import { DuckDBInstance } from "@duckdb/node-api"
import { assert, describe, it } from "@effect/vitest"
import * as Path from "node:path"
import { readLiveTable } from "../../src/local/delta/liveFiles.ts"
import { zerobus } from "../support/commandLine.ts"
import { readingsServer } from "../support/readingsServer.ts"

const { dataDir, environment, newTable, show } = readingsServer()
const fixtures = Path.resolve(import.meta.dirname, "../fixtures/typedFiles")
const fixture = (name: string): string => Path.join(fixtures, name)
const parquet = fixture("every.parquet")
const rows = 60

const everyColumn =
  "id BIGINT NOT NULL, flag BOOLEAN, tiny TINYINT, small SMALLINT, number INT, big BIGINT, " +
  "single FLOAT, twice DOUBLE, price DECIMAL(10,2), wide DECIMAL(38,10), name STRING, " +
  "bytes BINARY, day DATE, at TIMESTAMP, wall TIMESTAMP_NTZ, tags ARRAY<STRING>, " +
  "counts MAP<STRING, BIGINT>, place STRUCT<city: STRING, zip: INT>, " +
  "places ARRAY<STRUCT<city: STRING, sizes: ARRAY<DOUBLE>>>"

const everyTable = () => newTable(`t(${everyColumn})`)

const query = async (sql: string): Promise<ReadonlyArray<Record<string, unknown>>> => {
  const instance = await DuckDBInstance.create()
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    return (await connection.runAndReadAll(sql)).getRowObjectsJson()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** The rows of a table as DuckDB reads them. */
const tableOf = async (table: string): Promise<string> => {
  const live = await readLiveTable(Path.join(dataDir, ...table.split(".")))
  return `read_parquet([${live!.live.map(({ path }) => `'${path}'`).join(", ")}])`
}

/** Holds the rows of a table against those of a query, as bags, in the values of DuckDB. */
const assertSame = async (table: string, expected: string, columns = "*") => {
  const found = await tableOf(table)
  const [counts] = await query(
    `WITH found AS (SELECT ${columns} FROM ${found}), expected AS (${expected}) SELECT
      (SELECT count(*) FROM found) AS found,
      (SELECT count(*) FROM (SELECT * FROM found EXCEPT ALL SELECT * FROM expected)) AS wrong,
      (SELECT count(*) FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM found)) AS missing,
      (SELECT count(*) FROM expected) AS expected`
  )
  const { expected: count, ...others } = counts!
  assert.deepStrictEqual(others, { found: count, wrong: "0", missing: "0" })
}

const ingested = async (table: string, ...args: ReadonlyArray<string>) => {
  const { code, err, out } = await zerobus(["ingest", ...args, "-t", table, "--json"], environment)
  assert.strictEqual(code, 0, err)
  return JSON.parse(out)
}

describe("zerobus ingest of files with types", () => {
  it.each([
    "every.parquet",
    "every.arrow",
    "every.arrows",
    "every.feather",
    "every.avro",
    "deflate.avro",
    "snappy.avro",
    "zstandard.avro"
  ])("brings every cell of %s into the table", async (name) => {
    const table = await everyTable()
    const summary = await ingested(table, fixture(name))
    assert.include(summary, { accepted: rows, durable: rows, complete: true })
    await show(table, rows)
    // Text shows the sign of a zero.
    const columns = "*, single::VARCHAR AS shown_single, twice::VARCHAR AS shown_twice"
    await assertSame(table, `SELECT ${columns} FROM '${parquet}'`, columns)
  })

  it.each(["strange.parquet", "strange.feather"])(
    "creates the table of %s, also of types that tables lack",
    async (name) => {
      const table = `main.default.${name.replace(".", "_")}`
      const { code, err, out } = await zerobus(
        ["ingest", fixture(name), "-t", table, "--create", "--json"],
        environment
      )
      assert.strictEqual(code, 0, err)
      assert.include(JSON.parse(out), { accepted: 3, durable: 3 })
      assert.include(
        err,
        `Created ${table}(id BIGINT, u8 SMALLINT, u16 INT, u32 BIGINT, u64 DECIMAL(20,0), ` +
          "half FLOAT, clock STRING, short_clock STRING, nanos TIMESTAMP_NTZ, millis TIMESTAMP, " +
          "seconds TIMESTAMP_NTZ, long_day DATE, kind STRING, long_text STRING, " +
          "long_bytes BINARY, fixed BINARY, pair array<int>, long_list array<int>, " +
          "days map<date,double>, nothing STRING, json STRING) with 21 columns."
      )
      await show(table, 3)
      const columns =
        "id, u8, u16, u32, u64, half, clock, short_clock, nanos, millis, seconds, long_day, " +
        "kind, " +
        "long_text, long_bytes, fixed, pair, long_list, days, nothing, json"
      const casts = columns
        .replace("u64", "u64::DECIMAL(20,0) AS u64")
        .replace(
          "clock, short_clock",
          "clock::VARCHAR AS clock, short_clock::VARCHAR AS short_clock"
        )
        .replace(
          "nanos",
          "make_timestamp((epoch_ns(nanos) - 999 * (epoch_ns(nanos) < 0)::INT) // 1000) AS nanos"
        )
        .replace("nothing", "nothing::VARCHAR AS nothing")
      await assertSame(table, `SELECT ${casts} FROM '${fixture("strange.parquet")}'`, columns)
    }
  )

  it("reads the views of texts and bytes that Polars writes", async () => {
    const table = "main.default.views"
    assert.include(await ingested(table, fixture("views.arrow"), "--create"), { durable: 3 })
    await show(table, 3)
    await assertSame(
      table,
      `SELECT * FROM (VALUES (0, 'short', '\\x00'::BLOB),
        (1, 'longer than twelve bytes', '0123456789abcdef'::BLOB),
        (2, NULL, NULL)) t(id, text, bytes)`
    )
  })
})
