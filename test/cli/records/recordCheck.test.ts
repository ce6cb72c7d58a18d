/**
 * Checking records against columns: conversions, refusals and their messages.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import {
  type Checked,
  csvColumns,
  jsonCheck,
  largestRecord,
  rowCheck
} from "../../../src/cli/records/recordCheck.ts"
import * as DecimalText from "../../../src/cli/records/decimalText.ts"
import { type ColumnType, parseTableDefinition } from "../../../src/internal/columns/columnType.ts"

const columns = (text: string) => Result.getOrThrow(parseTableDefinition(`c.s.t(${text})`)).columns
const outcome = (checked: Checked): unknown =>
  "json" in checked ? JSON.parse(checked.json) : checked.problem
const json = (table: string, text: string, ignoreUnknown = false) =>
  outcome(jsonCheck(columns(table), { ignoreUnknown })({ line: 1, text }))

describe("a JSON record", () => {
  it("that needs no change travels as it stands", () => {
    const text = '{ "b": "x",  "a": 1 }'
    assert.deepStrictEqual(jsonCheck(columns("a INT, b STRING, c DOUBLE"))({ line: 1, text }), {
      json: text
    })
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
    [
      "STRUCT<d: DATE, s: STRUCT<n: BIGINT>>",
      '{"d":"1970-01-02","s":{"n":1}}',
      { d: 1, s: { n: 1 } }
    ],
    ["INT", "1e2", 100],
    ["INT", "-0.0", 0],
    ["BIGINT", "9007199254740993.0", "9007199254740993"],
    ["BIGINT", "1e18", "1000000000000000000"],
    ["BIGINT", '"+5"', "5"],
    ["DATE", "7312.0", 7312],
    ["TIMESTAMP", "1.7953362e15", 1795336200000000],
    ["VARIANT", "[1.50,-0.0,1e2]", "[1.50,-0.0,1e2]"],
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
    ["STRUCT<n: INT>", "5"],
    ["BIGINT", "9223372036854775807.5"],
    ["INT", "12345678901234567890"],
    ["VARIANT", "[-1e400]"],
    ["VARIANT", '"1e400"']
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
      "column a: expected INT, an integer from -2147483648 to 2147483647; there is no value, " +
        "and the column is NOT NULL"
    )
    assert.strictEqual(json("a INT", '{"a":1,"b":2}'), 'the table has no column "b"')
    assert.strictEqual(json("a INT", '{"__proto__":2}'), 'the table has no column "__proto__"')
    assert.strictEqual(
      json("a STRUCT<n: INT>", '{"a":{"b":2}}'),
      'column a: the table has no column "b"'
    )
    assert.deepStrictEqual(
      json("a INT, s STRUCT<x: INT>", '{"a":1,"b":2,"s":{"x":1,"y":2}}', true),
      {
        a: 1,
        s: { x: 1 }
      }
    )
  })

  it.each(["", "{", "[1]", "1", "null", '"text"', "{'a':1}"])(
    "refuses %j, which is no object",
    (text) => {
      assert.match(String(json("a INT", text)), /^is not (valid JSON|a JSON object)$/)
    }
  )

  it("is refused when one call cannot carry it", () => {
    assert.match(
      String(json("a STRING", JSON.stringify({ a: "x".repeat(largestRecord) }))),
      /above the limit/
    )
    assert.isObject(json("a STRING", JSON.stringify({ a: "x".repeat(largestRecord - 100) })))
  })
})

describe("names of a record and of a header", () => {
  const csv = (
    table: string,
    header: ReadonlyArray<string>,
    fields: ReadonlyArray<string>,
    ignoreUnknown = false
  ) => {
    const targets = csvColumns(columns(table), header, { ignoreUnknown })
    return "problem" in targets
      ? targets.problem
      : outcome(rowCheck(targets, { ignoreUnknown })({ line: 2, text: "", fields }))
  }
  const record = (names: ReadonlyArray<string>, values: ReadonlyArray<string>) =>
    JSON.stringify(Object.fromEntries(names.map((name, index) => [name, values[index]])))

  it.each<
    readonly [
      table: ReadonlyArray<string>,
      names: ReadonlyArray<string>,
      expected: Record<string, string> | RegExp
    ]
  >([
    [
      ["beak_length_mm", "species"],
      ["Beak Length (mm)", "Species"],
      { beak_length_mm: "0", species: "1" }
    ],
    [["a"], [" A "], { a: "0" }],
    [["a_b", "a__b"], ["a__b", "a_b"], { a__b: "0", a_b: "1" }],
    [["a_b", "a__b"], ["A__B"], { a__b: "0" }],
    [["a_b", "a__b"], ["A B"], /^"A B" matches several columns/],
    [["größe", "gr_e"], ["GRÖSSE"], /^the table has no column "GRÖSSE"/],
    [["größe", "gr_e"], ["Größe", "gr e"], { größe: "0", gr_e: "1" }],
    [["___"], ["???"], /^the table has no column "\?\?\?"/],
    [["___"], ["___"], { ___: "0" }],
    [["id"], ["id", "ID"], /^"ID" matches a column whose exact name is there too/],
    [["id"], ["ID", "Id"], /belong to the column id$/],
    [["__proto__", "b"], ["__proto__", "B"], { ["__proto__"]: "0", b: "1" }]
  ])("of %j: %j", (table, names, expected) => {
    const values = names.map((_, index) => String(index))
    const text: ColumnType = { _tag: "String" }
    const fields = table.map((name) => ({ name, type: text, nullable: true }))
    const targets = csvColumns(fields, names)
    const row =
      "problem" in targets
        ? targets.problem
        : outcome(rowCheck(targets)({ line: 2, text: "", fields: values }))
    for (const one of [row, outcome(jsonCheck(fields)({ line: 1, text: record(names, values) }))]) {
      if (expected instanceof RegExp) assert.match(String(one), expected)
      else
        assert.deepStrictEqual(
          Object.entries(one as object).sort(),
          Object.entries(expected).sort()
        )
    }
  })

  it("reach into structs, and an own name wins where unknown names are left out", () => {
    assert.deepStrictEqual(json("p STRUCT<lat_deg: INT>", '{"P":{"Lat (deg)":1}}'), {
      p: { lat_deg: 1 }
    })
    assert.deepStrictEqual(json("id STRING", '{"ID":"x","id":"y"}', true), { id: "y" })
    assert.deepStrictEqual(csv("id STRING", ["ID", "id"], ["x", "y"], true), { id: "y" })
  })

  it("are refused where an object has one twice, with the name", () => {
    const twice = (key: string) => new RegExp(`the key "${key}" appears twice in an object`)
    assert.match(String(json("a INT", '{"a":1,"a":1}')), twice("a"))
    assert.match(String(json("a INT", '{"a":1,"\\u0061":2}')), twice("a"))
    assert.match(String(json("a MAP<STRING, INT>", '{"a":{"k":1,"k":2}}')), twice("k"))
    assert.match(String(json("a VARIANT", '{"a":[{"x":{}},{"k":1,"k":2}]}')), twice("k"))
    assert.match(String(json("a VARIANT", JSON.stringify({ a: '{"k":1,"k":2}' }))), twice("k"))
    assert.match(String(csv("a STRUCT<k: INT>", ["a"], ['{"k":1,"k":2}'])), twice("k"))
    assert.deepStrictEqual(json("a ARRAY<STRUCT<k: INT>>", '{"a":[{"k":1},{"k":2}]}'), {
      a: [{ k: 1 }, { k: 2 }]
    })
    assert.deepStrictEqual(json("a STRING, k STRING", '{"a":"\\"k\\\\","k":"{\\"k\\":1,"}'), {
      a: '"k\\',
      k: '{"k":1,'
    })
  })

  it("are refused where a file has none that the table has", () => {
    assert.match(
      String(csv("id INT", ["x", "y"], ["1", "2"], true)),
      /^none of its names is a column of the table/
    )
  })
})

describe("a CSV row", () => {
  it.each(["1.0", "1", "+1", "1e0", "1.00", "0.1e1", "01", " 1 "])(
    "has the integer 1 written %s",
    (text) => {
      for (const type of ["TINYINT", "INT", "BIGINT", "DATE", "TIMESTAMP"]) {
        assert.deepStrictEqual(
          outcome(rowCheck(columns(`a ${type}`))({ line: 2, text: "", fields: [text] })),
          { a: 1 }
        )
      }
    }
  )

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
        "b BOOLEAN, i INT, n BIGINT, x DOUBLE, d DECIMAL(5,2), s STRING, t TIMESTAMP, y DATE, l " +
          "ARRAY<INT>, e INT, f STRING NOT NULL",
        ["b", "i", "n", "x", "d", "s", "t", "y", "l", "e", "f"],
        [
          "Yes",
          " 7",
          "9007199254740993",
          "-1.5",
          "3.10",
          " x ",
          "1970-01-01T00:00:01Z",
          "1970-01-02",
          "[1,2]",
          "",
          ""
        ]
      ),
      {
        b: true,
        i: 7,
        n: "9007199254740993",
        x: -1.5,
        d: "3.10",
        s: " x ",
        t: 1000000,
        y: 1,
        l: [1, 2],
        f: ""
      }
    )
  })

  it("is refused with the column, and a header that does not fit is refused at once", () => {
    assert.match(String(csv("a INT", ["a"], ["1.5"])), /^column a: expected INT/)
    assert.match(
      String(csv("a INT", ["a", "b"], [])),
      /^the table has no column "b"\. The columns of the table: a$/
    )
    assert.deepStrictEqual(csv("a INT", ["a", "b"], ["1", "2"], true), { a: 1 })
    assert.match(
      String(csv("a INT, b INT NOT NULL", ["a"], [])),
      /the file has no column b, which is NOT NULL/
    )
    assert.match(
      String(csv("a_b INT", ["a b", "A-B"], [])),
      /two columns of the file belong to the column a_b/
    )
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
