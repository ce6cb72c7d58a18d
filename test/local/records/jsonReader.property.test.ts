/**
 * Compares JSON records read from their bytes with the same records parsed: the same cells, the
 * same refusals.
 */
import { assert, describe, it } from "vitest"
import type { TableDefinition } from "../../../src/internal/columns/columnType.ts"
import { columnTree, makeLeaves } from "../../../src/local/parquet/columnTree.ts"
import { markOf, rollBack } from "../../../src/local/parquet/columnBuffer.ts"
import { double, readDouble } from "../../../src/local/records/doubleText.ts"
import { jsonDecoder, parsedDecoder } from "../../../src/local/records/jsonDecoder.ts"
import { jsonReader } from "../../../src/local/records/jsonReader.ts"
import { problemOf } from "../../../src/local/records/recordProblem.ts"
import { record } from "../../support/randomRecords.ts"
import { pick, randomTable, seeded, storable } from "../../support/randomTables.ts"
import { table } from "../../support/storedTables.ts"

/** Decodes records one after another; for a refused one, returns its reason and rolls it back. */
const decoded = (
  definition: TableDefinition,
  records: ReadonlyArray<Uint8Array>,
  decoder: typeof jsonDecoder
) => {
  const tree = columnTree(definition.columns)
  const leaves = makeLeaves(tree)
  const decode = decoder(tree, leaves)
  const refusals: Array<string | undefined> = []
  for (const bytes of records) {
    const mark = markOf(leaves, 0)
    try {
      decode(bytes)
      refusals.push(undefined)
    } catch (error) {
      rollBack(leaves, mark)
      const { expected, path } = problemOf(error)
      refusals.push(`${path}: ${expected}`)
    }
  }
  const columns = leaves.map((leaf) => {
    const { definitions, entries, repetitions, size, values } = leaf.seal()
    return {
      entries,
      definitions: [...definitions.subarray(0, entries)],
      repetitions: [...repetitions.subarray(0, entries)],
      values: [...values.subarray(0, size)]
    }
  })
  return { refusals, columns }
}

const agree = (definition: TableDefinition, texts: ReadonlyArray<string | Uint8Array>) => {
  const records = texts.map((text) => (typeof text === "string" ? Buffer.from(text) : text))
  const expected = decoded(definition, records, parsedDecoder)
  assert.deepStrictEqual(decoded(definition, records, jsonDecoder), expected)
  return expected.refusals
}

/** The text of a value, sometimes with spaces between its tokens and its keys in another order. */
const written = (random: () => number, value: unknown): string => {
  const space = () => (random() < 0.1 ? pick(random, [" ", "\n", "\t ", "\r\n"]) : "")
  if (Array.isArray(value))
    return [
      `[${space()}`,
      value.map((item) => written(random, item)).join(`${space()},${space()}`),
      `${space()}]`
    ].join("")
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const entries = Object.entries(value)
  if (random() < 0.3) entries.reverse()
  const fields = entries.map(
    ([key, item]) => `${JSON.stringify(key)}${space()}:${space()}${written(random, item)}`
  )
  return `{${space()}${fields.join(`${space()},${space()}`)}${space()}}`
}

describe("JSON read from its bytes", () => {
  for (let seed = 1; seed <= 60; seed++) {
    it(`gives the cells of parsed records of random table ${seed}`, () => {
      const definition = storable(randomTable(seed))
      const random = seeded(seed * 31)
      const texts = Array.from({ length: 60 }, () =>
        written(random, record(random, definition.columns).json)
      )
      const refusals = agree(definition, texts)
      assert.ok(refusals.every((refusal) => refusal === undefined))
    })

    it(`refuses damaged records of random table ${seed} for the same reason`, () => {
      const definition = storable(randomTable(seed))
      const random = seeded(seed * 37)
      const texts = Array.from({ length: 150 }, () => {
        const bytes = Buffer.from(written(random, record(random, definition.columns).json))
        const at = Math.floor(random() * bytes.length)
        const roll = random()
        if (roll < 0.4) bytes[at] = Math.floor(random() * 256)
        else if (roll < 0.6) return bytes.subarray(0, at)
        else if (roll < 0.8)
          return Buffer.concat([
            bytes.subarray(0, at),
            Buffer.from(pick(random, ["{", "}", ",", '"', "\\", "1", "null", " "])),
            bytes.subarray(at)
          ])
        return bytes
      })
      const refusals = agree(definition, texts)
      assert.ok(refusals.some((refusal) => refusal !== undefined))
    })
  }

  it("refuses text that is not UTF-8, at any place, in short and long records", () => {
    const definition = table("main.default.texts(a STRING, b STRING, c MAP<STRING, STRING>)")
    const refused = Buffer.from([0xc3, 0x28])
    for (const long of ["", "x".repeat(47), "x".repeat(48), "é".repeat(70_000)]) {
      const texts = [`{"a":"é${long}","b":"`, `","c":{"é":"${long}`, `"}}`].map((text) =>
        Buffer.from(text)
      )
      const [first, second, third] = texts as [Buffer, Buffer, Buffer]
      const good = Buffer.concat([first, Buffer.from("ü"), second, third])
      const refusals = agree(definition, [
        good,
        Buffer.concat([first, refused, second, third]),
        good,
        Buffer.concat([first, second, refused, third]),
        Buffer.concat([Buffer.from('{"b":"'), refused, Buffer.from('","a":"é"}')])
      ])
      assert.deepStrictEqual(
        refusals.map((refusal) => refusal !== undefined),
        [false, true, false, true, true]
      )
    }
  })

  it("gives the cells of values at the edges of each type", () => {
    const numbers = [
      "0",
      "-0",
      "-0.0",
      "00",
      "01",
      "-",
      "1.",
      ".5",
      "1e",
      "1e5",
      "1E+2",
      "1e-2",
      "1.0",
      "1.5",
      "127",
      "128",
      "-129",
      "2147483648"
    ]
    const more = [
      "999999999999999",
      "1000000000000000",
      "9007199254740991",
      "9007199254740993",
      "-9223372036854775808",
      "9223372036854775808"
    ]
    const doubles = [
      "1e308",
      "1e309",
      "-1e400",
      "5e-324",
      "0.1",
      "3.4e39",
      "0.30000000000000004",
      "123456789012345678901234567890",
      "1e22",
      "1e23",
      "8.5e-23"
    ]
    const texts = [
      '""',
      '"a"',
      '"1"',
      '"-1"',
      '"+1"',
      '"1.50"',
      '"NaN"',
      '"-Infinity"',
      '"\\u0041"',
      '"\\ud800"',
      '"é"',
      '"a\nb"',
      '"AAAA"',
      '"A"',
      '"true"',
      '"999.99"',
      '"[1]"'
    ]
    const others = [
      "true",
      "false",
      "null",
      "tru",
      "nul",
      "[]",
      "{}",
      "[1]",
      '{"a":1}',
      '{"a":1,"a":2}',
      '{"2":1,"1":2}',
      '{"b":1,"a":null}',
      '{"\\u0061":1}',
      ""
    ]
    const types = [
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
      "DECIMAL(5,2)",
      "DECIMAL(30,3)",
      "VARIANT",
      "ARRAY<INT>",
      "MAP<STRING, INT>",
      "MAP<INT, STRING>",
      "MAP<STRING, MAP<STRING, INT>>",
      "STRUCT<a: INT>",
      "STRUCT<a: INT NOT NULL, b: STRING>"
    ]
    for (const type of types) {
      for (const nullable of ["", " NOT NULL"]) {
        const definition = table(`main.default.edges(v ${type}${nullable}, w INT)`)
        const values = [...numbers, ...more, ...doubles, ...texts, ...others]
        const refusals = agree(
          definition,
          values.flatMap((value) => [
            `{"v":${value}}`,
            `{"w":1,"v":${value}}`,
            `{"v":[${value}]}`,
            `{"v":{"a":${value}}}`
          ])
        )
        assert.ok(refusals.includes(undefined) && refusals.some((refusal) => refusal !== undefined))
      }
    }
  })

  it("leaves no part of a record that it cannot read, and nothing to parse of a common one", () => {
    const definition = table(
      "main.default.common(id BIGINT, name STRING, tags ARRAY<STRING>, more MAP<STRING, DOUBLE>)"
    )
    const tree = columnTree(definition.columns)
    const reader = jsonReader(tree, makeLeaves(tree))
    const read = (text: string) => reader(Buffer.from(text), 0, Buffer.byteLength(text))
    const common = '{"id":7,"name":"Århus","tags":["a","b"],"more":{"x":0.1,"y":-2e3}}'
    assert.ok(read(common))
    assert.isFalse(read('{"id":7,"name":"a","id":8}'))
    assert.deepStrictEqual(
      agree(definition, [
        common,
        '{"id":7,"name":"a","id":8}',
        '{"id":1,"other":2}',
        '{"id":1} x',
        "\ufeff{}"
      ]),
      [
        undefined,
        undefined,
        "other: the table has no such column; unknown keys are refused",
        ": expected a JSON object, the record is not valid JSON",
        ": expected a JSON object, the record is not valid JSON"
      ]
    )
  })

  it("reads doubles as Number does", () => {
    const random = seeded(11)
    const wrong: Array<string> = []
    const check = (text: string) => {
      const bytes = Buffer.from(text)
      const end = readDouble(bytes, 0, bytes.length)
      if (end !== bytes.length || !Object.is(double, Number(text)))
        wrong.push(`${text} was read as ${double}`)
    }
    const view = new DataView(new ArrayBuffer(8))
    for (let n = 0; n < 10_000; n++) {
      view.setUint32(0, Math.floor(random() * 2 ** 32))
      view.setUint32(4, Math.floor(random() * 2 ** 32))
      const any = view.getFloat64(0)
      if (Number.isFinite(any)) check(String(any))
      check(String(random() * 60 - 20))
      check((random() * 10 ** Math.floor(random() * 12)).toFixed(Math.floor(random() * 20)))
      // A tie between two doubles, and texts close to it.
      const even = Math.floor(random() * 2 ** 52) + 2 ** 52
      const tie = String(BigInt(even) * 2n + 1n)
      const point = 1 + Math.floor(random() * 15)
      for (const near of [tie, String(BigInt(tie) + 1n), String(BigInt(tie) - 1n)]) {
        check(near)
        check(`${near.slice(0, point)}.${near.slice(point)}`)
        check(`-${near}000.5`)
      }
    }
    assert.deepStrictEqual(wrong, [])
  })
})
