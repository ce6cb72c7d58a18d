/**
 * Reads single JSON values from their bytes directly into a leaf, in the usual forms: texts without
 * escapes, safe integers, numbers, booleans. The caller handles all other values, including invalid
 * ones, with `jsonValues.ts`.
 */
import { isUtf8 } from "node:buffer"
import { addDecimal } from "./decimalText.ts"
import { double, readDouble } from "./doubleText.ts"
import type { SimpleType } from "../../internal/columns/columnType.ts"
import { integerRange, numberRange } from "../../internal/columns/scalarTypes.ts"
import type { Leaf } from "../parquet/columnBuffer.ts"

/**
 * Reads a value that starts at `at`, appends it, and returns the position after it. A negative
 * result leaves the value to the caller, with nothing appended.
 */
export type ReadJson = (bytes: Uint8Array, at: number, end: number, repetition: number) => number

const doubles = new Float64Array(1)
const doubleWords = new Int32Array(doubles.buffer)
const floats = new Float32Array(1)
const floatWords = new Int32Array(floats.buffer)

const quote = 0x22
/**
 * 1 for the bytes that end a text or need special handling: quotes, backslashes, control
 * characters.
 */
const special = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === quote || byte === 0x5c ? 1 : 0
)

/** If more bytes of a record remain, a text is measured before memory is reserved for it. */
const longRecord = 64 * 1024

/**
 * Whether the rest of the record is known to be UTF-8. The first text that is not ASCII triggers
 * the check.
 */
let isChecked = false

/** Marks the start of a new record. */
export const beginRecord = (): void => {
  isChecked = false
}

/** Whether the non-ASCII text at `at`, and the record after it, are UTF-8. */
const isText = (bytes: Uint8Array, at: number, end: number): boolean =>
  isChecked || (isChecked = isUtf8(bytes.subarray(at, end)))

/**
 * The position of the closing quote of a text without escapes that starts at `start`, after the
 * opening quote; -1 when the text has escapes, control characters or invalid UTF-8.
 */
export const textEnd = (bytes: Uint8Array, start: number, end: number): number => {
  let at = start
  let all = 0
  let byte = 0
  while (at < end && special[(byte = bytes[at]!)] === 0) {
    all |= byte
    at++
  }
  if (at >= end || byte !== quote) return -1
  return all < 0x80 || isText(bytes, start, end) ? at : -1
}

/** The last integer that `readInteger` read. */
let integer = 0

/**
 * Reads a safe integer of up to 16 digits without fraction or exponent; returns -1 for anything
 * else.
 */
const readInteger = (bytes: Uint8Array, start: number, end: number): number => {
  let at = start
  const negative = bytes[at] === 0x2d
  if (negative) at++
  const first = at
  let value = 0
  let byte = 0
  while (at < end && (byte = bytes[at]!) >= 48 && byte <= 57) {
    value = value * 10 + (byte - 48)
    at++
  }
  const digits = at - first
  if (
    digits === 0 ||
    digits > 16 ||
    value > Number.MAX_SAFE_INTEGER ||
    (digits > 1 && bytes[first] === 48)
  )
    return -1
  if (at < end && (byte === 0x2e || (byte | 0x20) === 0x65)) return -1
  integer = negative ? -value : value
  return at
}

/**
 * Appends the text that starts at `start`, after the opening quote, and returns the position after
 * the closing quote. Appends nothing and returns -1 in the cases of `textEnd`.
 */
const addText = (
  leaf: Leaf,
  bytes: Uint8Array,
  start: number,
  end: number,
  repetition: number
): number => {
  if (end - start > longRecord) {
    const stop = textEnd(bytes, start, end)
    if (stop < 0) return -1
    leaf.addBytes(repetition, bytes, start, stop)
    return stop + 1
  }
  const found = leaf.addUntil(repetition, bytes, start, end, special)
  const at = Math.abs(found)
  if (at === end) return -1
  if (bytes[at] === quote && (found >= 0 || isText(bytes, start, end))) return at + 1
  leaf.removeLast()
  return -1
}

/** The reader of a type; undefined for types that have none here. */
export const jsonScalar = (type: SimpleType, leaf: Leaf): ReadJson | undefined => {
  switch (type._tag) {
    case "Boolean":
      return (bytes, at, end, repetition) => {
        if (bytes[at] === 0x74) {
          if (
            at + 4 > end ||
            bytes[at + 1] !== 0x72 ||
            bytes[at + 2] !== 0x75 ||
            bytes[at + 3] !== 0x65
          )
            return -1
          leaf.addBoolean(repetition, true)
          return at + 4
        }
        if (at + 5 > end || bytes[at] !== 0x66 || bytes[at + 1] !== 0x61 || bytes[at + 2] !== 0x6c)
          return -1
        if (bytes[at + 3] !== 0x73 || bytes[at + 4] !== 0x65) return -1
        leaf.addBoolean(repetition, false)
        return at + 5
      }
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "Date": {
      const [min, max] = numberRange(type._tag)
      return (bytes, at, end, repetition) => {
        const next = readInteger(bytes, at, end)
        if (next < 0 || integer < min || integer > max) return -1
        leaf.addWord(repetition, integer)
        return next
      }
    }
    case "BigInt":
    case "Timestamp":
    case "TimestampNtz": {
      const [min] = integerRange(type._tag)
      const least = Number(min)
      return (bytes, at, end, repetition) => {
        const next = readInteger(bytes, at, end)
        if (next < 0 || integer < least) return -1
        leaf.addWords(repetition, integer | 0, Math.floor(integer / 4_294_967_296))
        return next
      }
    }
    case "Float":
      return (bytes, at, end, repetition) => {
        const next = readDouble(bytes, at, end)
        if (next < 0) return -1
        floats[0] = double
        if (!Number.isFinite(floats[0])) return -1
        leaf.addWord(repetition, floatWords[0]!)
        return next
      }
    case "Double":
      return (bytes, at, end, repetition) => {
        const next = readDouble(bytes, at, end)
        if (next < 0 || !Number.isFinite(double)) return -1
        doubles[0] = double
        leaf.addWords(repetition, doubleWords[0]!, doubleWords[1]!)
        return next
      }
    case "Decimal": {
      const { precision, scale } = type
      return (bytes, at, end, repetition) => {
        if (bytes[at] !== quote) return -1
        const stop = textEnd(bytes, at + 1, end)
        if (stop < 0 || stop - at > 100) return -1
        return addDecimal(leaf, repetition, precision, scale, bytes, at + 1, stop) ? stop + 1 : -1
      }
    }
    case "String":
      // The length of a VARCHAR is counted in characters.
      if (type.textLength !== undefined) return undefined
      return (bytes, at, end, repetition) => {
        if (bytes[at] !== quote) return -1
        return addText(leaf, bytes, at + 1, end, repetition)
      }
    case "Binary":
    case "Variant":
      return undefined
  }
}
