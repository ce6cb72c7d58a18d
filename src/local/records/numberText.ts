/**
 * Numbers of records as JSON text that loses no digit.
 */

/** A FLOAT or DOUBLE; numbers that JSON does not have are texts. */
export const floatText = (value: number): string =>
  Number.isFinite(value)
    ? Object.is(value, -0)
      ? "-0.0"
      : String(value)
    : JSON.stringify(String(value))

/** A 64-bit integer. Many readers of JSON lose digits beyond 2^53, so such numbers are texts. */
export const longText = (value: bigint): string =>
  BigInt.asIntN(54, value) === value ? String(value) : JSON.stringify(String(value))
