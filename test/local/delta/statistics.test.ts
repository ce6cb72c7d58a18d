/**
 * Statistics of data files. A bound that is too narrow would make readers skip rows, so every value
 * is compared with the bounds.
 */
import { assert, describe, it } from "@effect/vitest"
import type { ColumnType } from "../../../src/internal/columns/columnType.ts"
import { columnTree, makeLeaves } from "../../../src/local/parquet/columnTree.ts"
import { jsonObjectAppender } from "../../../src/local/records/jsonValues.ts"
import { fileStatistics } from "../../../src/local/delta/statistics.ts"
import type { IndexedColumns } from "../../../src/local/delta/tableProperties.ts"
import { record, withoutVariant } from "../../support/randomRecords.ts"
import { randomTable, seeded } from "../../support/randomTables.ts"
import { table } from "../../support/storedTables.ts"

const statistics = (
  columns: ReturnType<typeof table>["columns"],
  records: ReadonlyArray<unknown>,
  indexed?: IndexedColumns
): string => {
  const tree = columnTree(columns)
  const leaves = makeLeaves(tree)
  const append = jsonObjectAppender(tree, leaves)
  for (const each of records) append(each, 0)
  return fileStatistics(
    tree,
    leaves.map((leaf) => leaf.seal()),
    records.length,
    indexed
  )
}

describe("the bounds of texts", () => {
  it("are the first and the last in the order of their bytes, whatever they share", () => {
    const { columns } = table("a.b.c(t STRING)")
    const random = seeded(17)
    const pieces = ["", "a", "b", "aa", "ab", "0", "é", "ž", "\u{1F40E}", "value-"]
    for (let round = 0; round < 2000; round++) {
      const shared = Array.from(
        { length: Math.floor(random() * 3) },
        () => pieces[Math.floor(random() * pieces.length)]
      ).join("")
      const texts = Array.from({ length: 1 + Math.floor(random() * 8) }, () => {
        const rest = Array.from(
          { length: Math.floor(random() * 4) },
          () => pieces[Math.floor(random() * pieces.length)]
        ).join("")
        return random() < 0.2 ? rest : `${shared}${rest}`
      })
      const sorted = texts.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      const found = JSON.parse(
        statistics(
          columns,
          texts.map((t) => ({ t }))
        )
      )
      assert.deepStrictEqual([found.minValues.t, found.maxValues.t], [sorted[0], sorted.at(-1)])
    }
  })
})

describe("the bounds of integers of 64 bits", () => {
  it("are the least and the greatest, whichever half tells them apart", () => {
    const { columns } = table("a.b.c(n BIGINT)")
    const random = seeded(23)
    const halves = [0n, 1n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_fffen, 0xffff_ffffn]
    const half = () => halves[Math.floor(random() * halves.length)]!
    for (let round = 0; round < 2000; round++) {
      const values = Array.from({ length: 1 + Math.floor(random() * 8) }, () =>
        BigInt.asIntN(64, (half() << 32n) | half())
      )
      const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
      const found = statistics(
        columns,
        values.map((n) => ({ n: String(n) }))
      )
      assert.include(found, `"minValues":{"n":${sorted[0]}},"maxValues":{"n":${sorted.at(-1)}}`)
    }
  })
})

describe("the columns with statistics", () => {
  const { columns } = table(
    "a.b.c(a INT, m MAP<STRING, INT>, s STRUCT<x: INT, y: STRUCT<z: INT, w: STRING>>, l " +
      "ARRAY<INT>, e INT, f INT)"
  )
  const row = { a: 1, m: {}, s: { x: 2, y: { z: 3, w: "4" } }, l: [], e: 5, f: 6 }
  /** The columns with bounds, those of a STRUCT with dots. */
  const bounded = (indexed?: IndexedColumns): ReadonlyArray<string> => {
    const { minValues, nullCount } = JSON.parse(statistics(columns, [row], indexed))
    const names = (value: object, above = ""): ReadonlyArray<string> =>
      Object.entries(value).flatMap(([name, inner]) =>
        typeof inner === "object" ? names(inner, `${above}${name}.`) : [`${above}${name}`]
      )
    assert.deepStrictEqual(names(nullCount), names(minValues))
    return names(minValues)
  }

  it("cover the first columns; each field of a STRUCT counts, an ARRAY or MAP as one", () => {
    const all = ["a", "s.x", "s.y.z", "s.y.w", "e", "f"]
    assert.deepStrictEqual(bounded(), all)
    assert.deepStrictEqual(bounded({ first: Infinity }), all)
    assert.deepStrictEqual(bounded({ first: 8 }), all)
    assert.deepStrictEqual(bounded({ first: 7 }), all.slice(0, 5))
    assert.deepStrictEqual(bounded({ first: 4 }), ["a", "s.x", "s.y.z"])
    assert.deepStrictEqual(bounded({ first: 2 }), ["a"])
    assert.deepStrictEqual(bounded({ first: 0 }), [])
  })

  it("are those that are named, in any case, however many come first", () => {
    assert.deepStrictEqual(bounded({ first: 0, only: [["E"], ["s", "Y"]] }), [
      "s.y.z",
      "s.y.w",
      "e"
    ])
    assert.deepStrictEqual(bounded({ first: 32, only: [["f"], ["s", "x"], ["nowhere"]] }), [
      "s.x",
      "f"
    ])
    assert.deepStrictEqual(bounded({ first: 32, only: [["f", "g"], ["s.x"], ["l"], ["m"]] }), [])
  })
})

/** A number with the order of the decimal or date. */
const scaled = (text: string, scale: number): bigint =>
  BigInt(text.replace(".", "") + (text.includes(".") ? "" : "0".repeat(scale)))
const micros = (text: string): bigint => {
  const [seconds = "", fraction = ""] = text.replace("Z", "").split(".")
  return BigInt(Date.parse(`${seconds}Z`)) * 1000n + BigInt(fraction.padEnd(6, "0"))
}

const within = (type: ColumnType, min: unknown, value: unknown, max: unknown): boolean => {
  switch (type._tag) {
    case "String":
      return (
        Buffer.compare(Buffer.from(min as string), Buffer.from(value as string)) <= 0 &&
        Buffer.compare(Buffer.from(value as string), Buffer.from(max as string)) <= 0
      )
    case "Date":
      return (
        Date.parse(min as string) <= (value as number) * 86_400_000 &&
        (value as number) * 86_400_000 <= Date.parse(max as string)
      )
    case "Timestamp":
    case "TimestampNtz":
      return (
        micros(min as string) <= (value as bigint) && (value as bigint) <= micros(max as string)
      )
    case "Decimal":
      return (
        scaled(min as string, type.scale) <= scaled(value as string, type.scale) &&
        scaled(value as string, type.scale) <= scaled(max as string, type.scale)
      )
    case "BigInt":
      return (
        BigInt(min as string) <= (value as bigint) && (value as bigint) <= BigInt(max as string)
      )
    default:
      return (min as number) <= (value as number) && (value as number) <= (max as number)
  }
}

/** Parses statistics with 64-bit integers and decimals kept as text. */
const parse = (
  text: string,
  columns: ReadonlyArray<{ readonly name: string; readonly type: ColumnType }>
) => {
  const exact = new Set(
    columns
      .filter((column) => column.type._tag === "BigInt" || column.type._tag === "Decimal")
      .map((column) => column.name)
  )
  return JSON.parse(text, function (key, value: unknown, context?: { readonly source?: string }) {
    return exact.has(key) &&
      typeof value === "number" &&
      typeof context?.source === "string" &&
      context.source !== "" &&
      !("numRecords" in this)
      ? context.source
      : value
  }) as {
    readonly numRecords: number
    readonly minValues: Record<string, unknown>
    readonly maxValues: Record<string, unknown>
    readonly nullCount: Record<string, unknown>
  }
}

describe("statistics", () => {
  it("hold for every value of random tables", () => {
    let checked = 0
    for (let seed = 200; seed < 280; seed++) {
      const columns = withoutVariant(randomTable(seed)).columns.filter(
        (column) => !["Struct", "Array", "Map"].includes(column.type._tag)
      )
      if (columns.length === 0) continue
      const random = seeded(seed)
      const made = Array.from({ length: 20 }, () => record(random, columns))
      const stats = parse(
        statistics(
          columns,
          made.map((each) => each.json)
        ),
        columns
      )
      assert.strictEqual(stats.numRecords, 20)
      for (const { name, type } of columns) {
        const values = made
          .map((each) => (each.row as Record<string, unknown>)[name])
          .filter((value) => value !== null)
        assert.strictEqual(Number(stats.nullCount[name]), 20 - values.length, name)
        const bounded = type._tag !== "Binary" && values.length > 0
        assert.strictEqual(name in stats.minValues, bounded, `${seed} ${name} ${type._tag}`)
        if (!bounded) continue
        for (const value of values) {
          assert.isTrue(
            within(type, stats.minValues[name], value, stats.maxValues[name]),
            `${seed} ${name}: ${String(value)}`
          )
          checked++
        }
      }
    }
    assert.isAbove(checked, 1000)
  })

  it("cut long text safely, with both bounds or none", () => {
    const { columns } = table("a.b.c(s STRING)")
    const top = "\u{10FFFF}"
    const cases: ReadonlyArray<
      readonly [ReadonlyArray<string>, string | undefined, string | undefined]
    > = [
      [["abc"], "abc", "abc"],
      [["a".repeat(40)], "a".repeat(32), "a".repeat(32) + top],
      [["🐎".repeat(40)], "🐎".repeat(32), "🐎".repeat(32) + top],
      [["b".repeat(32) + top + "z"], undefined, undefined],
      [["\u{FFFF}x", "\u{10000}"], "\u{FFFF}x", "\u{10000}"]
    ]
    for (const [values, min, max] of cases) {
      const stats = JSON.parse(
        statistics(
          columns,
          values.map((s) => ({ s }))
        )
      ) as { minValues: { s?: string }; maxValues: { s?: string } }
      assert.strictEqual(stats.minValues.s, min)
      assert.strictEqual(stats.maxValues.s, max)
    }
  })

  it(
    "leave out what cannot be ordered or written, keep every digit, and bound BOOLEAN as " +
      "delta-rs does",
    () => {
      const { columns } = table(
        `a.b.c(d DOUBLE, f FLOAT, n BIGINT, p DECIMAL(38,0), z DOUBLE, at TIMESTAMP,
        s STRUCT<x: INT, l: ARRAY<INT>>,
        yes BOOLEAN, both BOOLEAN, none BOOLEAN)`
      )
      const text = statistics(columns, [
        {
          d: "NaN",
          f: "Infinity",
          n: "9223372036854775807",
          p: "12345678901234567890123456789012345678",
          z: 0,
          at: 1_000_001,
          s: { x: 5, l: [1] },
          yes: true,
          both: false
        },
        { d: 1, f: 1, n: "-9223372036854775808", p: "-1", z: 0, at: -1, yes: true, both: true }
      ])
      assert.strictEqual(
        text,
        '{"numRecords":2,' +
          '"minValues":{"n":-9223372036854775808,"p":-1,"z":-0.0,' +
          '"at":"1969-12-31T23:59:59.999Z","s":{"x":5},"yes":true,"both":false},' +
          '"maxValues":{"n":9223372036854775807,"p":12345678901234567890123456789012345678,' +
          '"z":0.0,"at":"1970-01-01T00:00:01.001Z","s":{"x":5},"yes":true,"both":true},' +
          '"nullCount":{"d":0,"f":0,"n":0,"p":0,"z":0,"at":0,"s":{"x":1},"yes":0,"both":0,' +
          '"none":2}}'
      )
    }
  )
})
