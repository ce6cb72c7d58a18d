/**
 * The model of scalar values of typed columns. One leaf stands for one column type in one TypeScript representation, such as TIMESTAMP
 * as `DateTime.Utc`, as `Date` or as microseconds; the leaves themselves are in `leaf.ts` and the modules it gathers.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import type { ColumnType } from "../columns/columnType.ts"
import type { PlanScalar } from "../protobuf/messagePlan.ts"

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
