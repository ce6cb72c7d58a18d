/**
 * `zerobus query` as a process: SQL without tables, and the bound of what it prints.
 */
import { assert, describe, it } from "@effect/vitest"
import { zerobus } from "../support/commandLine.ts"

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
})
