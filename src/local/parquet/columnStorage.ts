/**
 * How the values of each column type are stored in Parquet: the physical type, its width, and the
 * annotation that tells readers the type.
 */
import type { SimpleType } from "../../internal/columns/columnType.ts"
import type { PhysicalType } from "./columnBuffer.ts"
import type { SchemaElement } from "./parquetLibrary.ts"

/** Bytes needed for the two's complement of a decimal of this precision. */
const decimalWidth = (precision: number): number => {
  let width = 1
  while (2n ** BigInt(8 * width - 1) - 1n < 10n ** BigInt(precision) - 1n) width++
  return width
}

/** The storage of a primitive column, and the annotation that tells readers its type. */
export interface Storage {
  readonly physical: PhysicalType
  readonly width: number
  readonly annotation: Partial<SchemaElement>
}

const storage = (
  physical: PhysicalType,
  width: number,
  annotation: Partial<SchemaElement> = {}
): Storage => ({
  physical,
  width,
  annotation
})

const decimalStorage = (precision: number, scale: number): Storage => {
  const annotation: Partial<SchemaElement> = {
    converted_type: "DECIMAL",
    precision,
    scale,
    logical_type: { type: "DECIMAL", precision, scale }
  }
  if (precision <= 9) return storage("INT32", 4, annotation)
  if (precision <= 18) return storage("INT64", 8, annotation)
  return storage("FIXED", decimalWidth(precision), annotation)
}

/**
 * The storage of a type. 8 and 16 bit integers use the converted type only, because the writer
 * library encodes their logical type wrongly. A VARIANT has two byte array columns without
 * annotations.
 */
export const storageOf = (type: SimpleType): Storage => {
  switch (type._tag) {
    case "Boolean":
      return storage("BOOLEAN", 1)
    case "TinyInt":
      return storage("INT32", 4, { converted_type: "INT_8" })
    case "SmallInt":
      return storage("INT32", 4, { converted_type: "INT_16" })
    case "Int":
      return storage("INT32", 4)
    case "BigInt":
      return storage("INT64", 8)
    case "Float":
      return storage("FLOAT", 4)
    case "Double":
      return storage("DOUBLE", 8)
    case "String":
      return storage("BYTE_ARRAY", 0, { converted_type: "UTF8", logical_type: { type: "STRING" } })
    case "Binary":
    case "Variant":
      return storage("BYTE_ARRAY", 0)
    case "Date":
      return storage("INT32", 4, { converted_type: "DATE", logical_type: { type: "DATE" } })
    case "Timestamp":
      return storage("INT64", 8, {
        converted_type: "TIMESTAMP_MICROS",
        logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" }
      })
    case "TimestampNtz":
      return storage("INT64", 8, {
        logical_type: { type: "TIMESTAMP", isAdjustedToUTC: false, unit: "MICROS" }
      })
    case "Decimal":
      return decimalStorage(type.precision, type.scale)
  }
}
