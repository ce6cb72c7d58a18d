/** Converts rows read from a table to the messages of an Arrow call. */
import * as Arrow from "apache-arrow"
import type { ColumnDefinition, ColumnType } from "../../src/internal/columns/columnType.ts"
import { encodeVariant } from "../../src/local/parquet/variantEncoder.ts"
import { flightMessages, flightOf, types } from "./arrowMessages.ts"

/** The type that a column has on the wire. */
const typeOf = (type: ColumnType): Arrow.DataType => {
  switch (type._tag) {
    case "Date":
      return types.date
    case "Timestamp":
      return types.timestamp
    case "TimestampNtz":
      return types.timestampNtz
    default:
      return storedType(type, typeOf)
  }
}

/** The type whose values the library stores unchanged: dates and times as integers. */
const plainType = (type: ColumnType): Arrow.DataType => {
  switch (type._tag) {
    case "Date":
      return types.int
    case "Timestamp":
    case "TimestampNtz":
      return types.bigint
    default:
      return storedType(type, plainType)
  }
}

const storedType = (
  type: ColumnType,
  inner: (type: ColumnType) => Arrow.DataType
): Arrow.DataType => {
  switch (type._tag) {
    case "Boolean":
      return types.boolean
    case "TinyInt":
      return types.tinyint
    case "SmallInt":
      return types.smallint
    case "Int":
    case "Date":
      return types.int
    case "BigInt":
    case "Timestamp":
    case "TimestampNtz":
      return types.bigint
    case "Float":
      return types.float
    case "Double":
      return types.double
    case "String":
    case "Decimal":
      return types.string
    case "Binary":
      return types.binary
    case "Variant":
      return types.variant
    case "Array":
      return types.array(inner(type.element))
    case "Map":
      return types.map(inner(type.key), inner(type.value))
    case "Struct":
      return types.struct(
        Object.fromEntries(type.fields.map((field) => [field.name, inner(field.type)]))
      )
  }
}

const valueOf = (type: ColumnType, value: unknown): unknown => {
  if (value === null || value === undefined) return null
  switch (type._tag) {
    case "Variant":
      return encodeVariant(value as string)
    case "Array":
      return (value as ReadonlyArray<unknown>).map((item) => valueOf(type.element, item))
    case "Map":
      return new Map(
        [...(value as Map<unknown, unknown>)].map(([key, item]) => [key, valueOf(type.value, item)])
      )
    case "Struct": {
      const row = value as Record<string, unknown>
      return Object.fromEntries(
        type.fields.map((field) => [field.name, valueOf(field.type, row[field.name])])
      )
    }
    default:
      return value
  }
}

const schemaOf = (
  columns: ReadonlyArray<ColumnDefinition>,
  type: (type: ColumnType) => Arrow.DataType
): Arrow.Schema =>
  new Arrow.Schema(
    columns.map((column) => new Arrow.Field(column.name, type(column.type), column.nullable))
  )

/** The IPC stream with the schema of the columns and no batch. */
const typedSchema = (columns: ReadonlyArray<ColumnDefinition>): Uint8Array =>
  Arrow.tableToIPC(new Arrow.Table(schemaOf(columns, typeOf), []), "stream")

/** Batches of these rows, with dates and times as integers. */
const plainBatches = (
  columns: ReadonlyArray<ColumnDefinition>,
  rows: ReadonlyArray<Record<string, unknown>>,
  size: number
): ReadonlyArray<Arrow.RecordBatch> => {
  const schema = schemaOf(columns, plainType)
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, batch) => {
    const part = rows.slice(batch * size, (batch + 1) * size)
    const children = columns.map((column, index) => {
      const values = part.map((row) => valueOf(column.type, row[column.name]))
      return Arrow.vectorFromArray(values as Array<never>, schema.fields[index]!.type).data[0]!
    })
    const type = new Arrow.Struct(schema.fields)
    return new Arrow.RecordBatch(
      schema,
      Arrow.makeData({ type, length: part.length, nullCount: 0, children })
    )
  })
}

/** The messages of a call that sends these rows in batches of a fixed size. */
export const flightOfRows = (
  columns: ReadonlyArray<ColumnDefinition>,
  rows: ReadonlyArray<Record<string, unknown>>,
  size = Math.max(1, rows.length)
): ReadonlyArray<Uint8Array> => {
  const [first] = flightOf(typedSchema(columns))
  const [, ...rest] = flightMessages(...plainBatches(columns, rows, size))
  return [first!, ...rest]
}

/** An IPC stream with these rows in one batch. */
export const ipcOfRows = (
  columns: ReadonlyArray<ColumnDefinition>,
  rows: ReadonlyArray<Record<string, unknown>>
): Uint8Array => {
  const batches = plainBatches(columns, rows, Math.max(1, rows.length))
  const plain = Arrow.tableToIPC(new Arrow.Table(batches[0]!.schema, [...batches]), "stream")
  // Both begin with a schema message, which has no body.
  const typed = typedSchema(columns)
  return Buffer.concat([typed.subarray(0, schemaEnd(typed)), plain.subarray(schemaEnd(plain))])
}

const schemaEnd = (stream: Uint8Array): number =>
  8 + new DataView(stream.buffer, stream.byteOffset, 8).getInt32(4, true)
