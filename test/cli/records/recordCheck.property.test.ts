/**
 * The server accepts every record that the check accepts: a record refused there would end the
 * stream for all others.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { type Checked, jsonCheck, rowCheck } from "../../../src/cli/records/recordCheck.ts"
import { parseColumnType } from "../../../src/internal/columns/columnType.ts"
import { columnTree, makeLeaves } from "../../../src/local/parquet/columnTree.ts"
import { jsonDecoder } from "../../../src/local/records/jsonDecoder.ts"
import { edges, types } from "../../support/valueEdges.ts"

const harness = (text: string) => {
  const type = Result.getOrThrow(parseColumnType(text))
  const columns = [{ name: "v", type, nullable: true }]
  const tree = columnTree(columns)
  const accept = jsonDecoder(tree, makeLeaves(tree))
  const check = jsonCheck(columns)
  const row = rowCheck(columns)
  return { accept, check, row }
}

/** Whether the check accepted the record. Fails when it did and the server refuses it. */
const taken = (
  { accept }: ReturnType<typeof harness>,
  checked: Checked,
  value: string
): boolean => {
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
    for (const value of edges)
      taken(one, one.row({ line: 2, text: "", fields: [value.replace(/^"|"$/g, "")] }), value)
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
