/**
 * JSON that keeps the original digits of numbers which JavaScript would write differently:
 * identifiers beyond 2^53, long decimals, `1.50`, `1e2` and `-0.0`.
 */

/** A number with its original text. */
export class ExactNumber {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/**
 * Matches numbers that JavaScript may write differently: many digits, an exponent, trailing zeros
 * of a fraction, a negative zero. Text without a match uses plain `JSON.parse`.
 */
const unusualNumber = /[0-9][0-9.]{15}|[0-9][eE]|\.[0-9]*0(?![0-9])|-0|0\.000000/

const keepDigits = (
  _key: string,
  value: unknown,
  context?: { readonly source?: string }
): unknown => {
  if (typeof value !== "number" || context?.source === undefined) return value
  // An integer beyond 2^53 may have been rounded, even when its text looks the same.
  const kept =
    String(value) === context.source && (Number.isSafeInteger(value) || !Number.isInteger(value))
  return kept ? value : new ExactNumber(context.source)
}

/**
 * Parses JSON. A number that JavaScript would write differently becomes an `ExactNumber`. Throws
 * the errors of `JSON.parse`.
 */
export const parse = (text: string): unknown =>
  unusualNumber.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text)

const withDigits = (_key: string, value: unknown): unknown =>
  value instanceof ExactNumber
    ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(value.source)
    : value

/** Writes a parsed value as JSON with the original digits of its numbers. */
export const stringify = (value: unknown): string => JSON.stringify(value, withDigits)
