/**
 * Expected cells of our tables in a foreign reader: values in the JSON form of `plainValues.py`,
 * tables with every column type, and the comparison of sent with read values.
 */
import { isDeepStrictEqual } from "node:util"
import {
  type ColumnDefinition,
  type ColumnType,
  parseColumnType,
  typeText
} from "../../src/internal/columns/columnType.ts"
import { decodeVariant } from "../../src/local/parquet/variant.ts"
import { Result } from "effect"
import { edgeRecords } from "./edgeRecords.ts"
import { record } from "./randomRecords.ts"
import { seeded } from "./randomTables.ts"

/** The types of a table with every type, nested, and with NOT NULL where a STRUCT allows it. */
const types =
  `BOOLEAN | TINYINT | SMALLINT | INT | BIGINT | FLOAT | DOUBLE | STRING | BINARY | DATE |
  TIMESTAMP | TIMESTAMP_NTZ | DECIMAL(5,0) | DECIMAL(9,2) | DECIMAL(18,4) | DECIMAL(38,10) |
  DECIMAL(38,38) | VARIANT | ARRAY<VARIANT> | STRUCT<v: VARIANT, n: INT NOT NULL> |
  MAP<STRING, VARIANT> | ARRAY<BOOLEAN> | ARRAY<SMALLINT> | ARRAY<DOUBLE> | ARRAY<STRING> |
  ARRAY<BINARY> | ARRAY<TIMESTAMP> | ARRAY<DECIMAL(20,5)> | ARRAY<ARRAY<DATE>> |
  ARRAY<STRUCT<x: FLOAT, y: ARRAY<BIGINT>>> | MAP<STRING, INT> | MAP<BIGINT, STRING> |
  MAP<DATE, BOOLEAN> | MAP<STRING, ARRAY<TIMESTAMP_NTZ>> |
  MAP<INT, STRUCT<a: TINYINT, b: DECIMAL(9,2)>> |
  STRUCT<a: STRING NOT NULL, b: STRUCT<c: DATE NOT NULL>> |
  STRUCT<l: ARRAY<INT>, m: MAP<STRING, DOUBLE>> |
  STRUCT<f: FLOAT, g: BINARY NOT NULL, h: TIMESTAMP>`
    .split("|")
    .map((type) => type.trim())

const typeOf = (text: string): ColumnType =>
  Result.getOrThrowWith(parseColumnType(text), (why) => new Error(why))

/**
 * This many columns of all types in turn: `id BIGINT NOT NULL` and `c1`, `c2`, ..., every fifth of
 * them NOT NULL.
 */
export const everyTypeColumns = (count: number): ReadonlyArray<ColumnDefinition> => [
  { name: "id", type: { _tag: "BigInt" }, nullable: false },
  ...Array.from({ length: count - 1 }, (_, n) => ({
    name: `c${n + 1}`,
    type: typeOf(types[n % types.length]!),
    nullable: n % 5 !== 4
  }))
]

/**
 * Random records for these columns with the ids `first` to `first + count - 1`, and the expected
 * rows.
 */
export const numberedRecords = (
  random: () => number,
  columns: ReadonlyArray<ColumnDefinition>,
  first: number,
  count: number
) =>
  Array.from({ length: count }, (_, n) => {
    const made = record(random, columns) as {
      json: Record<string, unknown>
      row: Record<string, unknown>
    }
    return {
      json: { ...made.json, id: first + n },
      row: { ...made.row, id: first + n } as Record<string, unknown>
    }
  })

/** A value of `TableStore.rows` in the form of `plainValues.py`. VARIANT stays JSON text. */
export const plainForm = (type: ColumnType, value: unknown): unknown => {
  if (value === null || value === undefined) return null
  switch (type._tag) {
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "BigInt":
    case "Date":
    case "Timestamp":
    case "TimestampNtz":
      return String(value)
    case "Float":
    case "Double":
      return Number.isFinite(value) ? value : String(value)
    case "Binary":
      return Buffer.from(value as Uint8Array).toString("base64")
    case "Array":
      return (value as ReadonlyArray<unknown>).map((item) => plainForm(type.element, item))
    case "Map":
      return byKey(
        [...(value as Map<unknown, unknown>)].map(([key, item]) => [
          plainForm(type.key, key),
          plainForm(type.value, item)
        ])
      )
    case "Struct": {
      const fields = value as Record<string, unknown>
      return Object.fromEntries(
        type.fields.map((field) => [field.name, plainForm(field.type, fields[field.name])])
      )
    }
    default:
      return value
  }
}

/** A row of `TableStore.rows`, as a foreign reader would print it. */
export const plainRow = (
  columns: ReadonlyArray<ColumnDefinition>,
  row: Readonly<Record<string, unknown>>
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(columns.map(({ name, type }) => [name, plainForm(type, row[name])]))

/**
 * The same for a reader's output: the two parts of a VARIANT become JSON text, and maps are sorted
 * by key.
 */
export const seenForm = (type: ColumnType, value: unknown): unknown => {
  if (value === null || value === undefined) return null
  switch (type._tag) {
    case "Variant": {
      const parts = value as { readonly metadata: string; readonly value: string }
      return decodeVariant({
        metadata: Buffer.from(parts.metadata, "base64"),
        value: Buffer.from(parts.value, "base64")
      })
    }
    case "Decimal":
      // PySpark prints small numbers with more zeros than the scale has.
      return (value as string).replace(new RegExp(`(\\.\\d{${type.scale}})0+$`), "$1")
    case "Array":
      return (value as ReadonlyArray<unknown>).map((item) => seenForm(type.element, item))
    case "Map":
      return byKey(
        (value as ReadonlyArray<readonly [unknown, unknown]>).map(([key, item]) => [
          seenForm(type.key, key),
          seenForm(type.value, item)
        ])
      )
    case "Struct": {
      const fields = value as Record<string, unknown>
      return Object.fromEntries(
        type.fields.map((field) => [field.name, seenForm(field.type, fields[field.name])])
      )
    }
    default:
      return value
  }
}

const byKey = (entries: ReadonlyArray<readonly [unknown, unknown]>) =>
  [...entries].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))

/**
 * The result of a comparison. `wrong` describes the cells that differ, and missing or extra rows.
 */
export interface Comparison {
  readonly cells: number
  readonly wrong: ReadonlyArray<string>
  /**
   * For each column type, by its SQL name without parameters: whether all its cells are correct.
   */
  readonly types: Readonly<Record<string, "yes" | "no">>
}

const isCollection = (type: ColumnType): boolean =>
  type._tag === "Array" || type._tag === "Map" || type._tag === "Struct"

/** Whether the type contains a nullable collection at any depth. */
const mayHoldNull = (type: ColumnType): boolean => {
  switch (type._tag) {
    case "Array":
      return mayHoldNull(type.element)
    case "Map":
      return mayHoldNull(type.value)
    case "Struct":
      return type.fields.some(
        (field) => (field.nullable && isCollection(field.type)) || mayHoldNull(field.type)
      )
    default:
      return false
  }
}

/**
 * The columns with all collections NOT NULL, for ClickHouse, which has no NULL for them. Removes
 * columns whose collections cannot be NOT NULL, because they are in a STRUCT inside an ARRAY or a
 * MAP.
 */
export const withoutNullCollections = (
  columns: ReadonlyArray<ColumnDefinition>
): ReadonlyArray<ColumnDefinition> => {
  const notNull = (field: ColumnDefinition): ColumnDefinition => {
    const { type } = field
    if (!isCollection(type)) return field
    return {
      ...field,
      nullable: false,
      type: type._tag === "Struct" ? { ...type, fields: type.fields.map(notNull) } : type
    }
  }
  return columns.map(notNull).filter(({ type }) => !mayHoldNull(type))
}

/** The columns without VARIANT. */
export const withoutVariants = (
  columns: ReadonlyArray<ColumnDefinition>
): ReadonlyArray<ColumnDefinition> =>
  columns.filter(({ type }) => !typeText(type).toUpperCase().includes("VARIANT"))

/** Records for these columns, about 102,000 cells: edge values of every type, then random ones. */
export const cellRecords = (
  columns: ReadonlyArray<ColumnDefinition>,
  rows = Math.ceil(102_000 / columns.length)
) => {
  const edges = edgeRecords(columns, 0)
  return [
    ...edges,
    ...numberedRecords(seeded(61), columns, edges.length, Math.max(0, rows - edges.length))
  ]
}

/** Compares rows by `id`. */
export const compareCells = (
  columns: ReadonlyArray<ColumnDefinition>,
  sent: ReadonlyArray<Readonly<Record<string, unknown>>>,
  seen: ReadonlyArray<Readonly<Record<string, unknown>>>
): Comparison => {
  const byId = new Map(seen.map((row) => [Number(row["id"]), row]))
  const wrong: Array<string> = []
  if (byId.size !== seen.length) wrong.push(`${seen.length - byId.size} ids more than once`)
  if (seen.length !== sent.length) wrong.push(`${seen.length} rows instead of ${sent.length}`)
  let cells = 0
  const types: Record<string, "yes" | "no"> = {}
  const nameOf = (type: ColumnType) =>
    typeText(type)
      .replace(/[(<].*/, "")
      .toUpperCase()
  for (const { type } of columns) types[nameOf(type)] = "yes"
  for (const row of sent) {
    const found = byId.get(Number(row["id"]))
    if (found === undefined) {
      wrong.push(`row ${String(row["id"])} is missing`)
      continue
    }
    for (const { name, type } of columns) {
      cells++
      const expected = plainForm(type, row[name])
      const actual = seenForm(type, found[name])
      if (!isDeepStrictEqual(actual, expected)) {
        types[nameOf(type)] = "no"
        wrong.push(
          `${name} ${type._tag} of row ${String(row["id"])}: ${JSON.stringify(actual)}, not ` +
            `${JSON.stringify(expected)}`
        )
      }
    }
  }
  return { cells, wrong, types }
}
