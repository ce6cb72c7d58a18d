/**
 * `zerobus query` as a process: SQL without tables, and the output limit.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { startServer, temporaryFolder, zerobus } from "../support/commandLine.ts"

describe("zerobus query", () => {
  it("runs SQL that names no table, without a catalog", async () => {
    const { code, err, out } = await zerobus(["query", "SELECT 1 AS one", "--json"])
    assert.strictEqual(code, 0, err)
    assert.strictEqual(out, '{"one":1}\n')
  })

  it.each([
    "SELECT 1",
    "/* a */ FROM range(1); -- b",
    "VALUES (1)",
    "WITH a AS (SELECT 1) SELECT * FROM a",
    "DESCRIBE SELECT 1",
    "SUMMARIZE SELECT 1",
    "SHOW TABLES",
    "PIVOT range(2) ON range IN (0, 1) USING count(*)",
    "EXPLAIN SELECT 1",
    " -- why\nEXPLAIN ANALYZE SELECT 1",
    "EXPLAIN (ANALYZE, FORMAT json) FROM range(1)"
  ])("runs a statement that reads: %s", async (sql) => {
    const { code, err } = await zerobus(["query", sql])
    assert.strictEqual(code, 0, err)
  })

  const file = Path.join(temporaryFolder(), "written.csv")
  const copy = `COPY (SELECT 1 AS one) TO '${file}'`
  const notReading = /The SQL is not a statement that reads: .*To run it, add --allow-writes/
  it.each<readonly [sql: string, says: RegExp]>([
    [copy, notReading],
    [`EXPLAIN ANALYZE ${copy}`, notReading],
    [`/* a */ explain (analyze) ${copy}`, notReading],
    [`EXPLAIN -- a\n ANALYZE ${copy}`, /not a statement that reads|syntax error/],
    [`SELECT 1; ${copy}`, /holds 2 statements/],
    [`PREPARE a AS ${copy}`, notReading],
    [`ATTACH '${file}' AS a`, notReading],
    [`EXPORT DATABASE '${file}'`, notReading],
    ["CREATE TABLE a(b INT)", notReading],
    ["SET threads = 1", notReading],
    ["INSTALL httpfs", notReading],
    ["CALL duckdb_settings()", notReading],
    ["PIVOT range(2) ON range USING count(*)", /2 statements.*PIVOT becomes one with an IN list/],
    [" -- nothing", /holds no statement/]
  ])("refuses what does not read, or is not one statement: %s", async (sql, says) => {
    const { code, err } = await zerobus(["query", sql])
    assert.strictEqual(code, 2)
    assert.match(err.replace(/\s+/g, " "), says)
    assert.isFalse(Fs.existsSync(file))
  })

  it("runs the rest with --allow-writes", async () => {
    const { code, err } = await zerobus(["query", `SELECT 1; ${copy}`, "--allow-writes"])
    assert.strictEqual(code, 0, err)
    assert.strictEqual(Fs.readFileSync(file, "utf8"), "one\n1\n")
    const none = await zerobus(["query", "", "--allow-writes"])
    assert.strictEqual(none.code, 2)
    assert.match(none.err, /holds no statement/)
  })

  it("says in its help that SQL reads files of the user", async () => {
    const { out } = await zerobus(["query", "--help"])
    assert.match(out.replace(/\s+/g, " "), /The SQL can read every file that you can/)
  })

  it("prints at most 1,000 rows, and says so apart from the rows", async () => {
    const { code, err, out } = await zerobus(["query", "FROM range(2000)", "--json"])
    assert.strictEqual(code, 0)
    assert.strictEqual(out.trim().split("\n").length, 1000)
    assert.match(err, /first 1000 rows/)
  })

  it("and zerobus table show apply deletion vectors, and name the damaged file", async () => {
    const data = Path.join(temporaryFolder(), "data")
    Fs.cpSync(Path.join(import.meta.dirname, "../fixtures/foreignTables/data"), data, {
      recursive: true
    })
    const server = await startServer(["--data-dir", data])
    try {
      const sql = "SELECT count(*) AS n, max(id) AS id FROM main.spark.deleted"
      const { err, out } = await zerobus(["query", sql, "--json"], server.environment)
      assert.strictEqual(out, '{"n":104998,"id":500001}\n', err)
      const show = ["table", "show", "main.spark.deleted", "--json"]
      const shown = await zerobus(show, server.environment)
      assert.strictEqual(JSON.parse(shown.out).rows, 104_998)
      const folder = Path.join(data, "main/spark/deleted")
      const vector = Fs.readdirSync(folder).find((name) => name.startsWith("deletion_vector_"))!
      Fs.truncateSync(Path.join(folder, vector), 20)
      for (const command of [["query", sql], show]) {
        const refused = await zerobus(command, server.environment)
        assert.strictEqual(refused.code, 2)
        assert.include(refused.err.replace(/\s+/g, ""), vector)
      }
    } finally {
      server.child.kill("SIGTERM")
      await server.end
    }
  }, 60_000)
})
