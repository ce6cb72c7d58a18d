/**
 * Holding records against columns: what is converted, what is refused and how the refusal reads.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { type Checked, csvColumns, jsonCheck, largestRecord, rowCheck } from "../../../src/cli/records/recordCheck.ts"
import * as DecimalText from "../../../src/cli/records/decimalText.ts"
import { parseTableDefinition } from "../../../src/internal/columns/columnType.ts"

const columns = (text: string) => Result.getOrThrow(parseTableDefinition(`c.s.t(${text})`)).columns
const outcome = (checked: Checked): unknown => ("json" in checked ? JSON.parse(checked.json) : checked.problem)
const json = (table: string, text: string, ignoreUnknown = false) =>
  outcome(jsonCheck(columns(table), { ignoreUnknown })({ line: 1, text }))

describe("a JSON record", () => {
  it("that needs no change travels as it stands", () => {
    const text = '{ "b": "x",  "a": 1 }'
    assert.deepStrictEqual(jsonCheck(columns("a INT, b STRING, c DOUBLE"))({ line: 1, text }), { json: text })
  })

  it.each<readonly [type: string, value: string, sent: unknown]>([
    ["BOOLEAN", "true", true],
    ["TINYINT", "-128", -128],
    ["INT", "1.0", 1],
    ["BIGINT", "9007199254740991", 9007199254740991],
    ["BIGINT", "9007199254740992", "9007199254740992"],
    ["BIGINT", "9007199254740993", "9007199254740993"],
    ["BIGINT", "1000000000000000000", "1000000000000000000"],
    ["BIGINT", "-9223372036854775808", "-9223372036854775808"],
    ["BIGINT", '"12"', "12"],
    ["DOUBLE", "0.1000000000000000055", 0.1],
    ["DOUBLE", '"NaN"', "NaN"],
    ["FLOAT", "1.5", 1.5],
    ["DECIMAL(10,2)", "12.5", "12.5"],
    ["DECIMAL(10,2)", '"12.50"', "12.50"],
    ["DECIMAL(38,10)", "1234567890123456789.0123456789", "1234567890123456789.0123456789"],
    ["DECIMAL(20,0)", "1e3", "1000"],
    ["STRING", '"æ"', "æ"],
    ["BINARY", '"AQI="', "AQI="],
    ["BINARY", '"AQI"', "AQI="],
    ["DATE", '"1990-01-08"', 7312],
    ["DATE", "7312", 7312],
    ["TIMESTAMP", '"2026-11-22T08:30:00Z"', 1795336200000000],
    ["TIMESTAMP", '"2026-11-22 10:30:00.123456789+02:00"', 1795336200123456],
    ["TIMESTAMP", "1795336200000000", 1795336200000000],
    ["TIMESTAMP", '"9999-12-31T23:59:59.999999Z"', "253402300799999999"],
    ["TIMESTAMP_NTZ", '"2026-11-22T08:30"', 1795336200000000],
    ["VARIANT", '{"a":[1,9007199254740993]}', '{"a":[1,9007199254740993]}'],
    ["VARIANT", '"{\\"a\\":1}"', '{"a":1}'],
    ["VARIANT", '"plain"', '"plain"'],
    ["ARRAY<DATE>", '["1970-01-02",null]', [1, null]],
    ["MAP<STRING,DATE>", '{"k":"1970-01-02"}', { k: 1 }],
    ["STRUCT<d: DATE, s: STRUCT<n: BIGINT>>", '{"d":"1970-01-02","s":{"n":1}}', { d: 1, s: { n: 1 } }],
    ["INT", "null", null]
  ])("%s takes %s", (type, value, sent) => {
    assert.deepStrictEqual(json(`a ${type}`, `{"a":${value}}`), { a: sent })
  })

  it.each<readonly [type: string, value: string]>([
    ["BOOLEAN", '"yes"'],
    ["TINYINT", "300"],
    ["INT", "1.5"],
    ["INT", '"1"'],
    ["BIGINT", "9223372036854775808"],
    ["BIGINT", "1.5"],
    ["DOUBLE", "1e999"],
    ["FLOAT", "1e300"],
    ["DECIMAL(4,2)", "123.4"],
    ["DECIMAL(4,2)", "1.234"],
    ["STRING", "1"],
    ["STRING", '"\\ud800"'],
    ["BINARY", '"%%"'],
    ["DATE", '"1990-02-30"'],
    ["DATE", '"1/8/1990"'],
    ["DATE", "99999999"],
    ["TIMESTAMP", '"yesterday"'],
    ["TIMESTAMP", '"2026-11-22T25:00:00Z"'],
    ["TIMESTAMP_NTZ", '"2026-11-22T08:30:00Z"'],
    ["ARRAY<INT>", "{}"],
    ["MAP<STRING,INT>", "[]"],
    ["STRUCT<n: INT>", "5"]
  ])("%s refuses %s and does not repeat the value", (type, value) => {
    const problem = json(`a ${type}`, `{"a":${value}}`)
    assert.isString(problem)
    assert.match(problem as string, /^column a: expected /)
    if (value.length > 3) assert.notInclude(problem as string, value.replaceAll('"', ""))
  })

  it("names nested columns, columns that must be there, and columns that do not exist", () => {
    assert.strictEqual(
      json("a STRUCT<list: ARRAY<STRUCT<n: INT>>>", '{"a":{"list":[{"n":1},{"n":"x"}]}}'),
      "column a.list.element.n: expected INT, an integer from -2147483648 to 2147483647"
    )
    assert.strictEqual(
      json("a INT NOT NULL", "{}"),
      "column a: expected INT, an integer from -2147483648 to 2147483647; the column is NOT NULL"
    )
    assert.strictEqual(json("a INT", '{"a":1,"b":2}'), 'column "b": the table has no such column')
    assert.strictEqual(json("a INT", '{"__proto__":2}'), 'column "__proto__": the table has no such column')
    assert.deepStrictEqual(json("a INT, s STRUCT<x: INT>", '{"a":1,"b":2,"s":{"x":1,"y":2}}', true), {
      a: 1,
      s: { x: 1 }
    })
  })

  it.each(["", "{", "[1]", "1", "null", '"text"', "{'a':1}"])("refuses %j, which is no object", (text) => {
    assert.match(String(json("a INT", text)), /^is not (valid JSON|a JSON object)$/)
  })

  it("is refused when one call cannot carry it", () => {
    assert.match(String(json("a STRING", JSON.stringify({ a: "x".repeat(largestRecord) }))), /above the limit/)
    assert.isObject(json("a STRING", JSON.stringify({ a: "x".repeat(largestRecord - 100) })))
  })
})

describe("a CSV row", () => {
  const csv = (
    table: string,
    header: ReadonlyArray<string>,
    fields: ReadonlyArray<string>,
    ignoreUnknown = false
  ): unknown => {
    const targets = csvColumns(columns(table), header, { ignoreUnknown })
    return "problem" in targets
      ? targets.problem
      : outcome(rowCheck(targets, { ignoreUnknown })({ line: 2, text: "", fields }))
  }

  it("finds its columns by name, also by names that a column cannot have", () => {
    assert.deepStrictEqual(
      csv(
        "cost_total BIGINT, Airport_Name STRING, speed DOUBLE",
        ["Airport Name", "Cost Total $", "SPEED"],
        ["X", "12", "1e2"]
      ),
      { Airport_Name: "X", cost_total: 12, speed: 100 }
    )
  })

  it("is converted by column type; an empty field is NULL", () => {
    assert.deepStrictEqual(
      csv(
        "b BOOLEAN, i INT, n BIGINT, x DOUBLE, d DECIMAL(5,2), s STRING, t TIMESTAMP, y DATE, l ARRAY<INT>, e INT, f STRING NOT NULL",
        ["b", "i", "n", "x", "d", "s", "t", "y", "l", "e", "f"],
        ["Yes", " 7", "9007199254740993", "-1.5", "3.10", " x ", "1970-01-01T00:00:01Z", "1970-01-02", "[1,2]", "", ""]
      ),
      { b: true, i: 7, n: "9007199254740993", x: -1.5, d: "3.10", s: " x ", t: 1000000, y: 1, l: [1, 2], f: "" }
    )
  })

  it("is refused with the column, and a header that does not fit is refused at once", () => {
    assert.match(String(csv("a INT", ["a"], ["1.5"])), /^column a: expected INT/)
    assert.match(String(csv("a INT", ["a", "b"], [])), /no column for "b"\. Its columns: a$/)
    assert.deepStrictEqual(csv("a INT", ["a", "b"], ["1", "2"], true), { a: 1 })
    assert.match(String(csv("a INT, b INT NOT NULL", ["a"], [])), /the file has no column b, which is NOT NULL/)
    assert.match(String(csv("a_b INT", ["a b", "A-B"], [])), /two columns of the file belong to the column a_b/)
  })
})

describe("text of values", () => {
  const Scaled = Schema.Int.check(Schema.isBetween({ minimum: -999_999_999, maximum: 999_999_999 }))
  const Scale = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))

  it.effect.prop(
    "decimals keep their value, with and without an exponent",
    { scaled: Scaled, scale: Scale },
    ({ scale, scaled }) =>
      Effect.sync(() => {
        const written = DecimalText.plain(`${scaled}e-${scale}`, 38, 18)
        assert.strictEqual(Number(written), Number(`${scaled}e-${scale}`))
        assert.strictEqual(DecimalText.plain(written!, 38, 18), written)
      }),
    { arbitrary: { runs: 300 } }
  )
})
