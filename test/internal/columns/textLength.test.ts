/**
 * CHAR(n) and VARCHAR(n): the lengths that Spark stores for a column, and fitting text to them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  type ColumnType,
  fromTypeJson,
  parseColumnType,
  type TextLength
} from "../../../src/internal/columns/columnType.ts"
import { fittedText, withTextLengths } from "../../../src/internal/columns/textLength.ts"

const typeOf = (text: string): ColumnType =>
  Result.getOrThrowWith(parseColumnType(text), (why) => new Error(why))
const char = (length: number): TextLength => ({ kind: "CHAR", length })
const varchar = (length: number): TextLength => ({ kind: "VARCHAR", length })

/** The lengths of a type in the order of its text. */
const lengths = (type: ColumnType): ReadonlyArray<TextLength | undefined> => {
  switch (type._tag) {
    case "String":
      return [type.textLength]
    case "Array":
      return lengths(type.element)
    case "Map":
      return [...lengths(type.key), ...lengths(type.value)]
    case "Struct":
      return type.fields.flatMap((field) => lengths(field.type))
    default:
      return []
  }
}

describe("lengths that Spark notes", () => {
  it.each<readonly [stored: string, noted: string, found: ReadonlyArray<TextLength | undefined>]>([
    ["STRING", "varchar(10)", [varchar(10)]],
    ["STRING", "char(3)", [char(3)]],
    ["ARRAY<STRING>", "array<varchar(2)>", [varchar(2)]],
    ["MAP<STRING, STRING>", "map<char(1),string>", [char(1), undefined]],
    [
      "STRUCT<a: INT, b: STRING, c: DECIMAL(10,2), d: ARRAY<STRUCT<e: STRING>>>",
      "struct<a:int,b:varchar(5),c:decimal(10,2),d:array<struct<`e`:char(4)>>>",
      [varchar(5), char(4)]
    ]
  ])("%s noted as %s", (stored, noted, found) => {
    assert.deepStrictEqual(lengths(withTextLengths(typeOf(stored), noted)), found)
  })

  it.each(["varchar", "varchar(x)", "char(0)", "varchar(3)>", "array<varchar(3)>"])(
    "refuses %s for a STRING",
    (noted) => {
      const schema = {
        type: "struct",
        fields: [
          {
            name: "c",
            type: "string",
            nullable: true,
            metadata: { __CHAR_VARCHAR_TYPE_STRING: noted }
          }
        ]
      }
      assert.match(
        Result.getOrThrow(Result.flip(fromTypeJson(schema))),
        /stored for a column, cannot be read/
      )
    }
  )
})

describe("a text is fitted", () => {
  it.each<readonly [text: string, length: TextLength, fitted: string | undefined]>([
    ["ab", varchar(3), "ab"],
    ["abc", varchar(3), "abc"],
    ["abcd", varchar(3), undefined],
    ["abc  ", varchar(3), undefined],
    ["ab ", varchar(3), "ab "],
    ["", varchar(3), ""],
    ["", char(3), "   "],
    ["ab", char(3), "ab "],
    ["abc", char(3), "abc"],
    ["abc ", char(3), undefined],
    ["abcd", char(3), undefined],
    // Characters are code points: these take two UTF-16 units and four bytes each.
    ["🐎🐎🐎", varchar(3), "🐎🐎🐎"],
    ["🐎🐎🐎🐎", varchar(3), undefined],
    ["🐎", char(3), "🐎  "],
    ["ž🐎á ", char(3), undefined],
    ["x".repeat(100), char(3), undefined]
  ])("%j in %j", (text, length, fitted) => {
    assert.strictEqual(fittedText(text, length), fitted)
  })
})
