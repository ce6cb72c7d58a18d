/**
 * The scalar values of typed columns: which TypeScript values a column takes, their wire form, and
 * how they are read back.
 *
 * This file contains booleans, numbers, text and bytes, and the table of all leaves. Times,
 * decimals and VARIANT are in separate modules. Failures never quote values.
 */
import { integerRange, numberRange, scalarTypes, sqlName } from "../columns/scalarTypes.ts"
import { isBytes } from "../protobuf/bytes.ts"
import type { Leaf, WireValue } from "./scalar.ts"
import { date, dateAsString, timestamp, timestampAsDate, timestampAsMicros } from "./timeLeaf.ts"
import { variant } from "./variantLeaf.ts"

export { decimal, decimalAsString } from "./decimalLeaf.ts"
export type { Leaf, WireValue } from "./scalar.ts"

const [minInt64, maxInt64] = integerRange("BigInt")
const minSafe = BigInt(Number.MIN_SAFE_INTEGER)
const maxSafe = BigInt(Number.MAX_SAFE_INTEGER)

const integer = (tag: "TinyInt" | "SmallInt" | "Int"): Leaf => {
  const [min, max] = numberRange(tag)
  return {
    type: { _tag: tag },
    scalar: scalarTypes[tag].wire,
    expected: `${sqlName(tag)} (${scalarTypes[tag].holds})`,
    toWire: (value) =>
      typeof value === "number" && Number.isInteger(value) && value >= min && value <= max
        ? value
        : undefined,
    fromWire: (value) =>
      typeof value === "number" && value >= min && value <= max ? value : undefined,
    seen: (value) =>
      typeof value === "number" && Number.isInteger(value) ? "an integer out of range" : undefined
  }
}

const bigInt: Leaf = {
  type: { _tag: "BigInt" },
  scalar: scalarTypes.BigInt.wire,
  expected: "BIGINT (a bigint of 64 bits)",
  toWire: (value) =>
    typeof value === "bigint" && value >= minInt64 && value <= maxInt64 ? value : undefined,
  fromWire: (value) => (typeof value === "number" ? BigInt(value) : value),
  seen: (value) => (typeof value === "bigint" ? "a bigint out of range" : undefined)
}

const bigIntAsNumber: Leaf = {
  type: { _tag: "BigInt" },
  scalar: scalarTypes.BigInt.wire,
  expected: "BIGINT (a safe integer)",
  toWire: (value) => (Number.isSafeInteger(value) ? (value as number) : undefined),
  fromWire: (value) => safeNumber(value),
  seen: (value) =>
    typeof value === "number" && Number.isInteger(value) ? "an integer out of range" : undefined
}

const safeNumber = (value: WireValue): number | undefined => {
  if (typeof value === "number") return value
  return typeof value === "bigint" && value >= minSafe && value <= maxSafe
    ? Number(value)
    : undefined
}

const float: Leaf = {
  type: { _tag: "Float" },
  scalar: scalarTypes.Float.wire,
  expected: "FLOAT (a number)",
  // A finite number beyond the range of 32 bits would silently become infinite.
  toWire: (value) =>
    typeof value === "number" && (!Number.isFinite(value) || Number.isFinite(Math.fround(value)))
      ? value
      : undefined,
  fromWire: (value) => value,
  seen: (value) => (typeof value === "number" ? "a number out of range" : undefined)
}

const double: Leaf = {
  type: { _tag: "Double" },
  scalar: scalarTypes.Double.wire,
  expected: "DOUBLE (a number)",
  toWire: (value) => (typeof value === "number" ? value : undefined),
  fromWire: (value) => value
}

const boolean: Leaf = {
  type: { _tag: "Boolean" },
  scalar: scalarTypes.Boolean.wire,
  expected: "BOOLEAN (true or false)",
  toWire: (value) => (typeof value === "boolean" ? value : undefined),
  fromWire: (value) => value
}

const string: Leaf = {
  type: { _tag: "String" },
  scalar: scalarTypes.String.wire,
  expected: "STRING (well-formed text)",
  toWire: (value) => (typeof value === "string" && value.isWellFormed() ? value : undefined),
  fromWire: (value) => value,
  seen: (value) => (typeof value === "string" ? "text with a lone surrogate" : undefined)
}

const binary: Leaf = {
  type: { _tag: "Binary" },
  scalar: scalarTypes.Binary.wire,
  expected: "BINARY (a Uint8Array)",
  toWire: (value) => (isBytes(value) ? value : undefined),
  fromWire: (value) => (isBytes(value) ? new Uint8Array(value) : undefined)
}

/** Every leaf without parameters, by the name of its constructor in `Column`. */
export const leaves = {
  Boolean: boolean,
  TinyInt: integer("TinyInt"),
  SmallInt: integer("SmallInt"),
  Int: integer("Int"),
  BigInt: bigInt,
  BigIntAsNumber: bigIntAsNumber,
  Float: float,
  Double: double,
  String: string,
  Binary: binary,
  Date: date,
  DateAsString: dateAsString,
  Timestamp: timestamp("Timestamp"),
  TimestampAsDate: timestampAsDate("Timestamp"),
  TimestampAsMicros: timestampAsMicros("Timestamp"),
  TimestampNtz: timestamp("TimestampNtz"),
  TimestampNtzAsDate: timestampAsDate("TimestampNtz"),
  TimestampNtzAsMicros: timestampAsMicros("TimestampNtz"),
  Variant: variant
} as const satisfies Readonly<Record<string, Leaf>>
