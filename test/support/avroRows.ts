/** Converts rows read from a table to values of an Avro table. */
import type { ColumnDefinition, ColumnType } from "../../src/internal/columns/columnType.ts"
import { pick } from "./randomTables.ts"

/** Whether Avro has a type for a column. Keys of Avro maps are strings. */
export const isAvroColumn = (type: ColumnType): boolean => {
  switch (type._tag) {
    case "Array":
      return isAvroColumn(type.element)
    case "Map":
      return type.key._tag === "String" && isAvroColumn(type.value)
    case "Struct":
      return type.fields.every((field) => isAvroColumn(field.type))
    default:
      return true
  }
}

/** The schema of records for these columns. Where several Avro types fit, one is chosen. */
export const avroSchemaOf = (
  columns: ReadonlyArray<ColumnDefinition>,
  random: () => number = () => 0
): object => {
  let names = 0
  const record = (fields: ReadonlyArray<ColumnDefinition>): object => ({
    type: "record",
    name: `r${names++}`,
    fields: fields.map(({ name, nullable, type }) => ({
      name,
      type: nullable
        ? pick(random, [
            ["null", typeOf(type)],
            [typeOf(type), "null"]
          ])
        : typeOf(type)
    }))
  })
  const logical = (type: string, logicalType: string, more: object = {}): object => ({
    type,
    logicalType,
    ...more
  })
  const typeOf = (type: ColumnType): object | string => {
    switch (type._tag) {
      case "Boolean":
        return "boolean"
      case "TinyInt":
      case "SmallInt":
        return "int"
      case "Int":
        return pick(random, ["int", logical("int", "time-millis")])
      case "Date":
        return pick(random, [logical("int", "date"), "int"])
      case "BigInt":
        return pick(random, ["long", logical("long", "time-micros")])
      case "Timestamp":
        return pick(random, [logical("long", "timestamp-micros"), "long"])
      case "TimestampNtz":
        return pick(random, [logical("long", "local-timestamp-micros"), "long"])
      case "Float":
        return "float"
      case "Double":
        return "double"
      case "String":
      case "Variant":
        return "string"
      case "Decimal": {
        const { precision, scale } = type
        const digits = { precision, scale }
        const fixed = logical("fixed", "decimal", { name: `f${names++}`, size: 16, ...digits })
        return pick(random, [logical("bytes", "decimal", digits), fixed, "string"])
      }
      case "Binary":
        return "bytes"
      case "Array":
        return { type: "array", items: ["null", typeOf(type.element)] }
      case "Map":
        return { type: "map", values: ["null", typeOf(type.value)] }
      case "Struct":
        return record(type.fields)
    }
  }
  return record(columns)
}

const valueOf = (type: ColumnType, value: unknown): unknown => {
  if (value === null || value === undefined) return null
  switch (type._tag) {
    case "Array":
      return (value as ReadonlyArray<unknown>).map((item) => valueOf(type.element, item))
    case "Map": {
      const entries = [...(value as Map<string, unknown>)]
      return Object.fromEntries(entries.map(([key, item]) => [key, valueOf(type.value, item)]))
    }
    case "Struct":
      return avroValueOf(type.fields, value as Record<string, unknown>)
    default:
      return value
  }
}

/** A row as a record of the schema. */
export const avroValueOf = (
  columns: ReadonlyArray<ColumnDefinition>,
  row: Record<string, unknown>
): Record<string, unknown> =>
  Object.fromEntries(columns.map(({ name, type }) => [name, valueOf(type, row[name])]))
