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

/** The messages of a call that sends these rows in batches of a fixed size. */
export const flightOfRows = (
  columns: ReadonlyArray<ColumnDefinition>,
  rows: ReadonlyArray<Record<string, unknown>>,
  size = Math.max(1, rows.length)
): ReadonlyArray<Uint8Array> => {
  const schemaOf = (type: (type: ColumnType) => Arrow.DataType) =>
    new Arrow.Schema(
      columns.map((column) => new Arrow.Field(column.name, type(column.type), column.nullable))
    )
  const schema = schemaOf(plainType)
  const batches = Array.from({ length: Math.ceil(rows.length / size) }, (_, batch) => {
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
  const [first] = flightOf(Arrow.tableToIPC(new Arrow.Table(schemaOf(typeOf), []), "stream"))
  const [, ...rest] = flightMessages(...batches)
  return [first!, ...rest]
}
