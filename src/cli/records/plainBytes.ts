/**
 * Reads values from bytes in their common forms: plain digits, ISO dates and times, base64. No
 * strings are created.
 *
 * Other forms are not rejected here: they return `false` or `NaN`, and the exact check of
 * `valueCheck.ts` decides.
 */
/** The output buffer, which must have enough room. */
export interface Output {
  readonly buffer: Uint8Array
  position: number
}

const zero = 0x30
const minus = 0x2d
const point = 0x2e
const colon = 0x3a
const space = 0x20

/** The value of `count` digits. `NaN` when one of the bytes is not a digit. */
const digitsAt = (bytes: Uint8Array, at: number, count: number): number => {
  let value = 0
  for (let n = 0; n < count; n++) {
    const digit = bytes[at + n]! - zero
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

/**
 * Reads an integer of at most 15 digits without leading zeros, which a number holds exactly. `NaN`
 * for `-0` and anything else.
 */
export const integerAt = (bytes: Uint8Array, start: number, end: number): number => {
  const negative = bytes[start] === minus
  const first = negative ? start + 1 : start
  const count = end - first
  if (count < 1 || count > 15 || (bytes[first] === zero && (count > 1 || negative)))
    return Number.NaN
  const value = digitsAt(bytes, first, count)
  return negative ? -value : value
}

/** The end without a trailing `.0`, or `end` when there is none. */
export const endOfPointZero = (bytes: Uint8Array, end: number): number =>
  bytes[end - 1] === zero && bytes[end - 2] === point ? end - 2 : end

/**
 * Whether the bytes are an integer of 16 to 18 digits without leading zeros: it fits 64 bits and
 * may exceed 2^53.
 */
export const isLongInteger = (bytes: Uint8Array, start: number, end: number): boolean => {
  const first = bytes[start] === minus ? start + 1 : start
  const count = end - first
  if (count < 16 || count > 18 || bytes[first] === zero) return false
  return !Number.isNaN(digitsAt(bytes, first, count))
}

/**
 * Whether the bytes are an integer in the range of TIMESTAMP, the years 1 to 9999. This holds for
 * any 16 digits up to 2^53.
 */
export const isMicros = (bytes: Uint8Array, start: number, end: number): boolean => {
  if (!Number.isNaN(integerAt(bytes, start, end))) return true
  return end - start === 16 && bytes[start]! <= 0x38 && isLongInteger(bytes, start, end)
}

/** Whether the bytes are a decimal without an exponent that fits DECIMAL(precision, scale). */
export const isDecimal = (
  bytes: Uint8Array,
  start: number,
  end: number,
  precision: number,
  scale: number
): boolean => {
  let at = bytes[start] === minus ? start + 1 : start
  const first = at
  while (at < end && bytes[at]! >= zero && bytes[at]! <= 0x39) at++
  const whole = at - first
  if (whole === 0 || (whole > 1 && bytes[first] === zero)) return false
  if (whole > precision - scale && !(whole === 1 && bytes[first] === zero)) return false
  if (at === end) return true
  if (bytes[at] !== point) return false
  const fraction = end - ++at
  if (fraction === 0 || fraction > scale) return false
  while (at < end && bytes[at]! >= zero && bytes[at]! <= 0x39) at++
  return at === end
}

/**
 * The end of the JSON number that starts at `start`. Returns -1 when there is none, or when a
 * DOUBLE (or FLOAT, with `float`) may not hold it.
 */
export const numberEnd = (bytes: Uint8Array, start: number, float: boolean): number => {
  let at = bytes[start] === minus ? start + 1 : start
  const first = at
  while (bytes[at]! >= zero && bytes[at]! <= 0x39) at++
  const whole = at - first
  if (whole === 0 || whole > 38 || (whole > 1 && bytes[first] === zero)) return -1
  if (bytes[at] === point) {
    const fraction = ++at
    while (bytes[at]! >= zero && bytes[at]! <= 0x39) at++
    if (at === fraction) return -1
  }
  if ((bytes[at]! | 0x20) !== 0x65) return at
  const sign = bytes[++at]
  if (sign === minus || sign === 0x2b) at++
  const exponent = at
  while (bytes[at]! >= zero && bytes[at]! <= 0x39) at++
  const count = at - exponent
  return count === 0 || count > 2 || (float && sign !== minus) ? -1 : at
}

const monthLengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Days since 1970-01-01 of `2026-11-22` at `at`, or `NaN`. */
const daysAtStart = (bytes: Uint8Array, at: number): number => {
  if (bytes[at + 4] !== minus || bytes[at + 7] !== minus) return Number.NaN
  const year = digitsAt(bytes, at, 4)
  const month = digitsAt(bytes, at + 5, 2)
  const day = digitsAt(bytes, at + 8, 2)
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1)) return Number.NaN
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  if (day > monthLengths[month - 1]! + (leap ? 1 : 0)) return Number.NaN
  // Counting years from March puts the leap day last, and month lengths then follow a linear
  // formula.
  const shifted = month > 2 ? year : year - 1
  const yearDay = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const leapDays = Math.floor(shifted / 4) - Math.floor(shifted / 100) + Math.floor(shifted / 400)
  return shifted * 365 + leapDays + yearDay - 719_468
}

/** Days since 1970-01-01 of `2026-11-22`, or `NaN`. */
export const daysAt = (bytes: Uint8Array, start: number, end: number): number =>
  end - start === 10 ? daysAtStart(bytes, start) : Number.NaN

/**
 * Microseconds since 1970-01-01 of `2026-11-22T08:30:00.123456`, with `T` or a space. The fraction,
 * or the seconds with it, may be missing. With `zoned`, `Z` may follow. `NaN` for anything else,
 * and when a number does not hold the microseconds exactly.
 */
export const microsAt = (bytes: Uint8Array, start: number, end: number, zoned: boolean): number => {
  const until = zoned && bytes[end - 1] === 0x5a ? end - 1 : end
  const separator = bytes[start + 10]
  if (
    until - start < 16 ||
    (separator !== 0x54 && separator !== space) ||
    bytes[start + 13] !== colon
  ) {
    return Number.NaN
  }
  const hour = digitsAt(bytes, start + 11, 2)
  const minute = digitsAt(bytes, start + 14, 2)
  if (!(hour <= 23 && minute <= 59)) return Number.NaN
  let second = 0
  let fraction = 0
  if (until - start > 16) {
    if (bytes[start + 16] !== colon || until - start < 19) return Number.NaN
    second = digitsAt(bytes, start + 17, 2)
    if (!(second <= 59)) return Number.NaN
    if (until - start > 19) {
      const count = until - start - 20
      if (bytes[start + 19] !== point || count < 1 || count > 6) return Number.NaN
      fraction = digitsAt(bytes, start + 20, count)
      for (let n = count; n < 6; n++) fraction *= 10
    }
  }
  const micros =
    (daysAtStart(bytes, start) * 86_400 + hour * 3600 + minute * 60 + second) * 1_000_000 + fraction
  return Number.isSafeInteger(micros) ? micros : Number.NaN
}

/** Whether the bytes are padded base64. */
export const isPaddedBase64 = (bytes: Uint8Array, start: number, end: number): boolean => {
  if ((end - start) % 4 !== 0) return false
  let until = end
  if (until > start && bytes[until - 1] === 0x3d) until--
  if (until > start && bytes[until - 1] === 0x3d) until--
  for (let at = start; at < until; at++) {
    const code = bytes[at]!
    const letter = (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a
    if (!letter && !(code >= zero && code <= 0x39) && code !== 0x2b && code !== 0x2f) return false
  }
  return true
}

export const copyBytes = (bytes: Uint8Array, start: number, end: number, output: Output): void => {
  const { buffer } = output
  let position = output.position
  if (end - start > 64) {
    buffer.set(bytes.subarray(start, end), position)
    output.position = position + end - start
    return
  }
  for (let at = start; at < end; at++) buffer[position++] = bytes[at]!
  output.position = position
}

/** Writes a safe integer as digits. */
export const writeInteger = (value: number, output: Output): void => {
  const { buffer } = output
  let rest = value
  if (value < 0) {
    buffer[output.position++] = minus
    rest = -value
  }
  let count = 1
  for (let bound = 10; rest >= bound && count < 16; bound *= 10) count++
  let at = output.position + count
  output.position = at
  // Up to 2^31 the engine divides integers, which is several times faster.
  while (rest > 0x7fffffff) {
    const next = Math.floor(rest / 1e6)
    let low = rest - next * 1e6
    for (let n = 0; n < 6; n++) {
      const tenth = (low / 10) | 0
      buffer[--at] = zero + low - tenth * 10
      low = tenth
    }
    rest = next
  }
  let low = rest | 0
  for (const first = output.position - count; at > first;) {
    const tenth = (low / 10) | 0
    buffer[--at] = zero + low - tenth * 10
    low = tenth
  }
}
