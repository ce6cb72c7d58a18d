/**
 * DECIMAL as leaves: `BigDecimal` or text in the program, text on the wire. Values are never
 * rounded.
 */
import * as BigDecimal from "effect/BigDecimal"
import type { Leaf } from "./scalar.ts"

/**
 * Whether digits fit DECIMAL(p,s): at most p-s before the point and, without trailing zeros, at
 * most s after it.
 */
const decimalFits = (
  whole: string,
  fraction: string,
  precision: number,
  scale: number
): boolean => {
  const front = whole.replace(/^0+/, "").length
  return front <= precision - scale && fraction.replace(/0+$/, "").length <= scale
}

const decimalText = (
  value: BigDecimal.BigDecimal
): { readonly text: string; readonly whole: string; readonly fraction: string } | undefined => {
  const negative = value.value < 0n
  // A scale far beyond any DECIMAL would only produce a long text.
  if (value.scale < -100 || value.scale > 10_000) return undefined
  const digits =
    (negative ? -value.value : value.value).toString() +
    (value.scale < 0 ? "0".repeat(-value.scale) : "")
  const scale = Math.max(value.scale, 0)
  const padded = digits.padStart(scale + 1, "0")
  const whole = padded.slice(0, padded.length - scale)
  const fraction = padded.slice(padded.length - scale).replace(/0+$/, "")
  return {
    text: `${negative ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`,
    whole,
    fraction
  }
}

const decimalName = (precision: number, scale: number): string => `DECIMAL(${precision},${scale})`

/** DECIMAL(p,s) as `BigDecimal`. Digits beyond the scale are refused unless they are zeros. */
export const decimal = (precision: number, scale: number): Leaf => ({
  type: { _tag: "Decimal", precision, scale },
  scalar: "string",
  expected:
    `${decimalName(precision, scale)} (a BigDecimal with at most ${precision - scale} ` +
    `digits before and ${scale} after the point)`,
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
      : BigDecimal.make(
          BigInt(text.slice(0, point) + text.slice(point + 1)),
          text.length - point - 1
        )
  },
  seen: (value) =>
    BigDecimal.isBigDecimal(value) ? "a BigDecimal with too many digits" : undefined
})

const decimalPattern = /^[+-]?\d{1,400}(?:\.\d{1,400})?$/

/** DECIMAL(p,s) as text such as `"123.45"`. Exponents are refused. */
export const decimalAsString = (precision: number, scale: number): Leaf => ({
  type: { _tag: "Decimal", precision, scale },
  scalar: "string",
  expected:
    `${decimalName(precision, scale)} (a text such as "1.5" with at most ` +
    `${precision - scale} digits before and ${scale} after the point)`,
  toWire: (value) => {
    if (typeof value !== "string" || !decimalPattern.test(value)) return undefined
    const text = value.startsWith("+") ? value.slice(1) : value
    const [whole = "", fraction = ""] = text.replace("-", "").split(".")
    return decimalFits(whole, fraction, precision, scale) ? text : undefined
  },
  fromWire: (value) => value,
  seen: (value) => (typeof value === "string" ? "a text that is not such a number" : undefined)
})
