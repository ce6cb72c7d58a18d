/**
 * What the check lets through, the server takes: one record that is refused there would end the stream for all the others.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { type Checked, csvCheck, jsonCheck } from "../../../src/cli/records/recordCheck.ts"
import { parseColumnType } from "../../../src/internal/columns/columnType.ts"
import { columnTree, makeLeaves } from "../../../src/local/parquet/columnTree.ts"
import { jsonDecoder } from "../../../src/local/records/jsonDecoder.ts"

const scalars = [
  "BOOLEAN",
  "TINYINT",
  "SMALLINT",
  "INT",
  "BIGINT",
  "FLOAT",
  "DOUBLE",
  "STRING",
  "BINARY",
  "DATE",
  "TIMESTAMP",
  "TIMESTAMP_NTZ",
  "VARIANT",
  "DECIMAL(4,2)",
  "DECIMAL(38,10)",
  "DECIMAL(38,38)"
]
const types = [
  ...scalars,
  ...scalars.map((type) => `ARRAY<${type}>`),
  ...["STRING", "INT", "BIGINT", "DATE", "BOOLEAN", "TIMESTAMP"].map((key) => `MAP<${key}, DECIMAL(4,2)>`),
  "STRUCT<a: INT NOT NULL, b: ARRAY<STRUCT<c: DATE, d: TIMESTAMP>>>"
]

/** Text of JSON values on both sides of every limit, and some that are nothing. */
const edges: Array<string> = [
  ..."null true false 0 -0 1 -1 1.5 1.0 1e2 1e-7 127 128 -129 32768 2147483647 2147483648 -2147483649".split(" "),
  ..."9007199254740991 9007199254740992 9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775808".split(
    " "
  ),
  ..."1e300 1e999 3.5e38 0.1000000000000000055 99.99 100 -99.999 12345678901234567890123456789012345678 719163 2932897".split(
    " "
  ),
  ...'253402300799999999 253402300800000000 -62135596800000000 -62135596800000001 [] {} [null] [1,null,2] {"a":1}'.split(
    " "
  ),
  ...'[[1]] {"a":1,"b":[{"c":"1970-01-02","d":"2026-11-22T08:30:00Z"}]} {"1":1.5} {"true":"2.5"} {"2026-11-22":1}'.split(
    " "
  ),
  ...[
    "",
    " ",
    "1",
    "-1",
    "+1",
    "01",
    "1.50",
    ".5",
    "5.",
    "1e3",
    "NaN",
    "Infinity",
    "-Infinity",
    "true",
    "AQI=",
    "AQI",
    "AQ==",
    "A",
    "%%"
  ].map((text) => JSON.stringify(text)),
  ...[
    "1970-01-01",
    "0001-01-01",
    "0000-12-31",
    "9999-12-31",
    "2026-02-29",
    "2024-02-29",
    "2026-11-22T08:30:00Z",
    "2026-11-22 08:30"
  ].map((text) => JSON.stringify(text)),
  ...[
    "9999-12-31T23:59:59.9999999Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "2026-11-22T08:30:60Z"
  ].map((text) => JSON.stringify(text)),
  '"\\ud800"',
  '"\\u0000"',
  '"{\\"a\\":1}"',
  '"{"',
  '"9223372036854775807"',
  '"9223372036854775808"',
  '"-0"',
  '"007"'
]

for (const depth of [499, 500, 501, 100_000]) edges.push("[".repeat(depth) + "]".repeat(depth))

const harness = (text: string) => {
  const type = Result.getOrThrow(parseColumnType(text))
  const columns = [{ name: "v", type, nullable: true }]
  const tree = columnTree(columns)
  const accept = jsonDecoder(tree, makeLeaves(tree))
  const check = jsonCheck(columns)
  const row = csvCheck(columns, ["v"])
  if (typeof row !== "function") throw new Error(row.problem)
  return { accept, check, row }
}

/** Whether the check let the record through; fails when it did and the server does not take it. */
const taken = ({ accept }: ReturnType<typeof harness>, checked: Checked, value: string): boolean => {
  if ("problem" in checked) return false
  try {
    accept(Buffer.from(checked.json))
  } catch (error) {
    assert.fail(`${value} becomes ${checked.json}, which the server refuses: ${String(error)}`)
  }
  return true
}

const passes = (one: ReturnType<typeof harness>, value: string): boolean =>
  taken(one, one.check({ line: 1, text: `{"v":${value}}` }), value)

describe("what the check lets through the server takes", () => {
  it.each(types)("for %s at every edge", (text) => {
    const one = harness(text)
    const passed = edges.filter((value) => passes(one, value))
    assert.isAbove(passed.length, 1)
    if (text !== "VARIANT") assert.isBelow(passed.length, edges.length)
    // The same as the text of a CSV field.
    for (const value of edges) taken(one, one.row({ line: 2, text: "", fields: [value.replace(/^"|"$/g, "")] }), value)
  })

  const Value = Schema.Union([
    Schema.String,
    Schema.Finite,
    Schema.Boolean,
    Schema.Null,
    Schema.Array(Schema.Finite),
    Schema.Record(Schema.String, Schema.Int)
  ])
  it.effect.prop(
    "for any JSON value",
    { value: Value },
    ({ value }) =>
      Effect.sync(() => {
        for (const text of types) passes(harness(text), JSON.stringify(value))
      }),
    { arbitrary: { runs: 100 } }
  )
})
