/**
 * Checks whether the schema of an Avro stream fits the columns of its table.
 *
 * Fields are matched by name, ignoring case. A column that may be NULL, or has a default, may be
 * missing. Every branch of a union must fit its column; NULL in a NOT NULL column is refused when
 * it occurs. `docs/avro.md` has the table of types.
 */
import type { AvroRecord, AvroType } from "../../internal/avro/avroSchema.ts"
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { hasLiteral, maxFindings, printable, type SchemaFinding } from "./schemaFindings.ts"

/** All findings against a schema, at most 20; none means that it fits. */
export const checkAvroSchema = (
  columns: ReadonlyArray<ColumnDefinition>,
  schema: AvroRecord
): ReadonlyArray<SchemaFinding> => {
  const findings: Array<SchemaFinding> = []
  checkFields("", columns, schema, findings)
  return findings.slice(0, maxFindings)
}

const checkFields = (
  prefix: string,
  columns: ReadonlyArray<ColumnDefinition>,
  { fields }: AvroRecord,
  findings: Array<SchemaFinding>
): void => {
  const places = new Map(columns.map((column) => [column.name.toLowerCase(), column]))
  const found = new Map<ColumnDefinition, AvroType>()
  for (const { name, type } of fields) {
    if (findings.length >= maxFindings) return
    const column = places.get(name.toLowerCase())
    const shown = `${prefix}${printable(name)}`
    if (column === undefined) {
      findings.push({ cause: "FIELD_NOT_IN_TABLE", message: `the table has no column ${shown}` })
    } else if (found.has(column)) {
      findings.push({ cause: "FIELD_COUNT_MISMATCH", message: `the field ${shown} occurs twice` })
    } else found.set(column, type)
  }
  for (const column of columns) {
    const type = found.get(column)
    const path = `${prefix}${column.name}`
    if (type !== undefined) checkType(path, column.type, type, findings)
    else if (!column.nullable && !hasLiteral(column)) {
      findings.push({
        cause: "MISSING_REQUIRED_COLUMN",
        message: `the schema has no field for the NOT NULL column ${path}`
      })
    }
  }
}

const checkType = (
  path: string,
  column: ColumnType,
  type: AvroType,
  findings: Array<SchemaFinding>
): void => {
  if (type.type === "union") {
    for (const branch of type.branches) {
      if (findings.length < maxFindings) checkType(path, column, branch, findings)
    }
  } else if (type.type === "null") {
    return
  } else if (column._tag === "Array" && type.type === "array") {
    checkType(`${path}.element`, column.element, type.items, findings)
  } else if (column._tag === "Map" && type.type === "map") {
    if (column.key._tag !== "String") {
      findings.push({
        cause: "TYPE_INCOMPATIBLE",
        message: `the map ${path} must have string keys, as all Avro maps do`
      })
    }
    checkType(`${path}.value`, column.value, type.values, findings)
  } else if (column._tag === "Struct" && type.type === "record") {
    checkFields(`${path}.`, column.fields, type, findings)
  } else if (!fits(column, type)) {
    findings.push({
      cause: "TYPE_INCOMPATIBLE",
      message: `the field ${path} must be ${needed(column)}`
    })
  }
}

/** The Avro types that a column accepts, as text. */
const needed = (column: ColumnType): string => {
  switch (column._tag) {
    case "Boolean":
      return "boolean"
    case "TinyInt":
    case "SmallInt":
      return "int"
    case "Int":
      return "int or time-millis"
    case "BigInt":
      return "long, int, time-micros or time-millis"
    case "Float":
      return "float"
    case "Double":
      return "double or float"
    case "Date":
      return "date or int"
    case "Timestamp":
      return "timestamp-micros, timestamp-millis, timestamp-nanos or long"
    case "TimestampNtz":
      return "local-timestamp-micros, local-timestamp-millis, local-timestamp-nanos or long"
    case "Decimal":
      return `a decimal of a scale up to ${column.scale}, or string`
    case "Binary":
      return "bytes, fixed or duration"
    case "String":
      return "string, uuid or enum"
    case "Variant":
      return "string"
    case "Array":
      return "array"
    case "Map":
      return "map"
    case "Struct":
      return "record"
  }
}

/** Whether a type without parts fits a column. */
const fits = (column: ColumnType, type: AvroType): boolean => {
  const tag = column._tag
  switch (type.type) {
    case "boolean":
      return tag === "Boolean"
    case "int":
      if (type.time === "date") return tag === "Date"
      if (type.time === "time-millis") return tag === "Int" || tag === "BigInt"
      return ["TinyInt", "SmallInt", "Int", "BigInt", "Date"].includes(tag)
    case "long":
      if (type.time === undefined) return ["BigInt", "Timestamp", "TimestampNtz"].includes(tag)
      if (type.time.startsWith("time-")) return tag === "BigInt"
      return tag === (type.time.startsWith("local") ? "TimestampNtz" : "Timestamp")
    case "float":
      return tag === "Float" || tag === "Double"
    case "double":
      return tag === "Double"
    case "string":
      return type.uuid === true ? tag === "String" : ["String", "Variant", "Decimal"].includes(tag)
    case "enum":
      return tag === "String"
    case "bytes":
    case "fixed":
      if (type.decimal !== undefined)
        return column._tag === "Decimal" && type.decimal.scale <= column.scale
      if (type.type === "fixed" && type.uuid === true) return tag === "String"
      return tag === "Binary"
    default:
      return false
  }
}
