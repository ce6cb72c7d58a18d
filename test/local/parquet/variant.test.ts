/** VARIANT values: what is encoded decodes to the same JSON, and DuckDB reads the same from a file. */
import { DuckDBInstance } from "@duckdb/node-api"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { decodeVariant, encodeVariant } from "../../../src/local/parquet/variant.ts"
import { variants } from "../../support/randomRecords.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const many = (count: number) =>
  `{${Array.from({ length: count }, (_, n) => `"k${String(n).padStart(5, "0")}":${n}`).join(",")}}`
const cases: ReadonlyArray<string> = [
  ...variants,
  ...[0, 1, 63, 64, 127, 128, 255, 256].map((n) => JSON.stringify("x".repeat(n))),
  ...[127, 128, -128, 32767, 32768, 2147483647, 2147483648, -2147483649].map(String),
  ...[255, 256, 300, 70_000].map((n) => `[${Array.from({ length: n }, (_, i) => i % 10).join(",")}]`),
  ...[255, 256, 300, 5000].map(many),
  JSON.stringify(Array.from({ length: 20 }, (_, n) => "y".repeat(n * 1000)))
]

describe("variant", () => {
  it("decodes what it encodes, digit by digit", () => {
    for (const text of cases) {
      const encoded = encodeVariant(text)
      assert.isDefined(encoded, text.slice(0, 50))
      assert.strictEqual(decodeVariant(encoded!), text)
    }
  })

  it("orders keys by their bytes, and keeps the last of equal ones", () => {
    const text = (json: string) => decodeVariant(encodeVariant(json)!)
    assert.strictEqual(text('{ "b": 1, "a" : 2, "b": 3 }'), '{"a":2,"b":3}')
    assert.strictEqual(text('{"\u{10000}":1,"\uffff":2}'), '{"\uffff":2,"\u{10000}":1}')
    assert.strictEqual(text('{"__proto__":{"x":1}}'), '{"__proto__":{"x":1}}')
    assert.strictEqual(text("-0"), "0")
    assert.strictEqual(text("-0.0"), "-0.0")
    assert.strictEqual(text("1.50"), "1.50")
  })

  it("refuses what is no JSON or too deep", () => {
    for (const text of [
      "",
      "{",
      "nope",
      "[1,]",
      "[".repeat(502) + "]".repeat(502),
      "[".repeat(1_000_000),
      '"\\ud800"'
    ]) {
      assert.isUndefined(encodeVariant(text), text.slice(0, 20))
    }
    assert.isDefined(encodeVariant("[".repeat(500) + "]".repeat(500)))
  })

  it.live("is the same to DuckDB", () =>
    Effect.gen(function* () {
      const definition = table("a.b.v(n INT, v VARIANT, l ARRAY<VARIANT>)")
      const store = yield* makeDurableTableStore({ ...byHand, folder: yield* temporaryFolder, worker: false })
      const { location } = yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
      yield* append(writer, [...variants.map((v, n) => json({ n, v, l: [v, "1"] })), json({ n: 1000 })])
      yield* store.flush()
      const name = (yield* Effect.promise(() => Fs.readdir(location))).find((file) => file.endsWith(".parquet"))!
      const connection = yield* Effect.promise(async () => (await DuckDBInstance.create(":memory:")).connect())
      const parts = (value: string) => `variant_bytes_to_variant(${value}.metadata || ${value}.value)`
      const made = `SELECT n, ${parts("v")} AS v, ${parts("l[1]")} AS l FROM read_parquet('${Path.join(location, name)}')`
      const query = `SELECT v::JSON::VARCHAR, l::JSON::VARCHAR, typeof(v), v IS NULL FROM (${made}) ORDER BY n`
      const rows = (yield* Effect.promise(() => connection.runAndReadAll(query))).getRows()
      // DuckDB prints decimals below one without their zero, which is no JSON.
      const value = (text: unknown) =>
        text === null ? null : (JSON.parse(String(text).replace(/(^|[[,:-])\./g, "$10.")) as unknown)
      assert.deepStrictEqual(
        rows.slice(0, -1).map((row) => value(row[0])),
        variants.map(value)
      )
      assert.deepStrictEqual(
        rows.slice(0, -1).map((row) => value(row[1])),
        variants.map(value)
      )
      // DuckDB takes a VARIANT that holds null for NULL.
      assert.deepStrictEqual(
        rows.map((row) => row[3]),
        [...variants.map((text) => text === "null"), true]
      )
      assert.strictEqual(rows[0]![2], "VARIANT")
    })
  )
})
