/**
 * JSON whose numbers keep the digits they are written with, where a JavaScript number would lose some: identifiers beyond 2^53 and
 * long decimals.
 */

/** A number as it is written. */
export class ExactNumber {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/** Runs of digits that a JavaScript number may not hold. */
const longNumber = /[0-9][0-9.]{15}/

const keepDigits = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
  if (typeof value !== "number" || context?.source === undefined || !longNumber.test(context.source)) return value
  // An integer beyond 2^53 may have come from other digits, also where these are its own.
  const kept = String(value) === context.source && (Number.isSafeInteger(value) || !Number.isInteger(value))
  return kept ? value : new ExactNumber(context.source)
}

/** Parses JSON; a number that would lose digits becomes an `ExactNumber`. Throws what `JSON.parse` throws. */
export const parse = (text: string): unknown =>
  longNumber.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text)

const withDigits = (_key: string, value: unknown): unknown =>
  value instanceof ExactNumber ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(value.source) : value

/** Writes a parsed value as JSON, every number with its digits. */
export const stringify = (value: unknown): string => JSON.stringify(value, withDigits)
