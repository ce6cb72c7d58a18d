/**
 * JSON whose numbers keep the digits they are written with, where JavaScript would write others:
 * identifiers beyond 2^53, long decimals, `1.50`, `1e2` and `-0.0`.
 */

/** A number as it is written. */
export class ExactNumber {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/**
 * Numbers that JavaScript may write otherwise than they stand: many digits, an exponent, zeros at
 * the end of a fraction, a negative zero. Text that holds none goes the fast way.
 */
const unusualNumber = /[0-9][0-9.]{15}|[0-9][eE]|\.[0-9]*0(?![0-9])|-0|0\.000000/

const keepDigits = (
  _key: string,
  value: unknown,
  context?: { readonly source?: string }
): unknown => {
  if (typeof value !== "number" || context?.source === undefined) return value
  // An integer beyond 2^53 may have come from other digits, also where these are its own.
  const kept =
    String(value) === context.source && (Number.isSafeInteger(value) || !Number.isInteger(value))
  return kept ? value : new ExactNumber(context.source)
}

/**
 * Parses JSON; a number that is written otherwise than JavaScript does becomes an `ExactNumber`.
 * Throws what `JSON.parse` throws.
 */
export const parse = (text: string): unknown =>
  unusualNumber.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text)

const withDigits = (_key: string, value: unknown): unknown =>
  value instanceof ExactNumber
    ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(value.source)
    : value

/** Writes a parsed value as JSON, every number with its digits. */
export const stringify = (value: unknown): string => JSON.stringify(value, withDigits)
