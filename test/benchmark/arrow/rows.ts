/**
 * The rows of `bench:arrow`, with twenty columns, in the forms that programs use: Arrow batches,
 * objects of a typed table, JSON objects. Each row has its own values, the same in each form.
 */
import * as Arrow from "apache-arrow"
import { Column, Table, TableProperties } from "effect-zerobus"
import { ArrowTable } from "effect-zerobus/arrow"

export type FormName =
  | "arrow-none"
  | "arrow-zstd"
  | "arrow-lz4"
  | "columns-none"
  | "columns-zstd"
  | "typed"
  | "json"

const tableName = "main.default.columns"

const kinds = [
  {
    sql: "STRING",
    column: Column.String,
    arrow: new Arrow.LargeUtf8(),
    value: (n: number) => `value-${n}-of-a-text`
  },
  {
    sql: "INT",
    column: Column.Int,
    arrow: new Arrow.Int32(),
    value: (n: number) => (n * 7919) % 1_000_000
  },
  { sql: "DOUBLE", column: Column.Double, arrow: new Arrow.Float64(), value: (n: number) => n / 7 },
  {
    sql: "BOOLEAN",
    column: Column.Boolean,
    arrow: new Arrow.Bool(),
    value: (n: number) => n % 3 === 0
  },
  {
    sql: "BIGINT",
    column: Column.BigInt,
    arrow: new Arrow.Int64(),
    value: (n: number) => n * 1_000_003
  }
] as const

const columns = Array.from({ length: 20 }, (_, at) => ({
  name: `column_${at}`,
  kind: kinds[at % kinds.length]!,
  at
}))

/** The definition from which the server creates the table. */
const columnTexts = columns.map(({ kind, name }) => `${name} ${kind.sql}`)
export const definition = `${tableName}(${columnTexts.join(", ")})`

const valueOf = ({ at, kind }: (typeof columns)[number], n: number) => kind.value(n + at * 31)

const schema = new Arrow.Schema(
  columns.map(({ kind, name }) => new Arrow.Field(name, kind.arrow, true))
)

const arrowBatch = (first: number, rows: number): Arrow.RecordBatch => {
  const children = columns.map((column) => {
    const values = Array.from({ length: rows }, (_, row) => {
      const value = valueOf(column, first + row)
      return column.kind.sql === "BIGINT" ? BigInt(value) : value
    })
    return Arrow.vectorFromArray(values as Array<never>, column.kind.arrow as Arrow.DataType)
      .data[0]!
  })
  const type = new Arrow.Struct(schema.fields)
  const data = Arrow.makeData({ type, length: rows, nullCount: 0, children })
  return new Arrow.RecordBatch(schema, data as Arrow.Data<Arrow.Struct>)
}

const objectOf = (n: number, bigInts: boolean): object =>
  Object.fromEntries(
    columns.map((column) => {
      const value = valueOf(column, n)
      return [column.name, bigInts && column.kind.sql === "BIGINT" ? BigInt(value) : value]
    })
  )

/** A form: what its stream is opened with, and the records of one call. */
export interface Form {
  readonly table: TableProperties.TableProperties<any>
  readonly call: (first: number, rows: number) => ReadonlyArray<any>
}

const objects =
  (bigInts: boolean): Form["call"] =>
  (first, rows) =>
    Array.from({ length: rows }, (_, row) => objectOf(first + row, bigInts))

const arrow = (compression: "none" | "zstd" | "lz4"): Form => ({
  table: ArrowTable.make(tableName, schema, { compression }),
  call: (first, rows) => [arrowBatch(first, rows)]
})

const typed = (options: Table.TableOptions): Form => ({
  table: Table.make(
    tableName,
    Object.fromEntries(columns.map(({ kind, name }) => [name, kind.column])),
    options
  ),
  call: objects(true)
})

export const forms: Readonly<Record<FormName, () => Form>> = {
  "arrow-none": () => arrow("none"),
  "arrow-zstd": () => arrow("zstd"),
  "arrow-lz4": () => arrow("lz4"),
  "columns-none": () => typed({ format: "arrow", compression: "none" }),
  "columns-zstd": () => typed({ format: "arrow" }),
  "typed": () => typed({}),
  "json": () => ({ table: TableProperties.json(tableName), call: objects(false) })
}
