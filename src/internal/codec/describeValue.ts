/**
 * Names the kind of a value in words, for messages that refuse it. The value itself is never
 * quoted.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { isBytes } from "../protobuf/bytes.ts"

/**
 * Words by the tag of `Object.prototype.toString`, which is the same for objects of every realm.
 */
const wordsByTag: ReadonlyMap<string, string> = new Map([
  ...["Map", "Set", "WeakMap", "WeakSet", "WeakRef", "RegExp", "Date"].map(
    (tag) => [tag, `a ${tag}`] as const
  ),
  ["Error", "an Error"],
  ["ArrayBuffer", "binary data"],
  ["SharedArrayBuffer", "binary data"]
])

const describeObject = (value: object): string => {
  if (Array.isArray(value)) return "an array"
  if (typeof (value as { readonly then?: unknown }).then === "function") return "a promise"
  if (ArrayBuffer.isView(value)) return isBytes(value) ? "bytes" : "binary data"
  if (value instanceof Date && Number.isNaN(value.getTime())) return "an invalid Date"
  const words = wordsByTag.get(Object.prototype.toString.call(value).slice(8, -1))
  if (words !== undefined) return words
  if (DateTime.isDateTime(value)) return "a DateTime"
  if (BigDecimal.isBigDecimal(value)) return "a BigDecimal"
  // Effect's errors are Effects too. They are named above, as errors.
  return Effect.isEffect(value) ? "an Effect" : "an object"
}

const describeNumber = (value: number): string => {
  if (Number.isNaN(value)) return "NaN"
  if (!Number.isFinite(value)) return "an infinite number"
  return Number.isInteger(value) ? "an integer" : "a number with a fraction"
}

/**
 * The kind of any value in words, such as "an integer", "a Map" or "an invalid Date". Never throws,
 * even for objects whose getters or proxy traps throw: these are "an object".
 */
export const describeValue = (value: unknown): string => {
  if (value === null || value === undefined) return String(value)
  if (typeof value === "number") return describeNumber(value)
  if (typeof value !== "object") return `a ${typeof value}`
  try {
    return describeObject(value)
  } catch {
    return "an object"
  }
}
