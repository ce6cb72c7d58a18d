/**
 * The rows of the table of scalar types agree with each other, and values derived from them are
 * right.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import type { ColumnType } from "../../../src/internal/columns/columnType.ts"
import { definitionProblem, parseColumnType } from "../../../src/internal/columns/columnType.ts"
import { expectation, writtenExpectation } from "../../../src/internal/columns/expectation.ts"
import {
  canPartition,
  integerJson,
  integerRange,
  isScalar,
  isSimple,
  numberRange,
  type ScalarTag,
  scalarTag,
  scalarTypes,
  sqlName,
  wireScalar
} from "../../../src/internal/columns/scalarTypes.ts"

const tags = Object.keys(scalarTypes) as ReadonlyArray<ScalarTag>
const decimal: ColumnType = { _tag: "Decimal", precision: 10, scale: 2 }
const array: ColumnType = { _tag: "Array", element: decimal, containsNull: true }
const map: ColumnType = {
  _tag: "Map",
  key: { _tag: "Int" },
  value: decimal,
  valueContainsNull: true
}
const struct: ColumnType = {
  _tag: "Struct",
  fields: [{ name: "a", type: decimal, nullable: true }]
}

describe("the scalar types", () => {
  it("have names that no other type has", () => {
    for (const tag of tags) {
      const { aliases, json, text } = scalarTypes[tag]
      for (const word of new Set([text, json, ...aliases, sqlName(tag)]))
        assert.strictEqual(scalarTag(word), tag, word)
    }
    assert.isUndefined(scalarTag("geography"))
    assert.isUndefined(scalarTag("constructor"))
  })

  it("have the SQL name of a column definition, as types with parameters do", () => {
    for (const tag of tags)
      assert.deepStrictEqual(Result.getOrThrow(parseColumnType(sqlName(tag))), { _tag: tag })
    assert.deepStrictEqual(
      [decimal, array, map, struct].map((type) => sqlName(type._tag)),
      ["DECIMAL", "ARRAY", "MAP", "STRUCT"]
    )
  })

  it("have the ranges of their width, and times those of the years 1 to 9999", () => {
    for (const [tag, bits] of [
      ["TinyInt", 8n],
      ["SmallInt", 16n],
      ["Int", 32n],
      ["BigInt", 64n]
    ] as const) {
      assert.deepStrictEqual(integerRange(tag), [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n])
    }
    assert.deepStrictEqual(numberRange("SmallInt"), [-32_768, 32_767])
    const millis = [
      Date.parse("0001-01-01T00:00:00Z"),
      Date.parse("9999-12-31T23:59:59.999Z")
    ] as const
    assert.deepStrictEqual(numberRange("Date"), [
      millis[0] / 86_400_000,
      (millis[1] + 1) / 86_400_000 - 1
    ])
    for (const tag of ["Timestamp", "TimestampNtz"] as const) {
      assert.deepStrictEqual(integerRange(tag), [
        BigInt(millis[0]) * 1000n,
        BigInt(millis[1]) * 1000n + 999n
      ])
    }
    for (const tag of tags) {
      const { range, wire } = scalarTypes[tag]
      assert.strictEqual(range !== undefined, wire === "int32" || wire === "int64", tag)
    }
  })

  it("are simple, as DECIMAL is; collections and structs are not", () => {
    for (const tag of tags) assert.isTrue(isScalar({ _tag: tag }) && isSimple({ _tag: tag }))
    assert.deepStrictEqual([isScalar(decimal), isSimple(decimal)], [false, true])
    assert.strictEqual(wireScalar({ _tag: "Decimal", precision: 10, scale: 2 }), "string")
    for (const type of [array, map, struct])
      assert.isFalse(isScalar(type) || isSimple(type) || canPartition(type))
    assert.deepStrictEqual(
      tags.filter((tag) => !canPartition({ _tag: tag })),
      ["Binary", "Variant"]
    )
    assert.isTrue(canPartition(decimal))
  })

  it("name in a refusal what is expected, in a record and in a file", () => {
    for (const [type, inRecord, inFile] of [
      [{ _tag: "TinyInt" }, "expected TINYINT, an integer from -128 to 127", undefined],
      [
        { _tag: "TimestampNtz" },
        "expected TIMESTAMP_NTZ, wall-clock microseconds since 1970-01-01 as an integer, years " +
          "1 to 9999",
        "expected TIMESTAMP_NTZ, as 2026-11-22T08:30:00 without a zone or as wall-clock " +
          "microseconds since 1970-01-01"
      ],
      [
        decimal,
        'expected DECIMAL(10,2), a string such as "12.5" with at most 2 decimals',
        "expected DECIMAL(10,2), a number with at most 2 decimals and 8 digits before them"
      ],
      [array, "expected ARRAY", "expected ARRAY, a JSON array"],
      [map, "expected MAP", "expected MAP, a JSON object"],
      [struct, "expected STRUCT", "expected STRUCT, a JSON object"]
    ] as ReadonlyArray<readonly [ColumnType, string, string | undefined]>) {
      assert.strictEqual(expectation(type), inRecord)
      assert.strictEqual(writtenExpectation(type), inFile ?? inRecord)
    }
  })

  it("are all there are: a definition with another tag is refused", () => {
    const definition = (tag: string) => ({
      name: "a.b.c",
      columns: [{ name: "place", type: { _tag: tag } as ColumnType, nullable: true }]
    })
    assert.strictEqual(
      definitionProblem(definition("Geography")),
      "Column place has an unknown type."
    )
    assert.strictEqual(
      definitionProblem(definition("toString")),
      "Column place has an unknown type."
    )
    assert.isUndefined(definitionProblem(definition("Date")))
  })
})

const int64 = Schema.BigInt.check(
  Schema.isBetweenBigInt({ minimum: -(2n ** 63n), maximum: 2n ** 63n - 1n })
)
it.effect.prop(
  "the JSON form of a 64-bit integer keeps every digit, and is a number where it can",
  { value: int64 },
  ({ value }) =>
    Effect.sync(() => {
      const json = integerJson(value)
      assert.strictEqual(BigInt(json), value)
      assert.strictEqual(typeof json, Number.isSafeInteger(Number(value)) ? "number" : "string")
    }),
  { arbitrary: { runs: 300 } }
)
