/**
 * What a value of a column type must look like, in messages of the local server and the command
 * line. `scalarTypes.ts` holds the words for scalar types.
 */
import type { ColumnType } from "./columnType.ts"
import { isScalar, scalarTypes, sqlName } from "./scalarTypes.ts"

/** Why a record without a value is refused; follows what was expected. */
export const absentHere = "there is no value, and the column is NOT NULL"

/** What a value of the type must look like in a record, for messages. */
export const expectation = (type: ColumnType): string => {
  if (type._tag === "String" && type.textLength !== undefined) {
    const { kind, length } = type.textLength
    return `expected ${kind}(${length}), valid UTF-8 text of at most ${length} characters`
  }
  if (isScalar(type)) return `expected ${sqlName(type._tag)}, ${scalarTypes[type._tag].holds}`
  switch (type._tag) {
    case "Decimal":
      return (
        `expected DECIMAL(${type.precision},${type.scale}), a string such as "12.5" with at most ` +
        `${type.scale} decimals`
      )
    case "Array":
      return "expected ARRAY"
    case "Map":
      return "expected MAP"
    case "Struct":
      return "expected STRUCT"
  }
}

/** What a value of the type must look like in a file of records, for messages. */
export const writtenExpectation = (type: ColumnType): string => {
  if (isScalar(type)) {
    const { holds, written } = scalarTypes[type._tag]
    return `expected ${sqlName(type._tag)}, ${written ?? holds}`
  }
  switch (type._tag) {
    case "Decimal":
      return (
        `expected DECIMAL(${type.precision},${type.scale}), a number with at most ${type.scale} ` +
        `decimals and ` +
        `${type.precision - type.scale} digits before them`
      )
    case "Array":
      return "expected ARRAY, a JSON array"
    case "Map":
      return "expected MAP, a JSON object"
    case "Struct":
      return "expected STRUCT, a JSON object"
  }
}
