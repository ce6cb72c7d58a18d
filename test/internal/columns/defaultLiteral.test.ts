/** Defaults of columns that are literals, and those that are not. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseColumnType } from "../../../src/internal/columns/columnType.ts"
import { literalValue } from "../../../src/internal/columns/defaultLiteral.ts"

const valueOf = (type: string, sql: string) =>
  literalValue(
    Result.getOrThrowWith(parseColumnType(type), (why) => new Error(why)),
    sql
  )

describe("literals", () => {
  it.each<readonly [type: string, sql: string, value: unknown]>([
    ["BOOLEAN", "TRUE", true],
    ["BOOLEAN", "false", false],
    ["TINYINT", "-128", -128],
    ["TINYINT", "7Y", 7],
    ["SMALLINT", "7S", 7],
    ["INT", " 42 ", 42],
    ["BIGINT", "9223372036854775807", "9223372036854775807"],
    ["BIGINT", "5L", "5"],
    ["DOUBLE", "1.5e3", 1500],
    ["DOUBLE", ".5D", 0.5],
    ["FLOAT", "-2", -2],
    ["DECIMAL(5,2)", "12.50", "12.50"],
    ["DECIMAL(5,2)", "-.5BD", "-0.5"],
    ["DECIMAL(5,2)", "007", "007"],
    ["STRING", "'it is'", "it is"],
    ["STRING", '"two"', "two"],
    ["STRING", "'a\\'b\\n'", "a'b\n"],
    ["STRING", "''", ""],
    ["STRING", "null", null],
    ["BINARY", "X'00FF'", "AP8="],
    ["DATE", "DATE '2026-11-30'", 20787],
    ["TIMESTAMP", "TIMESTAMP '1970-01-01 00:00:01Z'", "1000000"],
    ["TIMESTAMP", "timestamp'1970-01-01 01:00:00+01:00'", "0"],
    ["TIMESTAMP_NTZ", "TIMESTAMP_NTZ '1970-01-01 00:00:01.5'", "1500000"],
    ["ARRAY<INT>", "NULL", null]
  ])("%s DEFAULT %s", (type, sql, value) => {
    assert.deepStrictEqual(valueOf(type, sql), { value })
  })
})

describe("what only the writer of the default computes", () => {
  it.each([
    ["TIMESTAMP", "current_timestamp()"],
    ["TIMESTAMP", "TIMESTAMP '2026-01-01 00:00:00'"],
    ["TIMESTAMP_NTZ", "TIMESTAMP '2026-01-01 00:00:00'"],
    ["INT", "1 + 1"],
    ["INT", "1.0"],
    ["TINYINT", "128"],
    ["INT", "'5'"],
    ["INT", "CAST('5' AS INT)"],
    ["STRING", "upper('a')"],
    ["STRING", "'a' 'b'"],
    ["STRING", "'it''s'"],
    ["STRING", "r'a'"],
    ["STRING", "'\\u0041'"],
    ["STRING", "5"],
    ["DECIMAL(3,1)", "1.25"],
    ["DECIMAL(3,1)", "100"],
    ["DATE", "'2026-11-30'"],
    ["DATE", "DATE '2026-02-30'"],
    ["BINARY", "X'0'"],
    ["DOUBLE", "1e999"],
    ["ARRAY<INT>", "array(1)"],
    ["VARIANT", "parse_json('1')"]
  ])("%s DEFAULT %s", (type, sql) => {
    assert.isUndefined(valueOf(type, sql))
  })
})
