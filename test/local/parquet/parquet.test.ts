/** Parquet files of random tables as DuckDB reads them, and corner cases of pages. */
import { assert, describe, it } from "@effect/vitest"
import { DuckDBInstance } from "@duckdb/node-api"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { ColumnDefinition, ColumnType } from "../../../src/internal/columns/columnType.ts"
import { columnTree, makeLeaves } from "../../../src/local/parquet/columnTree.ts"
import { jsonObjectAppender } from "../../../src/local/records/jsonValues.ts"
import { encodeParquet } from "../../../src/local/parquet/parquet.ts"
import { readParquet } from "../../../src/local/parquet/parquetRows.ts"
import { bitWidthOf, encodeLevels, mostLevelBytes } from "../../../src/local/parquet/levels.ts"
import { record, withoutVariant } from "../../support/randomRecords.ts"
import { randomTable, seeded } from "../../support/randomTables.ts"
import { table, temporaryFolder } from "../../support/storedTables.ts"

const encode = (columns: ReadonlyArray<ColumnDefinition>, records: ReadonlyArray<unknown>) => {
  const tree = columnTree(columns)
  const leaves = makeLeaves(tree)
  const append = jsonObjectAppender(tree, leaves)
  for (const each of records) append(each, 0)
  return encodeParquet(tree, [{ rows: records.length, chunks: leaves.map((leaf) => leaf.seal()) }])
}

/** A row as text, from our values or DuckDB's. */
const canonical = (type: ColumnType, value: unknown): unknown => {
  if (value === null || value === undefined) return null
  const any = value as {
    days?: number
    micros?: bigint
    bytes?: Uint8Array
    items?: Array<unknown>
    entries?: unknown
    toString: () => string
  }
  switch (type._tag) {
    case "Struct": {
      const fields =
        (any as { entries?: Record<string, unknown> }).entries ?? (value as Record<string, unknown>)
      return type.fields.map((field) => canonical(field.type, fields[field.name]))
    }
    case "Array":
      return ((any.items ?? value) as Array<unknown>).map((item) => canonical(type.element, item))
    case "Map": {
      const entries =
        value instanceof Map
          ? [...value]
          : (any.entries as Array<{ key: unknown; value: unknown }>).map(
              (entry) => [entry.key, entry.value] as const
            )
      return entries.map(([key, item]) => [canonical(type.key, key), canonical(type.value, item)])
    }
    case "Date":
      return any.days ?? value
    case "Timestamp":
    case "TimestampNtz":
      return String(any.micros ?? value)
    case "Binary":
      return Buffer.from(any.bytes ?? (value as Uint8Array)).toString("hex")
    case "Float":
    case "Double":
      return value
    default:
      return typeof value === "object"
        ? any.toString()
        : typeof value === "bigint"
          ? String(value)
          : value
  }
}

describe("parquet", () => {
  it.live(
    "files of random tables are the same to DuckDB and to us",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const connection = yield* Effect.promise(async () =>
          (await DuckDBInstance.create(":memory:")).connect()
        )
        for (let seed = 100; seed < 130; seed++) {
          const { columns } = withoutVariant(randomTable(seed))
          const random = seeded(seed)
          const made = Array.from({ length: 200 }, () => record(random, columns))
          const bytes = encode(
            columns,
            made.map((each) => each.json)
          )
          const path = Path.join(folder, `${seed}.parquet`)
          yield* Effect.promise(() => Fs.writeFile(path, bytes))
          const reader = yield* Effect.promise(() =>
            connection.runAndReadAll(`SELECT * FROM read_parquet('${path}')`)
          )
          const struct: ColumnType = { _tag: "Struct", fields: columns }
          const names = columns.map((column) => column.name)
          const theirs = reader
            .getRows()
            .map((row) =>
              canonical(
                struct,
                Object.fromEntries(row.map((value, index) => [names[index]!, value]))
              )
            )
          const expected = made.map((each) => canonical(struct, each.row))
          assert.deepStrictEqual(theirs, expected, `table ${seed}`)
          const ours = yield* Effect.promise(() => readParquet(bytes, columns))
          assert.deepStrictEqual(
            ours,
            made.map((each) => each.row as Record<string, unknown>),
            `table ${seed}`
          )
        }
      }),
    60_000
  )

  it.live("small integers and timestamps have the types that other readers expect", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = Path.join(folder, "types.parquet")
      const { columns } = table(
        "a.b.c(t TINYINT, s SMALLINT, i INT, at TIMESTAMP, n TIMESTAMP_NTZ, d DECIMAL(20,3), " +
          "day DATE, b BINARY, x STRING)"
      )
      yield* Effect.promise(() => Fs.writeFile(path, encode(columns, [{ t: 1 }])))
      const connection = yield* Effect.promise(async () =>
        (await DuckDBInstance.create(":memory:")).connect()
      )
      const described = yield* Effect.promise(() =>
        connection.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet('${path}')`)
      )
      assert.deepStrictEqual(
        described.getRows().map((row) => row[1]),
        [
          "TINYINT",
          "SMALLINT",
          "INTEGER",
          "TIMESTAMP WITH TIME ZONE",
          "TIMESTAMP",
          "DECIMAL(20,3)",
          "DATE",
          "BLOB",
          "VARCHAR"
        ]
      )
    })
  )

  it.live("a column of several pages keeps rows together", () =>
    Effect.gen(function* () {
      const { columns } = table("a.b.c(n INT, l ARRAY<STRING>)")
      const rows = Array.from({ length: 30_000 }, (_, n) => ({
        n,
        l: Array.from({ length: n % 5 }, (_, i) => `${n}-${i}-${"x".repeat(100)}`)
      }))
      const bytes = encode(columns, rows)
      assert.deepStrictEqual(yield* Effect.promise(() => readParquet(bytes, columns)), rows)
      const folder = yield* temporaryFolder
      const path = Path.join(folder, "pages.parquet")
      yield* Effect.promise(() => Fs.writeFile(path, bytes))
      const connection = yield* Effect.promise(async () =>
        (await DuckDBInstance.create(":memory:")).connect()
      )
      const sums = yield* Effect.promise(() =>
        connection.runAndReadAll(
          `SELECT count(*), sum(n), sum(len(l)), min(l[1]) FROM read_parquet('${path}')`
        )
      )
      const first = rows.flatMap((row) => row.l.slice(0, 1)).sort()[0]!
      assert.deepStrictEqual(sums.getRows()[0]!.map(String), [
        "30000",
        String((30_000 * 29_999) / 2),
        String(rows.reduce((sum, row) => sum + row.l.length, 0)),
        first
      ])
    })
  )

  it("levels survive their encoding whatever their runs", () => {
    const random = seeded(3)
    for (let round = 0; round < 500; round++) {
      const max = 1 + Math.floor(random() * 9)
      const levels: Array<number> = []
      while (levels.length < random() * 200) {
        const level = Math.floor(random() * (max + 1))
        for (let run = Math.floor(random() * (random() < 0.3 ? 30 : 3)); run >= 0; run--)
          levels.push(level)
      }
      const width = bitWidthOf(max)
      const out = new Uint8Array(3 + mostLevelBytes(levels.length, width)).fill(255)
      const end = encodeLevels(Uint8Array.from(levels), 0, levels.length, width, out, 3)
      assert.deepStrictEqual(decodeLevels(out.subarray(3, end), width, levels.length), levels)
    }
  })
})

/** A decoder of the hybrid encoding, written for this test from Parquet's specification. */
const decodeLevels = (bytes: Uint8Array, width: number, count: number): Array<number> => {
  const levels: Array<number> = []
  let at = 4
  assert.strictEqual(bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16), bytes.length - 4)
  while (levels.length < count) {
    let header = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!
      header |= (byte & 127) << shift
      if (byte < 128) break
    }
    if ((header & 1) === 0) {
      const level = bytes[at++]!
      for (let n = header >>> 1; n > 0; n--) levels.push(level)
    } else {
      const values = (header >>> 1) * 8
      for (let n = 0; n < values; n++) {
        let level = 0
        for (let bit = 0; bit < width; bit++) {
          const position = n * width + bit
          level |= ((bytes[at + (position >> 3)]! >> (position & 7)) & 1) << bit
        }
        if (levels.length < count) levels.push(level)
      }
      at += (header >>> 1) * width
    }
  }
  assert.strictEqual(at, bytes.length)
  return levels
}
