/**
 * Rows of a query as JSON, in the forms that `zerobus ingest` reads. Numbers keep all their digits;
 * arrays, structs and maps become arrays and objects; bytes become base64. Dates, times and other
 * values without a JSON form are text, as DuckDB writes them.
 */
import type { DuckDBValue } from "@duckdb/node-api"
import { base64OfBytes } from "../internal/columns/base64Text.ts"
import { ExactNumber, stringify } from "./records/exactJson.ts"

type Duckdb = typeof import("@duckdb/node-api")

/** The value as JSON. `within` marks a part of a VARIANT. */
const plain = (duckdb: Duckdb, value: DuckDBValue | undefined, within = false): unknown => {
  const inner = (one: DuckDBValue) => plain(duckdb, one, within)
  if (value === null || value === undefined || typeof value === "boolean") return value ?? null
  if (typeof value === "number") {
    // JSON.stringify would write a negative zero without its sign.
    if (Object.is(value, -0)) return new ExactNumber("-0.0")
    return Number.isFinite(value) ? value : String(value)
  }
  if (typeof value === "bigint" || value instanceof duckdb.DuckDBDecimalValue)
    return new ExactNumber(String(value))
  if (value instanceof duckdb.DuckDBListValue || value instanceof duckdb.DuckDBArrayValue)
    return value.items.map(inner)
  if (value instanceof duckdb.DuckDBStructValue) {
    return Object.fromEntries(
      Object.entries(value.entries).map(([name, one]) => [name, inner(one)])
    )
  }
  if (value instanceof duckdb.DuckDBMapValue) {
    return Object.fromEntries(value.entries.map(({ key, value }) => [String(key), inner(value)]))
  }
  if (value instanceof duckdb.DuckDBVariantValue) {
    const whole = plain(duckdb, value.value, true)
    return within ? whole : variantJson(whole)
  }
  if (value instanceof duckdb.DuckDBUnionValue) return inner(value.value)
  if (value instanceof duckdb.DuckDBBlobValue) return base64OfBytes(value.bytes)
  return String(value)
}

/**
 * `ingest` parses text in a VARIANT column as JSON where it can. A VARIANT whose value is such a
 * text is therefore written as a JSON string, so that it is read back as text.
 */
const variantJson = (value: unknown): unknown => {
  if (typeof value !== "string") return value
  try {
    JSON.parse(value)
    return JSON.stringify(value)
  } catch {
    return value
  }
}

/** A row as one JSON object. Of columns with the same name, it contains the last one. */
export const rowJson = (
  duckdb: Duckdb,
  columns: ReadonlyArray<string>,
  row: ReadonlyArray<DuckDBValue>
): string =>
  stringify(Object.fromEntries(columns.map((column, index) => [column, plain(duckdb, row[index])])))
