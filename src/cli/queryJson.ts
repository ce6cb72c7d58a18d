/**
 * Rows of a query as JSON, in the forms that `zerobus ingest` reads: numbers with all their digits, arrays, structs and maps as arrays and
 * objects, bytes in base64. Dates, times and whatever else JSON has no form for are text, as DuckDB writes them.
 */
import type { DuckDBValue } from "@duckdb/node-api"
import { base64OfBytes } from "../internal/columns/base64Text.ts"
import { ExactNumber, stringify } from "./records/exactJson.ts"

type Duckdb = typeof import("@duckdb/node-api")

const plain = (duckdb: Duckdb, value: DuckDBValue | undefined): unknown => {
  const inner = (one: DuckDBValue) => plain(duckdb, one)
  if (value === null || value === undefined || typeof value === "boolean") return value ?? null
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value)
  if (typeof value === "bigint" || value instanceof duckdb.DuckDBDecimalValue) return new ExactNumber(String(value))
  if (value instanceof duckdb.DuckDBListValue || value instanceof duckdb.DuckDBArrayValue) return value.items.map(inner)
  if (value instanceof duckdb.DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, one]) => [name, inner(one)]))
  }
  if (value instanceof duckdb.DuckDBMapValue) {
    return Object.fromEntries(value.entries.map(({ key, value }) => [String(key), inner(value)]))
  }
  if (value instanceof duckdb.DuckDBUnionValue) return inner(value.value)
  if (value instanceof duckdb.DuckDBBlobValue) return base64OfBytes(value.bytes)
  return String(value)
}

/** A row as one JSON object; of columns with the same name the last one is in it. */
export const rowJson = (duckdb: Duckdb, columns: ReadonlyArray<string>, row: ReadonlyArray<DuckDBValue>): string =>
  stringify(Object.fromEntries(columns.map((column, index) => [column, plain(duckdb, row[index])])))
