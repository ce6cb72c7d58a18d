/**
 * VARIANT values: encoded values decode to the same JSON, and DuckDB reads the same from a file.
 */
import { DuckDBInstance } from "@duckdb/node-api"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { decodeVariant, type VariantBytes } from "../../../src/local/parquet/variant.ts"
import { encodeVariant } from "../../../src/local/parquet/variantEncoder.ts"
import { seeded } from "../../support/randomTables.ts"
import { variants } from "../../support/randomRecords.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const many = (count: number) =>
  `{${Array.from({ length: count }, (_, n) => `"k${String(n).padStart(5, "0")}":${n}`).join(",")}}`
const cases: ReadonlyArray<string> = [
  ...variants,
  ...[0, 1, 63, 64, 127, 128, 255, 256].map((n) => JSON.stringify("x".repeat(n))),
  ...[127, 128, -128, 32767, 32768, 2147483647, 2147483648, -2147483649].map(String),
  ...[255, 256, 300, 70_000].map(
    (n) => `[${Array.from({ length: n }, (_, i) => i % 10).join(",")}]`
  ),
  ...[255, 256, 300, 5000].map(many),
  JSON.stringify(Array.from({ length: 20 }, (_, n) => "y".repeat(n * 1000)))
]

const encoded = (text: string): VariantBytes => {
  const variant = encodeVariant(text)
  if (typeof variant === "string") throw new Error(`${text.slice(0, 50)}: ${variant}`)
  return variant
}

describe("variant", () => {
  it("decodes what it encodes, digit by digit", () => {
    for (const text of cases) {
      assert.strictEqual(decodeVariant(encoded(text)), text)
    }
  })

  it("orders keys by their bytes, and keeps the last of equal ones", () => {
    const text = (json: string) => decodeVariant(encoded(json))
    assert.strictEqual(text('{ "b": 1, "a" : 2, "b": 3 }'), '{"a":2,"b":3}')
    assert.strictEqual(text('{"\u{10000}":1,"\uffff":2}'), '{"\uffff":2,"\u{10000}":1}')
    assert.strictEqual(text('{"__proto__":{"x":1}}'), '{"__proto__":{"x":1}}')
    assert.strictEqual(text("-0"), "0")
    assert.strictEqual(text("-0.0"), "-0.0")
    assert.strictEqual(text("1.50"), "1.50")
  })

  it("says why it refuses a text", () => {
    const beyond = "9".repeat(309)
    for (const [says, ...texts] of [
      [
        /a string that holds JSON/,
        "",
        " ",
        "{",
        "[",
        "nope",
        "nul",
        "[1,]",
        "[,1]",
        '{"a":1,}',
        '{"a"}',
        "{a:1}",
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "1e+",
        '"',
        '"a',
        '"\\',
        '"\\x"',
        '"\n"',
        '"\\ud800"',
        "1 2",
        "[1}",
        "\u00a01",
        "\ufeff1",
        "NaN",
        "[".repeat(400),
        '{"\\udc00":1}'
      ],
      [
        /nested at most 500 deep/,
        "[".repeat(501) + "]".repeat(501),
        '{"a":'.repeat(501),
        "[".repeat(1_000_000)
      ],
      [
        /range of DOUBLE/,
        "1e400",
        "-1e400",
        "[1E309]",
        "1e999999999",
        '{"a":[0.1e310]}',
        beyond,
        `-${beyond}.5`
      ]
    ] as ReadonlyArray<readonly [RegExp, ...ReadonlyArray<string>]>) {
      for (const text of texts) {
        const refused = encodeVariant(text)
        if (typeof refused !== "string") assert.fail(`took ${text.slice(0, 20)}`)
        assert.match(refused, says, text.slice(0, 20))
      }
    }
    encoded("[".repeat(500) + "]".repeat(500))
    assert.strictEqual(decodeVariant(encoded("1e-400")), "0")
    assert.strictEqual(decodeVariant(encoded(`1${"0".repeat(308)}`)), "1e+308")
  })

  it("takes what JSON.parse takes, and nothing else", () => {
    const random = seeded(17)
    const signs = '{}[]:,"\\ \n0123456789.eE+-truefalsn\u0001\u00e9'
    let taken = 0
    for (let round = 0; round < 20_000; round++) {
      const of = cases[Math.floor(random() * variants.length)]!
      const at = Math.floor(random() * (of.length + 1))
      const sign = signs[Math.floor(random() * signs.length)]!
      const text =
        of.slice(0, at) + (random() < 0.7 ? sign : "") + of.slice(at + Math.floor(random() * 3))
      const variant = encodeVariant(text)
      let parsed: unknown
      try {
        parsed = JSON.parse(text)
      } catch {
        assert.isString(variant, text)
        continue
      }
      if (typeof variant === "string") {
        // A lone surrogate is not valid text.
        if (JSON.stringify(parsed) === JSON.stringify(parsed).replace(/\\ud[89a-f]/i, ""))
          assert.match(variant, /DOUBLE/, text)
      } else {
        taken++
        // The integer -0 is 0.
        const unsigned = (_key: string, value: unknown) => (value === 0 ? 0 : value)
        assert.deepStrictEqual(
          JSON.parse(decodeVariant(variant), unsigned),
          JSON.parse(text, unsigned)
        )
      }
    }
    assert.isAbove(taken, 1000)
  })

  it.live("is the same to DuckDB", () =>
    Effect.gen(function* () {
      const definition = table("a.b.v(n INT, v VARIANT, l ARRAY<VARIANT>)")
      const store = yield* makeDurableTableStore({
        ...byHand,
        folder: yield* temporaryFolder,
        worker: false
      })
      const { location } = yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
      yield* append(writer, [
        ...variants.map((v, n) => json({ n, v, l: [v, "1"] })),
        json({ n: 1000 })
      ])
      yield* store.flush()
      const name = (yield* Effect.promise(() => Fs.readdir(location))).find((file) =>
        file.endsWith(".parquet")
      )!
      const connection = yield* Effect.promise(async () =>
        (await DuckDBInstance.create(":memory:")).connect()
      )
      const parts = (value: string) =>
        `variant_bytes_to_variant(${value}.metadata || ${value}.value)`
      const made =
        `SELECT n, ${parts("v")} AS v, ${parts("l[1]")} AS l FROM ` +
        `read_parquet('${Path.join(location, name)}')`
      const query =
        `SELECT v::JSON::VARCHAR, l::JSON::VARCHAR, typeof(v), v IS NULL FROM ` +
        `(${made}) ORDER BY n`
      const rows = (yield* Effect.promise(() => connection.runAndReadAll(query))).getRows()
      // DuckDB prints decimals below one without the leading zero, which is not valid JSON.
      const value = (text: unknown) =>
        text === null
          ? null
          : (JSON.parse(String(text).replace(/(^|[[,:-])\./g, "$10.")) as unknown)
      assert.deepStrictEqual(
        rows.slice(0, -1).map((row) => value(row[0])),
        variants.map(value)
      )
      assert.deepStrictEqual(
        rows.slice(0, -1).map((row) => value(row[1])),
        variants.map(value)
      )
      // DuckDB reads a VARIANT that holds null as NULL.
      assert.deepStrictEqual(
        rows.map((row) => row[3]),
        [...variants.map((text) => text === "null"), true]
      )
      assert.strictEqual(rows[0]![2], "VARIANT")
    })
  )
})
