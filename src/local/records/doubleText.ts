/**
 * Reads numbers of JSON text as doubles, directly from their bytes without creating a string.
 *
 * Up to 15 digits and a power of ten up to 10^22 are exact doubles, so one division rounds
 * correctly. Up to 19 digits are held exactly in two doubles and divided with a remainder. The
 * result is used only if an error of the remainder could not round it to another double. All other
 * texts are parsed with `Number`.
 */

/** The number of the last text that `readDouble` read. */
export let double = 0

const powers = Array.from({ length: 23 }, (_, power) => 10 ** power)
/** 2^27 + 1: splits a double into halves whose products are exact. */
const splitter = 134_217_729
/** Far above the relative error of the remainder, which is below 2^-104. */
const errorBound = 2 ** -98

/**
 * Reads the number at `start` into `double` and returns the position after it, or -1 if there is no
 * valid JSON number.
 */
export const readDouble = (bytes: Uint8Array, start: number, end: number): number => {
  let at = start
  const negative = bytes[at] === 0x2d
  if (negative) at++
  let digit = at < end ? bytes[at]! - 48 : -1
  if (!(digit >= 0 && digit <= 9)) return -1
  const whole = at
  /** The first 15 significant digits, and those after them. */
  let first = 0
  let rest = 0
  let significant = 0
  let more = 0
  do {
    if (significant < 15) first = first * 10 + digit
    else {
      rest = rest * 10 + digit
      more++
    }
    if (first !== 0) significant++
    digit = ++at < end ? bytes[at]! - 48 : -1
  } while (digit >= 0 && digit <= 9)
  if (bytes[whole] === 48 && at - whole > 1) return -1
  let decimals = 0
  // -2 is the decimal point.
  if (digit === -2 && at < end) {
    const point = at
    digit = ++at < end ? bytes[at]! - 48 : -1
    while (digit >= 0 && digit <= 9) {
      if (significant < 15) first = first * 10 + digit
      else {
        rest = rest * 10 + digit
        more++
      }
      if (first !== 0) significant++
      digit = ++at < end ? bytes[at]! - 48 : -1
    }
    decimals = at - point - 1
    if (decimals === 0) return -1
  }
  if (at < end && (bytes[at]! | 0x20) === 0x65) {
    at = behindExponent(bytes, at + 1, end)
    if (at < 0) return -1
    double = numberOf(bytes, start, at)
    return at
  }
  if (decimals > 22 || more > 4) double = numberOf(bytes, start, at)
  else if (more === 0) {
    const value = first / powers[decimals]!
    double = negative ? -value : value
  } else if (quotient(first, rest, powers[more]!, powers[decimals]!)) {
    if (negative) double = -double
  } else double = numberOf(bytes, start, at)
  return at
}

const behindExponent = (bytes: Uint8Array, from: number, end: number): number => {
  let at = from
  if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++
  const digits = at
  while (at < end && bytes[at]! >= 48 && bytes[at]! <= 57) at++
  return at === digits ? -1 : at
}

const numberOf = (bytes: Uint8Array, start: number, end: number): number =>
  Number(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1"))

/**
 * Puts `(first * scale + rest) / divisor` into `double`; returns false if the rounding is
 * uncertain.
 */
const quotient = (first: number, rest: number, scale: number, divisor: number): boolean => {
  // first * scale + rest as `high + low`, exactly.
  const product = first * scale
  let split = splitter * first
  const firstHigh = split - (split - first)
  const firstLow = first - firstHigh
  const error = firstHigh * scale - product + firstLow * scale
  const tail = error + rest
  const high = product + tail
  const low = tail - (high - product)
  const guess = high / divisor
  // guess * divisor as `back + backError`, exactly.
  const back = guess * divisor
  split = splitter * guess
  const guessHigh = split - (split - guess)
  const guessLow = guess - guessHigh
  split = splitter * divisor
  const divisorHigh = split - (split - divisor)
  const divisorLow = divisor - divisorHigh
  const backError =
    guessHigh * divisorHigh -
    back +
    guessHigh * divisorLow +
    guessLow * divisorHigh +
    guessLow * divisorLow
  const correction = (high - back - backError + low) / divisor
  const doubt = guess * errorBound
  double = guess + (correction - doubt)
  return double === guess + (correction + doubt)
}
