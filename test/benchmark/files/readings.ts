/**
 * The file that `bench:ingest` ingests: rows of eleven columns as NDJSON and as CSV; most values
 * differ from row to row. Dates and times are in ISO form, and doubles have all their digits, as
 * programs write them.
 */
import * as Fs from "node:fs"
import { seeded } from "../../support/randomTables.ts"

export type FileFormat = "ndjson" | "csv"

/** Name, type in the table's definition, and type with which DuckDB reads it. */
const columns = [
  ["id", "BIGINT", "BIGINT"],
  ["device", "STRING NOT NULL", "VARCHAR"],
  ["site", "STRING", "VARCHAR"],
  ["seen", "TIMESTAMP", "TIMESTAMPTZ"],
  ["day", "DATE", "DATE"],
  ["temperature", "DOUBLE", "DOUBLE"],
  ["humidity", "DOUBLE", "DOUBLE"],
  ["price", "DECIMAL(18,2)", "DECIMAL(18,2)"],
  ["count", "INT", "INTEGER"],
  ["valid", "BOOLEAN", "BOOLEAN"],
  ["note", "STRING", "VARCHAR"]
] as const

/** The definition of the table `name`. */
export const definitionOf = (name: string): string =>
  `${name}(${columns.map(([column, type]) => `${column} ${type}`).join(", ")})`

/** The columns for DuckDB's readers. */
export const duckdbColumns = `{${columns.map(([name, , type]) => `${name}: '${type}'`).join(", ")}}`

const sites = ["north", "south", "Århus", "old mill"]

/** Writes this many rows to a new file, about a megabyte at a time. */
export const writeReadings = (path: string, format: FileFormat, rows: number): void => {
  const random = seeded(1)
  const below = (limit: number): number => Math.floor(random() * limit)
  const file = Fs.openSync(path, "wx")
  let lines: Array<string> = format === "csv" ? [columns.map(([name]) => name).join(",")] : []
  const write = (): void => {
    if (lines.length > 0) Fs.writeSync(file, `${lines.join("\n")}\n`)
    lines = []
  }
  for (let n = 0; n < rows; n++) {
    const seen = new Date(1_767_225_600_000 + n * 1_250).toISOString()
    const row = {
      id: 7_000_000_000 + n,
      device: `sensor-${below(5_000)}`,
      site: sites[n % sites.length]!,
      seen,
      day: seen.slice(0, 10),
      temperature: random() * 60 - 20,
      humidity: random() * 100,
      price: below(1_000_000) / 100,
      count: below(100_000),
      valid: n % 3 !== 0,
      note: n % 5 === 0 ? null : `checked by hand, shelf ${below(1_000)}`
    }
    lines.push(
      format === "ndjson" ? JSON.stringify(row) : Object.values(row).map(csvCell).join(",")
    )
    if (lines.length === 5_000) write()
  }
  write()
  Fs.closeSync(file)
}

const csvCell = (value: unknown): string => {
  if (value === null) return ""
  const text = String(value)
  return text.includes(",") ? `"${text}"` : text
}
