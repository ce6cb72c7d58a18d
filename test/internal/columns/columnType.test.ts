import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type { ColumnType } from "../../../src/internal/columns/columnType.ts"
import {
  definitionProblem,
  fromTypeJson,
  parseColumns,
  parseColumnType,
  parseTableDefinition,
  toTypeJson,
  typeName,
  typeText
} from "../../../src/internal/columns/columnType.ts"

const parsed = (text: string): ColumnType =>
  Result.getOrThrowWith(parseColumnType(text), (message) => new Error(message))
const refused = (result: Result.Result<unknown, string>): string =>
  Result.isFailure(result) ? result.failure : assert.fail("expected a refusal")

import { pick, seeded } from "../../support/randomTables.ts"

describe("columnType", () => {
  it("CG-01 reads every scalar in any case and names it as the catalog does", () => {
    const rows = [
      ["BOOLEAN", "boolean", "BOOLEAN"],
      ["tinyint", "tinyint", "BYTE"],
      ["byte", "tinyint", "BYTE"],
      ["SMALLINT", "smallint", "SHORT"],
      ["Short", "smallint", "SHORT"],
      ["INTEGER", "int", "INT"],
      ["BigInt", "bigint", "LONG"],
      ["long", "bigint", "LONG"],
      ["real", "float", "FLOAT"],
      ["DOUBLE", "double", "DOUBLE"],
      ["string", "string", "STRING"],
      ["BINARY", "binary", "BINARY"],
      ["DATE", "date", "DATE"],
      ["TIMESTAMP", "timestamp", "TIMESTAMP"],
      ["TIMESTAMP_NTZ", "timestamp_ntz", "TIMESTAMP_NTZ"],
      ["VARIANT", "variant", "VARIANT"],
      ["DECIMAL", "decimal(10,0)", "DECIMAL"],
      ["numeric( 38 , 18 )", "decimal(38,18)", "DECIMAL"]
    ] as const
    for (const [text, expectedText, expectedName] of rows) {
      assert.strictEqual(typeText(parsed(text)), expectedText)
      assert.strictEqual(typeName(parsed(text)), expectedName)
    }
  })

  it("CG-02 reads nested types as a tree and prints them back", () => {
    const text = "array<struct<a:int,b:map<string,struct<c:decimal(10,2)>>>>"
    assert.strictEqual(typeText(parsed(text)), text)
    assert.deepStrictEqual(parsed("STRUCT< a: INT NOT NULL COMMENT 'it''s', `b` STRING >"), {
      _tag: "Struct",
      fields: [
        { name: "a", type: { _tag: "Int" }, nullable: false, comment: "it's" },
        { name: "b", type: { _tag: "String" }, nullable: true }
      ]
    })
  })

  it("CG-03 refuses what is too deep, too precise or malformed", () => {
    assert.match(
      refused(parseColumnType("array<".repeat(101) + "int" + ">".repeat(101))),
      /deeper than 100/
    )
    assert.isTrue(Result.isSuccess(parseColumnType("array<".repeat(100) + "int" + ">".repeat(100))))
    assert.match(refused(parseColumnType("DECIMAL(39,2)")), /precision is 1 to 38/)
    assert.match(refused(parseColumnType("DECIMAL(5,6)")), /scale 0 to the precision/)
    assert.match(refused(parseColumnType("VARCHAR(10)")), /Use STRING/)
    assert.match(refused(parseColumnType("GEOGRAPHY")), /GEOGRAPHY is not a supported/)
    assert.match(
      refused(parseColumnType("ARRAY<INT")),
      /Expected ">" at character 10, found the end/
    )
    assert.match(refused(parseColumnType("INT INT")), /Expected the end/)
    assert.match(refused(parseColumnType("")), /Expected a type/)
  })

  it("CG-04 refuses names that are not plain identifiers", () => {
    for (const name of ["`bad-name`", "1st", "`a b`", "`ü`", "``"]) {
      assert.match(refused(parseTableDefinition(`c.s.t(${name} INT)`)), /not allowed/)
    }
    assert.match(
      refused(parseTableDefinition("c.s.t(bad-name INT)")),
      /column name "bad-name" is not allowed/
    )
    assert.match(
      refused(parseTableDefinition("c.s.my-t(a INT)")),
      /table name part "my-t" is not allowed/
    )
    assert.match(refused(parseColumns("bad-name INT")), /column name "bad-name" is not allowed/)
    assert.match(refused(parseTableDefinition("s.t(a INT)")), /has 2 parts/)
    assert.match(
      refused(parseTableDefinition("c.s.t(a INT, A STRING)")),
      /differ in more than case/
    )
  })

  it("counts the characters of columns as they were written, with parentheses or without", () => {
    assert.strictEqual(
      refused(parseColumns("")),
      "Expected a column name at character 1, found the end."
    )
    assert.strictEqual(refused(parseColumns("a")), "Expected a type at character 2, found the end.")
    assert.strictEqual(
      refused(parseColumns("a INT,")),
      "Expected a column name at character 7, found the end."
    )
    assert.strictEqual(
      refused(parseColumns("a INT)")),
      'Expected the end at character 6, found ")".'
    )
    assert.strictEqual(
      refused(parseColumns("(a INT")),
      'Expected ")" at character 7, found the end.'
    )
    assert.deepStrictEqual(
      Result.getOrThrow(parseColumns("(a INT, b.c DATE)")).map(({ name }) => name),
      ["a", "b.c"]
    )
  })

  it("reads a table definition with partitions and comments", () => {
    const definition = parseTableDefinition(
      "CREATE TABLE main.default.air (id BIGINT NOT NULL COMMENT 'the \"key\"', day DATE) USING " +
        "DELTA PARTITIONED BY (day) COMMENT 'air'"
    )
    assert.deepStrictEqual(Result.getOrThrow(definition), {
      name: "main.default.air",
      columns: [
        { name: "id", type: { _tag: "BigInt" }, nullable: false, comment: 'the "key"' },
        { name: "day", type: { _tag: "Date" }, nullable: true }
      ],
      partitionColumns: ["day"],
      comment: "air"
    })
    assert.match(refused(parseTableDefinition("c.s.t(a INT) PARTITIONED BY (b)")), /not a column/)
    assert.match(refused(parseTableDefinition("c.s.t(a INT) PARTITIONED BY (a)")), /All columns/)
    assert.match(
      refused(parseTableDefinition("c.s.t(a INT, b ARRAY<INT>) PARTITIONED BY (b)")),
      /cannot partition/
    )
  })

  it("keeps the limit of 2,000 columns", () => {
    const columns = (count: number) =>
      Array.from({ length: count }, (_, n) => ({
        name: `c${n}`,
        type: { _tag: "Int" } as const,
        nullable: true
      }))
    assert.isUndefined(definitionProblem({ name: "c.s.t", columns: columns(2_000) }))
    assert.match(
      definitionProblem({ name: "c.s.t", columns: columns(2_001) }) ?? "",
      /limit of 2000/
    )
    assert.match(definitionProblem({ name: "c.s.t", columns: [] }) ?? "", /no fields/)
  })

  it("US-15 takes types to JSON and back, comments and nullability included", () => {
    const type = parsed(
      "STRUCT<a: TINYINT NOT NULL COMMENT 'x', b: ARRAY<DECIMAL(4,2)>, c: MAP<STRING, " +
        "TIMESTAMP_NTZ>, d: STRUCT<e: VARIANT>, f: BINARY>"
    )
    const column = { name: "top", type, nullable: false, comment: "hello" }
    const json = JSON.parse(JSON.stringify(toTypeJson(column)))
    assert.deepStrictEqual(json.type.fields[0], {
      name: "a",
      type: "byte",
      nullable: false,
      metadata: { comment: "x" }
    })
    assert.deepStrictEqual(json.metadata, { comment: "hello" })
    assert.deepStrictEqual(Result.getOrThrow(fromTypeJson(json)), type)
    assert.deepStrictEqual(Result.getOrThrow(fromTypeJson(json.type)), type)
  })

  it("US-21 takes an absent nullability flag as nullable", () => {
    assert.deepStrictEqual(
      Result.getOrThrow(fromTypeJson({ type: "array", elementType: "integer" })),
      {
        _tag: "Array",
        element: { _tag: "Int" },
        containsNull: true
      }
    )
  })

  it("refuses type JSON that is no type", () => {
    for (const json of [
      null,
      1,
      {},
      [],
      { type: "struct" },
      { type: "struct", fields: [{}] },
      "varchar(3)",
      "decimal(99,1)",
      "interval day"
    ]) {
      assert.isTrue(Result.isFailure(fromTypeJson(json)))
    }
    let deep: unknown = "integer"
    for (let n = 0; n < 5_000; n++) deep = { type: "array", elementType: deep }
    assert.match(refused(fromTypeJson(deep)), /deeper than 100/)
  })

  it("answers any text with a definition or a sentence, never with a crash", () => {
    const random = seeded(5)
    const good =
      "CREATE TABLE main.default.air (id BIGINT NOT NULL COMMENT 'a', b ARRAY<STRUCT<c: " +
      "DECIMAL(4,2), d MAP<STRING, INT>>>) PARTITIONED BY (id)"
    const pieces = [
      "<",
      ">",
      "(",
      ")",
      ",",
      "'",
      '"',
      "`",
      ".",
      ":",
      ";",
      " ",
      "\n",
      "INT",
      "ARRAY",
      "STRUCT",
      "NOT",
      "NULL",
      "COMMENT",
      "\\",
      "\u0000",
      "é",
      "9"
    ]
    let refusals = 0
    for (let run = 0; run < 20_000; run++) {
      const at = Math.floor(random() * good.length)
      const text =
        good.slice(0, at) + pick(random, pieces) + good.slice(at + Math.floor(random() * 6))
      const results: ReadonlyArray<Result.Result<unknown, string>> = [
        parseTableDefinition(text),
        parseColumnType(text.slice(31))
      ]
      for (const result of results) {
        if (Result.isFailure(result)) {
          refusals++
          assert.isTrue(result.failure.endsWith("."), result.failure)
        }
      }
    }
    assert.isAbove(refusals, 10_000)
  })
})
