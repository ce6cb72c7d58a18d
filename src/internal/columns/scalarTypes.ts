/**
 * Facts of the column types that more than one reader of values checks: ranges, and the sentence that a refusal prints.
 */
import type { ColumnType } from "./columnType.ts"

/** The range of the integer types, inclusive. Dates and timestamps are held to the years 1 to 9999, which all readers share. */
export const integerRange = (type: ColumnType): readonly [bigint, bigint] => {
  switch (type._tag) {
    case "TinyInt":
      return [-128n, 127n]
    case "SmallInt":
      return [-32768n, 32767n]
    case "Int":
      return [-2147483648n, 2147483647n]
    case "Date":
      return [-719162n, 2932896n]
    case "Timestamp":
    case "TimestampNtz":
      return [-62135596800000000n, 253402300799999999n]
    default:
      return [-(2n ** 63n), 2n ** 63n - 1n]
  }
}

/** The JSON form of a 64-bit integer: a number where it is safe, else text. */
export const integerJson = (value: bigint): number | string => {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value.toString()
}

/** What a value of this type must look like, for messages. */
export const expectation = (type: ColumnType): string => {
  switch (type._tag) {
    case "Boolean":
      return "expected BOOLEAN, true or false"
    case "TinyInt":
      return "expected TINYINT, an integer from -128 to 127"
    case "SmallInt":
      return "expected SMALLINT, an integer from -32768 to 32767"
    case "Int":
      return "expected INT, an integer from -2147483648 to 2147483647"
    case "BigInt":
      return "expected BIGINT, a 64-bit integer (as a string when beyond 2^53)"
    case "Float":
      return "expected FLOAT, a number"
    case "Double":
      return "expected DOUBLE, a number"
    case "String":
      return "expected STRING, valid UTF-8 text"
    case "Binary":
      return "expected BINARY, bytes (base64 text in JSON)"
    case "Date":
      return "expected DATE, days since 1970-01-01 as an integer, years 1 to 9999"
    case "Timestamp":
      return "expected TIMESTAMP, microseconds since 1970-01-01 UTC as an integer, years 1 to 9999"
    case "TimestampNtz":
      return "expected TIMESTAMP_NTZ, wall-clock microseconds since 1970-01-01 as an integer, years 1 to 9999"
    case "Decimal":
      return `expected DECIMAL(${type.precision},${type.scale}), a string such as "12.5" with at most ${type.scale} decimals`
    case "Variant":
      return "expected VARIANT, a string that holds JSON"
    case "Array":
      return "expected ARRAY"
    case "Map":
      return "expected MAP"
    case "Struct":
      return "expected STRUCT"
  }
}
