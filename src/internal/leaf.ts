/**
 * The scalar values of typed columns: which TypeScript values a column takes, how they are written to protobuf and JSON, and how
 * they are read back.
 *
 * One leaf stands for one column type in one representation, such as TIMESTAMP as `DateTime.Utc`, as `Date` or as microseconds.
 * Values are never quoted in failures; `kindOf` names only what kind of value was seen.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import type { ColumnType } from "./columnType.ts"
import type { PlanScalar } from "./messagePlan.ts"

/** A value as it stands on the wire. 64-bit integers are numbers where they are safe, else bigints. */
export type WireValue = number | bigint | string | boolean | Uint8Array

/** A column type in one TypeScript representation. */
export interface Leaf {
  readonly type: ColumnType
  readonly scalar: PlanScalar
  /** What the column expects, as in "expects TINYINT (an integer from -128 to 127)". */
  readonly expected: string
  /** The value for the wire, or `undefined` when it is refused. Must not throw. */
  readonly toWire: (value: unknown) => WireValue | undefined
  /** The value of a wire value. `undefined` when it lies outside what the type holds. */
  readonly fromWire: (value: WireValue) => unknown
  /** Why a value is refused, in words such as "a number out of range"; `undefined` leaves it to `kindOf`. */
  readonly seen?: (value: unknown) => string | undefined
}

/** The kind of a value in words, never the value. */
export const kindOf = (value: unknown): string => {
  switch (typeof value) {
    case "undefined":
      return "nothing"
    case "object":
      if (value === null) return "null"
      if (Array.isArray(value)) return "an array"
      if (value instanceof Uint8Array) return "bytes"
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? "an invalid Date" : "a Date"
      if (value instanceof Map) return "a Map"
      return DateTime.isDateTime(value) ? "a DateTime" : BigDecimal.isBigDecimal(value) ? "a BigDecimal" : "an object"
    case "number":
      return Number.isNaN(value)
        ? "NaN"
        : !Number.isFinite(value)
          ? "an infinite number"
          : Number.isInteger(value)
            ? "an integer"
            : "a number with a fraction"
    default:
      return `a ${typeof value}`
  }
}

const minInt64 = -(2n ** 63n)
const maxInt64 = 2n ** 63n - 1n
const minSafe = BigInt(Number.MIN_SAFE_INTEGER)
const maxSafe = BigInt(Number.MAX_SAFE_INTEGER)

/** First and last microsecond of the years 1 to 9999, the range of TIMESTAMP, in milliseconds. */
const minMillis = -62_135_596_800_000
const maxMillis = 253_402_300_799_999
const millisPerDay = 86_400_000

const integer = (tag: "TinyInt" | "SmallInt" | "Int", name: string, min: number, max: number): Leaf => ({
  type: { _tag: tag },
  scalar: "int32",
  expected: `${name} (an integer from ${min} to ${max})`,
  toWire: (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max ? value : undefined,
  fromWire: (value) => (typeof value === "number" && value >= min && value <= max ? value : undefined),
  seen: (value) => (typeof value === "number" && Number.isInteger(value) ? "an integer out of range" : undefined)
})

const bigInt: Leaf = {
  type: { _tag: "BigInt" },
  scalar: "int64",
  expected: "BIGINT (a bigint of 64 bits)",
  toWire: (value) => (typeof value === "bigint" && value >= minInt64 && value <= maxInt64 ? value : undefined),
  fromWire: (value) => (typeof value === "number" ? BigInt(value) : value),
  seen: (value) => (typeof value === "bigint" ? "a bigint out of range" : undefined)
}

const bigIntAsNumber: Leaf = {
  type: { _tag: "BigInt" },
  scalar: "int64",
  expected: "BIGINT (a safe integer)",
  toWire: (value) => (Number.isSafeInteger(value) ? (value as number) : undefined),
  fromWire: (value) => safeNumber(value),
  seen: (value) => (typeof value === "number" && Number.isInteger(value) ? "an integer out of range" : undefined)
}

const safeNumber = (value: WireValue): number | undefined => {
  if (typeof value === "number") return value
  return typeof value === "bigint" && value >= minSafe && value <= maxSafe ? Number(value) : undefined
}

const float: Leaf = {
  type: { _tag: "Float" },
  scalar: "float",
  expected: "FLOAT (a number)",
  // A finite number beyond the range of 32 bits would silently become infinite.
  toWire: (value) =>
    typeof value === "number" && (!Number.isFinite(value) || Number.isFinite(Math.fround(value))) ? value : undefined,
  fromWire: (value) => value,
  seen: (value) => (typeof value === "number" ? "a number out of range" : undefined)
}

const double: Leaf = {
  type: { _tag: "Double" },
  scalar: "double",
  expected: "DOUBLE (a number)",
  toWire: (value) => (typeof value === "number" ? value : undefined),
  fromWire: (value) => value
}

const boolean: Leaf = {
  type: { _tag: "Boolean" },
  scalar: "bool",
  expected: "BOOLEAN (true or false)",
  toWire: (value) => (typeof value === "boolean" ? value : undefined),
  fromWire: (value) => value
}

const string: Leaf = {
  type: { _tag: "String" },
  scalar: "string",
  expected: "STRING (well-formed text)",
  toWire: (value) => (typeof value === "string" && value.isWellFormed() ? value : undefined),
  fromWire: (value) => value,
  seen: (value) => (typeof value === "string" ? "text with a lone surrogate" : undefined)
}

const binary: Leaf = {
  type: { _tag: "Binary" },
  scalar: "bytes",
  expected: "BINARY (a Uint8Array)",
  toWire: (value) => (value instanceof Uint8Array ? value : undefined),
  fromWire: (value) => (value instanceof Uint8Array ? new Uint8Array(value) : undefined)
}

const dateRange = "from year 1 to 9999"
const timeSeen = (value: unknown): string | undefined => {
  const kind = kindOf(value)
  return kind === "a Date" || kind === "a DateTime" ? "a time out of range" : undefined
}

const inRange = (millis: number): boolean => millis >= minMillis && millis <= maxMillis

const microsOfMillis = (millis: number): number | bigint | undefined => {
  if (!inRange(millis)) return undefined
  // Beyond the year 2255 microseconds are no safe integers any more.
  const micros = Math.round(millis * 1000)
  return Number.isSafeInteger(micros) ? micros : BigInt(Math.round(millis)) * 1000n
}

const millisOfMicros = (value: WireValue): number | undefined => {
  if (typeof value !== "number" && typeof value !== "bigint") return undefined
  const millis =
    typeof value === "number" ? Math.floor(value / 1000) : Number(value / 1000n - (value % 1000n < 0n ? 1n : 0n))
  return inRange(millis) ? millis : undefined
}

type TimeTag = "Timestamp" | "TimestampNtz"

const timeName = (tag: TimeTag): string => (tag === "Timestamp" ? "TIMESTAMP" : "TIMESTAMP_NTZ")

const timestamp = (tag: TimeTag): Leaf => ({
  type: { _tag: tag },
  scalar: "int64",
  expected: `${timeName(tag)} (a DateTime ${dateRange})`,
  toWire: (value) => (DateTime.isDateTime(value) ? microsOfMillis(value.epochMilliseconds) : undefined),
  fromWire: (value) => {
    const millis = millisOfMicros(value)
    return millis === undefined ? undefined : DateTime.makeUnsafe(millis)
  },
  seen: timeSeen
})

const timestampAsDate = (tag: TimeTag): Leaf => ({
  type: { _tag: tag },
  scalar: "int64",
  expected: `${timeName(tag)} (a valid Date ${dateRange})`,
  toWire: (value) => (value instanceof Date ? microsOfMillis(value.getTime()) : undefined),
  fromWire: (value) => {
    const millis = millisOfMicros(value)
    return millis === undefined ? undefined : new Date(millis)
  },
  seen: timeSeen
})

const timestampAsMicros = (tag: TimeTag): Leaf => ({
  type: { _tag: tag },
  scalar: "int64",
  expected: `${timeName(tag)} (microseconds since 1970 as a bigint, ${dateRange})`,
  toWire: (value) => (typeof value === "bigint" && value >= minMicros && value <= maxMicros ? value : undefined),
  fromWire: (value) => (typeof value === "number" ? BigInt(value) : value),
  seen: (value) => (typeof value === "bigint" ? "a bigint out of range" : undefined)
})

const minMicros = BigInt(minMillis) * 1000n
const maxMicros = BigInt(maxMillis) * 1000n + 999n

const daysOfMillis = (millis: number): number | undefined =>
  inRange(millis) && Number.isInteger(millis / millisPerDay) ? millis / millisPerDay : undefined

const dateSeen = (value: unknown): string | undefined =>
  DateTime.isDateTime(value)
    ? inRange(value.epochMilliseconds)
      ? "a DateTime with a time of day"
      : "a time out of range"
    : undefined

const date: Leaf = {
  type: { _tag: "Date" },
  scalar: "int32",
  expected: `DATE (a DateTime at midnight UTC, ${dateRange})`,
  toWire: (value) => (DateTime.isDateTime(value) ? daysOfMillis(value.epochMilliseconds) : undefined),
  fromWire: (value) => {
    const days = Number(value)
    return inRange(days * millisPerDay) ? DateTime.makeUnsafe(days * millisPerDay) : undefined
  },
  seen: dateSeen
}

const dateAsString: Leaf = {
  type: { _tag: "Date" },
  scalar: "int32",
  expected: `DATE (a text such as "2026-01-31", ${dateRange})`,
  toWire: (value) => {
    if (typeof value !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(value) || value.startsWith("0000")) return undefined
    const millis = Date.parse(`${value}T00:00:00Z`)
    // Date.parse takes February 30 for March 2, so the day is written out again and compared.
    return !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(value) ? daysOfMillis(millis) : undefined
  },
  fromWire: (value) => {
    const millis = Number(value) * millisPerDay
    return inRange(millis) ? new Date(millis).toISOString().slice(0, 10) : undefined
  },
  seen: (value) => (typeof value === "string" ? "a text that is no date" : undefined)
}

// --- decimals

/** Whether digits fit DECIMAL(p,s): at most p-s in front of the point and, without trailing zeros, at most s behind it. */
const decimalFits = (whole: string, fraction: string, precision: number, scale: number): boolean => {
  const front = whole.replace(/^0+/, "").length
  return front <= precision - scale && fraction.replace(/0+$/, "").length <= scale
}

const decimalText = (
  value: BigDecimal.BigDecimal
): { readonly text: string; readonly whole: string; readonly fraction: string } | undefined => {
  const negative = value.value < 0n
  // A scale far outside what any DECIMAL holds would only make a long text.
  if (value.scale < -100 || value.scale > 10_000) return undefined
  const digits = (negative ? -value.value : value.value).toString() + (value.scale < 0 ? "0".repeat(-value.scale) : "")
  const scale = Math.max(value.scale, 0)
  const padded = digits.padStart(scale + 1, "0")
  const whole = padded.slice(0, padded.length - scale)
  const fraction = padded.slice(padded.length - scale).replace(/0+$/, "")
  return { text: `${negative ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`, whole, fraction }
}

const decimalName = (precision: number, scale: number): string => `DECIMAL(${precision},${scale})`

/** DECIMAL(p,s) as `BigDecimal`. Digits beyond the scale are refused unless they are zeros. */
export const decimal = (precision: number, scale: number): Leaf => ({
  type: { _tag: "Decimal", precision, scale },
  scalar: "string",
  expected: `${decimalName(precision, scale)} (a BigDecimal with at most ${precision - scale} digits before and ${scale} after the point)`,
  toWire: (value) => {
    if (!BigDecimal.isBigDecimal(value)) return undefined
    const digits = decimalText(value)
    return digits !== undefined && decimalFits(digits.whole, digits.fraction, precision, scale)
      ? digits.text
      : undefined
  },
  fromWire: (value) => {
    if (typeof value !== "string" || !decimalPattern.test(value)) return undefined
    const text = value.startsWith("+") ? value.slice(1) : value
    const point = text.indexOf(".")
    return point < 0
      ? BigDecimal.make(BigInt(text), 0)
      : BigDecimal.make(BigInt(text.slice(0, point) + text.slice(point + 1)), text.length - point - 1)
  },
  seen: (value) => (BigDecimal.isBigDecimal(value) ? "a BigDecimal with too many digits" : undefined)
})

const decimalPattern = /^[+-]?\d{1,400}(?:\.\d{1,400})?$/

/** DECIMAL(p,s) as text such as `"123.45"`. Exponents are refused. */
export const decimalAsString = (precision: number, scale: number): Leaf => ({
  type: { _tag: "Decimal", precision, scale },
  scalar: "string",
  expected: `${decimalName(precision, scale)} (a text such as "1.5" with at most ${precision - scale} digits before and ${scale} after the point)`,
  toWire: (value) => {
    if (typeof value !== "string" || !decimalPattern.test(value)) return undefined
    const text = value.startsWith("+") ? value.slice(1) : value
    const [whole = "", fraction = ""] = text.replace("-", "").split(".")
    return decimalFits(whole, fraction, precision, scale) ? text : undefined
  },
  fromWire: (value) => value,
  seen: (value) => (typeof value === "string" ? "a text that is no such number" : undefined)
})

// --- variant

const maxVariantDepth = 500

const isJson = (value: unknown, depth: number): boolean => {
  switch (typeof value) {
    case "string":
      return value.isWellFormed()
    case "boolean":
      return true
    case "number":
      return Number.isFinite(value)
    case "object": {
      if (value === null) return true
      if (depth > maxVariantDepth) return false
      if (Array.isArray(value)) return value.every((item) => isJson(item, depth + 1))
      const prototype: unknown = Object.getPrototypeOf(value)
      if (prototype !== Object.prototype && prototype !== null) return false
      for (const [key, item] of Object.entries(value)) if (!key.isWellFormed() || !isJson(item, depth + 1)) return false
      return true
    }
    default:
      return false
  }
}

/** Whether a value can be a VARIANT: null, booleans, finite numbers, well-formed text, and arrays and plain objects of them, at most 500 deep. */
export const isVariant = (value: unknown): boolean => isJson(value, 0)

const variant: Leaf = {
  type: { _tag: "Variant" },
  scalar: "string",
  expected: "VARIANT (a JSON value)",
  toWire: (value) => (isVariant(value) ? JSON.stringify(value) : undefined),
  fromWire: (value) => {
    try {
      return JSON.parse(String(value))
    } catch {
      return undefined
    }
  },
  seen: (value) => (typeof value === "object" ? "a value that JSON cannot hold" : undefined)
}

/** Every leaf without parameters, by the name of its constructor in `Column`. */
export const leaves = {
  Boolean: boolean,
  TinyInt: integer("TinyInt", "TINYINT", -128, 127),
  SmallInt: integer("SmallInt", "SMALLINT", -32_768, 32_767),
  Int: integer("Int", "INT", -2_147_483_648, 2_147_483_647),
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
