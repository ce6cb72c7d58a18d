/**
 * Arrow fields for the columns of a table, and the supported fields of a schema.
 */
import {
  Binary,
  Bool,
  DataType,
  DateDay,
  DateMillisecond,
  Decimal,
  Field,
  Float16,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  LargeBinary,
  LargeList,
  LargeUtf8,
  List,
  Map_,
  Null,
  Schema,
  Struct,
  Timestamp,
  TimeUnit,
  Uint16,
  Uint32,
  Uint64,
  Uint8,
  Utf8
} from "apache-arrow"
import type { ArrowField, ArrowType } from "../internal/arrow/arrowSchema.ts"
import { refuse } from "./columnMisfit.ts"

const units = {
  s: TimeUnit.SECOND,
  ms: TimeUnit.MILLISECOND,
  µs: TimeUnit.MICROSECOND,
  ns: TimeUnit.NANOSECOND
}

const integers: Readonly<Record<string, () => DataType>> = {
  Int8: () => new Int8(),
  Int16: () => new Int16(),
  Int32: () => new Int32(),
  Int64: () => new Int64(),
  Uint8: () => new Uint8(),
  Uint16: () => new Uint16(),
  Uint32: () => new Uint32(),
  Uint64: () => new Uint64()
}

/** Converts a field in plain data to one of the library. */
export const fieldFrom = ({ children, name, nullable, type }: ArrowField): Field =>
  new Field(name, typeFrom(type, children.map(fieldFrom)), nullable)

const typeFrom = (type: ArrowType, children: Array<Field>): DataType => {
  switch (type._tag) {
    case "Null":
      return new Null()
    case "Bool":
      return new Bool()
    case "Int":
      return integers[`${type.signed ? "Int" : "Uint"}${type.bits}`]!()
    case "Float":
      return type.bits === 16 ? new Float16() : type.bits === 32 ? new Float32() : new Float64()
    case "Utf8":
      return type.large ? new LargeUtf8() : new Utf8()
    case "Binary":
      return type.large ? new LargeBinary() : new Binary()
    case "Date":
      return type.unit === "day" ? new DateDay() : new DateMillisecond()
    case "Timestamp":
      return new Timestamp(units[type.unit], type.zone)
    case "Decimal":
      return new Decimal(type.scale, type.precision, type.bits)
    case "List":
      return type.large ? new LargeList(children[0]!) : new List(children[0]!)
    case "Struct":
      return new Struct(children)
    case "Map":
      return mapOf(children[0]!, type.sorted)
    case "Other":
      throw new Error(`No column has the type ${type.name}.`)
  }
}

/**
 * Creates a map that keeps the names of its parts, which the library would set to key and value.
 */
const mapOf = (entries: Field, sorted: boolean): DataType => {
  const parts = (entries.type as Struct).children
  const names = parts.map(({ name }) => name)
  const map = new Map_(entries as Field<Struct<{ key: DataType; value: DataType }>>, sorted)
  parts.forEach((part, index) => ((part as { name: string }).name = names[index]!))
  return map
}

/**
 * The schema for sending: dictionaries are replaced by their value types. Throws `InvalidArgument`
 * for types that no table column has.
 */
export const travelling = (schema: Schema): Schema => {
  const fields = schema.fields.map((field) => plainField([field.name], field))
  return new Schema(fields)
}

const plainField = (path: ReadonlyArray<string>, field: Field): Field => {
  const type = plainType(path, field.type)
  return type === field.type ? field : new Field(field.name, type, field.nullable, field.metadata)
}

const plainType = (path: ReadonlyArray<string>, type: DataType): DataType => {
  if (DataType.isDictionary(type)) return plainType(path, type.dictionary)
  if (DataType.isStruct(type) || DataType.isList(type) || DataType.isMap(type)) {
    for (const child of type.children) plainField([...path, child.name], child)
    return type
  }
  const travels =
    DataType.isInt(type) ||
    DataType.isFloat(type) ||
    DataType.isBool(type) ||
    DataType.isUtf8(type) ||
    DataType.isLargeUtf8(type) ||
    DataType.isBinary(type) ||
    DataType.isLargeBinary(type) ||
    DataType.isDate(type) ||
    DataType.isTimestamp(type) ||
    DataType.isDecimal(type)
  return travels
    ? type
    : refuse(
        path,
        `has the type ${String(type)}, which no column of a table has`,
        "See docs/arrow.md."
      )
}
