/**
 * `zerobus ingest` into a table with a rescue column, which takes what has no column.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Path from "node:path"
import { zerobus } from "../support/commandLine.ts"
import { readingsServer } from "../support/readingsServer.ts"

const { environment, file, newTable, show } = readingsServer()
const parquet = Path.resolve(import.meta.dirname, "../fixtures/typedFiles/strange.parquet")

const rescuing = "t(id BIGINT NOT NULL, name STRING, rest VARIANT TAGS ('zerobus-rescue'))"

const run = (...args: ReadonlyArray<string>) => zerobus(["ingest", ...args], environment)

/** The rows of a table in the order of their ids. */
const rowsOf = async (table: string, count: number) => {
  await show(table, count)
  const sql = `SELECT * FROM ${table} ORDER BY id`
  const { code, err, out } = await zerobus(["query", sql, "--json"], environment)
  assert.strictEqual(code, 0, err)
  return out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
}

describe("zerobus ingest into a table with a rescue column", () => {
  it("sends the names of JSON records that have no column, with their digits", async () => {
    const table = await newTable(rescuing)
    const lines = [
      '{"id":1,"name":"a","price":12.50,"more":{"at":[1,null]}}',
      '{"ID":2,"rest":"named like the column"}',
      '{"id":3,"name":"plain"}'
    ]
    const { code, err } = await run(file("lines.ndjson", lines.join("\n")), "-t", table)
    assert.strictEqual(code, 0, err)
    const [first, second, third] = await rowsOf(table, 3)
    assert.deepStrictEqual(first, {
      id: 1,
      name: "a",
      rest: { price: 12.5, more: { at: [1, null] } }
    })
    assert.deepStrictEqual(second.rest, { rest: "named like the column" })
    assert.deepStrictEqual(third, { id: 3, name: "plain", rest: null })
  })

  it("sends the fields of CSV without a column as text", async () => {
    const table = await newTable(rescuing)
    const csv = file("rows.csv", 'id,city,name\n1,"B ""ern",a\n2,,b\n')
    const { code, err } = await run(csv, "-t", table)
    assert.strictEqual(code, 0, err)
    const [first, second] = await rowsOf(table, 2)
    assert.deepStrictEqual(first.rest, { city: 'B "ern' })
    assert.strictEqual(second.rest, null)
  })

  it("sends the columns of files with types that the table lacks", async () => {
    const table = await newTable(rescuing)
    const { code, err } = await run(parquet, "-t", table)
    assert.strictEqual(code, 0, err)
    const [first] = await rowsOf(table, 3)
    const { long_list, millis, u64 } = first.rest
    assert.deepStrictEqual([long_list, millis, u64], [[1, 2], 1764576000123000, 2 ** 64 - 1])
  })

  it("leaves them out with --ignore-unknown, and rejects values that do not fit", async () => {
    const table = await newTable(rescuing)
    const lines = file("more.ndjson", '{"id":1,"more":2}\n{"id":2,"name":3}\n')
    const rejects = file("rejects", "")
    const { code, err, out } = await run(
      lines,
      "-t",
      table,
      "--ignore-unknown",
      "--rejects",
      rejects,
      "--json"
    )
    assert.strictEqual(code, 0, err)
    assert.include(JSON.parse(out), { accepted: 1, rejected: 1 })
    assert.deepStrictEqual(await rowsOf(table, 1), [{ id: 1, name: null, rest: null }])
  })

  it("refuses them for a table without such a column, unless --rescue is given", async () => {
    const table = await newTable("t(id BIGINT)")
    const lines = file("unknown.ndjson", '{"id":1,"more":2}\n')
    const refused = await run(lines, "-t", table)
    assert.match(refused.err, /the table has no column "more"/)
    // The server without the column refuses the record itself.
    const sent = await run(
      lines,
      "-t",
      table,
      "--rescue",
      "--rejects",
      file("by-server", ""),
      "--json"
    )
    assert.include(JSON.parse(sent.out.trim().split("\n").at(-1)!), { refusedByServer: 1 })
  })
})
