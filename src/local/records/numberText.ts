/**
 * Numbers of records as JSON text, without losing digits.
 */

/** A FLOAT or DOUBLE. Numbers that JSON lacks are strings. */
export const floatText = (value: number): string =>
  Number.isFinite(value)
    ? Object.is(value, -0)
      ? "-0.0"
      : String(value)
    : JSON.stringify(String(value))

/**
 * A 64-bit integer. Larger numbers than 2^53 are strings, because many JSON readers would lose
 * digits.
 */
export const longText = (value: bigint): string =>
  BigInt.asIntN(54, value) === value ? String(value) : JSON.stringify(String(value))
