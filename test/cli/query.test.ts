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

  it("refuses a table with deletion vectors by name, and does not show rows that are deleted", async () => {
    const data = Path.join(temporaryFolder(), "data")
    const server = await startServer(["--data-dir", data, "--table", "main.default.t(id INT)"])
    try {
      const add = {
        path: "part-0.parquet",
        partitionValues: {},
        size: 1,
        modificationTime: 1,
        dataChange: true,
        stats: '{"numRecords":10}',
        deletionVector: { storageType: "i", pathOrInlineDv: "x", sizeInBytes: 4, cardinality: 3 }
      }
      const log = Path.join(data, "main/default/t/_delta_log")
      Fs.writeFileSync(Path.join(log, "00000000000000000001.json"), `${JSON.stringify({ add })}\n`)
      const { code, err } = await zerobus(["query", "SELECT * FROM main.default.t"], server.environment)
      assert.strictEqual(code, 1)
      assert.match(err, /main\.default\.t has files with deleted rows/)
      const shown = await zerobus(["table", "show", "main.default.t", "--json"], server.environment)
      assert.strictEqual(JSON.parse(shown.out).rows, 7)
    } finally {
      server.child.kill("SIGTERM")
      await server.end
    }
  }, 60_000)
})
