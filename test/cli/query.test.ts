/**
 * `zerobus query` as a process: SQL without tables, and the bound of what it prints.
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

  it("prints at most 1,000 rows, and says so apart from the rows", async () => {
    const { code, err, out } = await zerobus(["query", "FROM range(2000)", "--json"])
    assert.strictEqual(code, 0)
    assert.strictEqual(out.trim().split("\n").length, 1000)
    assert.match(err, /first 1000 rows/)
  })

  it("and zerobus table show apply deletion vectors, and refuse a damaged one with its file", async () => {
    const data = Path.join(temporaryFolder(), "data")
    Fs.cpSync(Path.join(import.meta.dirname, "../fixtures/foreignTables/data"), data, { recursive: true })
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
