/**
 * The column types that hold the values of an Avro schema; `docs/cli.md` has the table.
 */
import type { AvroField, AvroRecord, AvroType, AvroUnion } from "../../internal/avro/avroSchema.ts"
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import type { FileColumn } from "../records/typedRow.ts"

/** Digits of the largest DECIMAL. */
const mostDigits = 38

/** The columns of a record's fields. */
export const avroColumns = ({ fields }: AvroRecord): ReadonlyArray<FileColumn> =>
  fields.map(({ name, type }) => ({
    name,
    type: columnType(type, new Set()),
    typeText: typeText(type),
    nullable: isNullable(type)
  }))

/** Whether the values of a union are VARIANT. */
export const isVariant = (union: AvroUnion): boolean =>
  columnType(union, new Set())?._tag === "Variant"

const isNullable = (type: AvroType): boolean =>
  type.type === "null" || (type.type === "union" && type.branches.some(isNullable))

/** The type of a schema's type; undefined where no column takes its values. */
const columnType = (type: AvroType, open: ReadonlySet<AvroType>): ColumnType | undefined => {
  switch (type.type) {
    case "null":
      return { _tag: "String" }
    case "boolean":
      return { _tag: "Boolean" }
    case "int":
      return { _tag: type.time === "date" ? "Date" : "Int" }
    case "long":
      if (type.time?.includes("timestamp") !== true) return { _tag: "BigInt" }
      return { _tag: type.time.startsWith("local") ? "TimestampNtz" : "Timestamp" }
    case "float":
      return { _tag: "Float" }
    case "double":
      return { _tag: "Double" }
    case "string":
    case "enum":
      return { _tag: "String" }
    case "bytes":
    case "fixed":
      if (type.decimal !== undefined) {
        const { precision, scale } = type.decimal
        return precision > mostDigits ? undefined : { _tag: "Decimal", precision, scale }
      }
      return { _tag: type.type === "fixed" && type.uuid === true ? "String" : "Binary" }
    case "union":
      return unionType(type.branches, open)
    case "array": {
      const element = columnType(type.items, open)
      return element && { _tag: "Array", element, containsNull: isNullable(type.items) }
    }
    case "map": {
      const value = columnType(type.values, open)
      const valueContainsNull = isNullable(type.values)
      return value && { _tag: "Map", key: { _tag: "String" }, value, valueContainsNull }
    }
    case "record": {
      // A type that holds itself has no end.
      if (open.has(type)) return undefined
      const fields = type.fields.map((field) => structField(field, new Set([...open, type])))
      return fields.length > 0 && fields.every((field) => field !== undefined)
        ? { _tag: "Struct", fields }
        : undefined
    }
  }
}

const structField = (
  { name, type }: AvroField,
  open: ReadonlySet<AvroType>
): ColumnDefinition | undefined => {
  const found = columnType(type, open)
  return found && { name, type: found, nullable: isNullable(type) }
}

/** Several types of numbers are the widest of them; other mixtures of what JSON has are VARIANT. */
const unionType = (
  branches: ReadonlyArray<AvroType>,
  open: ReadonlySet<AvroType>
): ColumnType | undefined => {
  const values = branches.filter(({ type }) => type !== "null")
  if (values.length < 2) return columnType(values[0] ?? { type: "null" }, open)
  const types = values.map((branch) => columnType(branch, open)?._tag)
  const only = (...tags: ReadonlyArray<ColumnType["_tag"]>) =>
    types.every((tag) => tag !== undefined && tags.includes(tag))
  if (only("Int", "BigInt")) return { _tag: "BigInt" }
  if (only("Float", "Double")) return { _tag: "Double" }
  return values.every(hasJson) ? { _tag: "Variant" } : undefined
}

/** Whether values of the type are the same in JSON. */
const hasJson = (type: AvroType): boolean => {
  switch (type.type) {
    case "int":
    case "long":
      return type.time === undefined || type.time.startsWith("time-")
    case "bytes":
    case "fixed":
      return false
    case "union":
      return type.branches.every(hasJson)
    case "array":
      return hasJson(type.items)
    case "map":
      return hasJson(type.values)
    case "record":
      return false
    default:
      return true
  }
}

/** The name of a type, with its logical type where it has one. */
const typeText = (type: AvroType): string => {
  switch (type.type) {
    case "int":
    case "long":
      return type.time ?? type.type
    case "bytes":
    case "fixed":
      return type.decimal === undefined
        ? type.type
        : `decimal(${type.decimal.precision},${type.decimal.scale})`
    case "union": {
      const values = type.branches.filter((branch) => branch.type !== "null")
      return values.length === 1
        ? typeText(values[0]!)
        : `union of ${values.map(typeText).join(", ")}`
    }
    default:
      return type.type
  }
}
