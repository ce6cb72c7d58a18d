/**
 * The number that a FLOAT stands for in text.
 */

/**
 * The number with the fewest digits whose nearest FLOAT is the value: 0.1 for the FLOAT
 * 0.10000000149011612. Nine digits are always enough.
 */
export const shortFloat = (value: number): number => {
  if (!Number.isFinite(value) || Number.isSafeInteger(value)) return value
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return Number(value.toPrecision(9))
}
