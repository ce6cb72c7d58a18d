/**
 * Reads a record file twice, as `zerobus ingest` does and as DuckDB does, both into the wire form,
 * so that the results can be compared.
 */
import { DuckDBInstance } from "@duckdb/node-api"
import { Effect, Result, Stream } from "effect"
import { kindOf, type TextFormat } from "../../src/cli/records/fileKind.ts"
import { FileRecords } from "../../src/cli/records/fileRecords.ts"
import { recordBytes } from "../../src/cli/input/recordBytes.ts"
import { reader } from "../../src/cli/records/recordFile.ts"
import type { SourceRecord } from "../../src/cli/records/sourceRecord.ts"
import type { ValueForms } from "../../src/cli/records/valueForms.ts"
import {
  type ColumnDefinition,
  type ColumnType,
  parseTableDefinition
} from "../../src/internal/columns/columnType.ts"
import { encode } from "./byteSink.ts"

/** The columns of `a INT, b STRING`. */
export const columnsOf = (text: string): ReadonlyArray<ColumnDefinition> =>
  Result.getOrThrowWith(parseTableDefinition(`c.s.t(${text})`), (problem) => new Error(problem))
    .columns

/** A row in the order of the columns, each value as text; NULL is null. */
export type Row = ReadonlyArray<string | null>

/** The result of ingesting a file. */
export interface Reading {
  readonly rows: ReadonlyArray<Row>
  /** Line and reason of each refused record. */
  readonly rejects: ReadonlyArray<readonly [line: number, reason: string]>
  /** Why the file as a whole cannot be read. */
  readonly problem: string | undefined
}

/** How a file is read. */
export interface ReadingOptions extends ValueForms {
  readonly names?: ReadonlyArray<string> | undefined
}

/** Numbers are compared as numbers: DECIMALs without trailing zeros. */
const wire = (value: unknown): string | null => {
  if (value === null || value === undefined) return null
  return typeof value === "object"
    ? JSON.stringify(value)
    : Object.is(value, -0)
      ? "-0"
      : String(value)
}

const readAs = (type: ColumnType, value: unknown): string | null =>
  type._tag === "Decimal" && typeof value === "string" && value.includes(".")
    ? value.replace(/\.?0+$/, "")
    : wire(value)

/** Reads a file as `zerobus ingest` does. */
export const ingested = async (
  path: string,
  columns: ReadonlyArray<ColumnDefinition>,
  options: ReadingOptions = {}
): Promise<Reading> => {
  const kind = kindOf(path)
  const one = reader(kind.format as TextFormat, {
    usualDelimiter: kind.delimiter,
    names: options.names
  })
  const records = new FileRecords(columns, options)
  const rows: Array<Row> = []
  const rejects: Array<readonly [number, string]> = []
  let header = false
  let problem: string | undefined
  const take = (found: ReadonlyArray<SourceRecord>) => {
    const names = one.header()
    if (names !== undefined && !header) {
      header = true
      problem ??= records.useHeader(names)?.problem
    }
    problem ??= one.problem()
    if (problem !== undefined) return
    for (const record of found) {
      const written = encode(records, record)
      if (!(written instanceof Uint8Array)) {
        rejects.push([record.line, written.message])
        continue
      }
      const value = JSON.parse(Buffer.from(written).toString()) as Record<string, unknown>
      rows.push(columns.map(({ name, type }) => readAs(type, value[name])))
    }
  }
  const read = Stream.runForEach(recordBytes(path), (bytes) =>
    Effect.sync(() => take(one.push(bytes)))
  )
  const failure = await Effect.runPromise(
    Effect.match(read, { onSuccess: () => undefined, onFailure: ({ message }) => message })
  )
  take(one.end())
  return { rows, rejects, problem: failure ?? problem }
}

/** The DuckDB type, and the value in wire form. */
const duckdbType = ({
  name,
  type
}: Pick<ColumnDefinition, "name" | "type">): readonly [type: string, wire: string] => {
  const column = `"${name.replaceAll('"', '""')}"`
  switch (type._tag) {
    case "Int":
    case "BigInt":
    case "SmallInt":
      return [type._tag === "Int" ? "INTEGER" : type._tag.toUpperCase(), `${column}::VARCHAR`]
    case "Double":
      return ["DOUBLE", column]
    case "Boolean":
      return ["BOOLEAN", column]
    case "Date":
      return ["DATE", `date_diff('day', DATE '1970-01-01', ${column})::VARCHAR`]
    case "Timestamp":
      return ["TIMESTAMPTZ", `epoch_us(${column})::VARCHAR`]
    case "TimestampNtz":
      return ["TIMESTAMP", `epoch_us(${column})::VARCHAR`]
    case "Decimal":
      return [`DECIMAL(${type.precision},${type.scale})`, `${column}::VARCHAR`]
    default:
      return ["VARCHAR", column]
  }
}

/**
 * Reads a file with DuckDB, with these columns in order and additional options of `read_csv` or
 * `read_json`. `names` contains JSON keys that differ from the column names.
 */
export const readByDuckdb = async (
  path: string,
  columns: ReadonlyArray<ColumnDefinition>,
  options = "",
  names: ReadonlyArray<string> = columns.map(({ name }) => name)
): Promise<ReadonlyArray<Row>> => {
  const instance = await DuckDBInstance.create(":memory:")
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    await connection.run("SET threads = 1")
    const named = columns.map(({ type }, index) => ({ type, name: names[index]! }))
    const types = named
      .map((column) => `'${column.name.replaceAll("'", "''")}': '${duckdbType(column)[0]}'`)
      .join(", ")
    const values = named.map((column) => duckdbType(column)[1]).join(", ")
    const call = /\.csv|\.tsv/.test(path) ? "read_csv" : "read_json"
    const more = options === "" ? "" : `, ${options}`
    const found = await connection.runAndReadAll(
      `SELECT ${values} FROM ${call}('${path.replaceAll("'", "''")}', columns = {${types}}${more})`
    )
    return found
      .getRows()
      .map((row) => row.map((value, index) => readAs(columns[index]!.type, value)))
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
