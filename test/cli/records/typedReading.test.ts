/**
 * Values of files with types as JSON: in a rescue column and in VARIANT columns.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { typedCheck, typedTargets } from "../../../src/cli/records/typedCheck.ts"
import { type FileColumn, TypedRow } from "../../../src/cli/records/typedRow.ts"
import { KeyTwice } from "../../../src/cli/records/valueCheck.ts"
import { parseColumnType } from "../../../src/internal/columns/columnTypeParser.ts"
import type { ColumnDefinition } from "../../../src/internal/columns/columnType.ts"

const column = (name: string, type: string): ColumnDefinition => ({
  name,
  type: Result.getOrThrow(parseColumnType(type)),
  nullable: true
})

/** Checks one row of a file with these columns and values. */
const check = (
  cells: Readonly<Record<string, readonly [type: string, value: unknown]>>,
  table: ReadonlyArray<ColumnDefinition> = [],
  nullWords: ReadonlyArray<string> = []
) => {
  const file = Object.entries(cells).map(([name, [typeText]]): FileColumn => ({
    ...column(name, typeText),
    typeText
  }))
  const forms = { rescueUnknown: true, nullWords }
  const targets = typedTargets([column("id", "BIGINT"), ...table], file, forms)
  if ("problem" in targets) return targets
  return typedCheck(
    targets,
    file,
    forms
  )(
    new TypedRow(
      1,
      file,
      Object.values(cells).map(([, value]) => value)
    )
  )
}

const big = "9007199254740993"

describe("values of files with types as JSON", () => {
  it("rescues numbers with their digits, at any depth", () => {
    const found = check({
      id: ["BIGINT", big],
      long: ["BIGINT", big],
      u64: ["DECIMAL(20,0)", "18446744073709551615"],
      price: ["DECIMAL(4,2)", "1.50"],
      at: ["TIMESTAMP", "253402300799999999"],
      list: ["ARRAY<BIGINT>", [big, 1, null]],
      map: ["MAP<STRING,BIGINT>", { a: big, b: null }],
      struct: ["STRUCT<t:TIMESTAMP_NTZ,s:STRING>", { t: "253402300799999999", s: big }],
      zero: ["DOUBLE", -0]
    })
    assert.deepStrictEqual(found, {
      json:
        `{"id":"${big}","long":${big},"u64":18446744073709551615,"price":1.50,` +
        `"at":253402300799999999,"list":[${big},1,null],"map":{"a":${big},"b":null},` +
        `"struct":{"t":253402300799999999,"s":"${big}"},"zero":-0.0}`
    })
  })

  it("rescues a VARIANT as its value, text as text and a FLOAT in its shortest form", () => {
    const found = check({
      id: ["BIGINT", 1],
      list: ["VARIANT", `[1,${big}]`],
      text: ["VARIANT", '"[1,2]"'],
      plain: ["STRING", "[1,2]"],
      inside: ["ARRAY<VARIANT>", ['{"a":1.50}', null]],
      float: ["FLOAT", Math.fround(0.1)],
      large: ["FLOAT", Math.fround(3.4028235e38)],
      none: ["FLOAT", "NaN"]
    })
    assert.deepStrictEqual(found, {
      json:
        `{"id":1,"list":[1,${big}],"text":"[1,2]","plain":"[1,2]","inside":[{"a":1.50},null],` +
        `"float":0.1,"large":3.4028235e+38,"none":"NaN"}`
    })
  })

  it("checks what it rescues as it does for columns", () => {
    const id = ["BIGINT", 1] as const
    const map = new KeyTwice("a")
    assert.include(check({ id, ext: ["MAP<STRING,BIGINT>", map] }), {
      problem:
        'column ext: the key "a" appears twice in an object; only one of the values could be kept'
    })
    assert.property(check({ id, ext: ["STRING", "\udfff"] }), "problem")
    assert.deepStrictEqual(check({ id, ext: ["ARRAY<STRING>", ["NA", "x"]] }, [], ["NA"]), {
      json: '{"id":1,"ext":[null,"x"]}'
    })
  })

  it("puts values into a VARIANT column", () => {
    const table = [column("v", "VARIANT")]
    const id = ["BIGINT", 1] as const
    const json = (type: string, value: unknown) => {
      const found = check({ id, v: [type, value] }, table)
      return "json" in found ? JSON.parse(found.json).v : found.problem
    }
    assert.strictEqual(json("ARRAY<BIGINT>", [1, big]), `[1,${big}]`)
    assert.strictEqual(json("FLOAT", Math.fround(0.1)), "0.1")
    assert.strictEqual(json("DOUBLE", -0), "-0.0")
    // The text of a column is read as a field of CSV; text within a list stays text.
    assert.strictEqual(json("STRING", "12"), "12")
    assert.strictEqual(json("ARRAY<STRING>", ["12", "null"]), '["12","null"]')
    assert.match(
      json("ARRAY<MAP<STRING,STRING>>", [new KeyTwice("a")]),
      /the key "a" appears twice in an object/
    )
  })
})
