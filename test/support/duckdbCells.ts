/** Reads the rows of a table's live Parquet files with DuckDB, in the form of `plainValues.py`. */
import { DuckDBInstance, version } from "@duckdb/node-api"
import type { ColumnDefinition, ColumnType } from "../../src/internal/columns/columnType.ts"
import { readLiveTable } from "../../src/local/delta/liveFiles.ts"

/** The version of DuckDB. */
export const duckdbVersion = version().replace(/^v/, "")

// DuckDB's values have a class per type, which follows from the column's type.
const plain = (type: ColumnType, value: any): unknown => {
  if (value === null) return null
  switch (type._tag) {
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "BigInt":
      return String(value)
    case "Float":
    case "Double":
      return Number.isFinite(value) ? value : String(value)
    case "Date":
      return String(value.days)
    case "Timestamp":
    case "TimestampNtz":
      return String(value.micros)
    case "Decimal":
      return value.toString()
    case "Binary":
      return base64(value)
    case "Variant":
      return { metadata: base64(value.entries.metadata), value: base64(value.entries.value) }
    case "Array":
      return value.items.map((item: unknown) => plain(type.element, item))
    case "Map":
      return value.entries.map((entry: any) => [
        plain(type.key, entry.key),
        plain(type.value, entry.value)
      ])
    case "Struct":
      return Object.fromEntries(
        type.fields.map((field) => [field.name, plain(field.type, value.entries[field.name])])
      )
    default:
      return value
  }
}

const base64 = (value: { readonly bytes: Uint8Array }): string =>
  Buffer.from(value.bytes).toString("base64")

/** All rows of the table in a folder. The table must have no partition columns. */
export const readDuckdb = async (
  location: string,
  columns: ReadonlyArray<ColumnDefinition>
): Promise<ReadonlyArray<Readonly<Record<string, unknown>>>> => {
  const table = await readLiveTable(location)
  const files = (table?.live ?? []).map(({ path }) => `'${path}'`)
  const instance = await DuckDBInstance.create()
  const connection = await instance.connect()
  try {
    const reader = await connection.runAndReadAll(
      `SELECT * FROM read_parquet([${files.join(", ")}])`
    )
    return reader
      .getRowObjects()
      .map((row) =>
        Object.fromEntries(columns.map(({ name, type }) => [name, plain(type, row[name])]))
      )
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
