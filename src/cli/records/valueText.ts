/**
 * Dates, timestamps and decimals as people write them, turned into what travels: days, microseconds and plain decimal text.
 *
 * Everything answers `undefined` for text that it does not take; nothing is rounded, except that digits of a second beyond
 * microseconds are cut off.
 */

const datePattern = /^(\d{4})-(\d{2})-(\d{2})$/
const timePattern =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s?(Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?$/

/** Days since 1970-01-01 of a calendar date, or `undefined` when there is no such day. Years 1 to 9999. */
const daysOf = (year: number, month: number, day: number): number | undefined => {
  if (year < 1) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() / 86_400_000 : undefined
}

/** `2026-11-22` as days since 1970-01-01. */
export const days = (text: string): number | undefined => {
  const match = datePattern.exec(text)
  return match === null ? undefined : daysOf(Number(match[1]), Number(match[2]), Number(match[3]))
}

/** Minutes east of UTC, or `undefined` when no clock is that far off. */
const zoneMinutes = (zone: string): number | undefined => {
  if (zone === "Z" || zone === "z" || zone === "UTC") return 0
  const digits = zone.replace(":", "")
  const hours = Number(digits.slice(1, 3))
  const minutes = Number(digits.slice(3) || "0")
  if (hours > 18 || minutes > 59) return undefined
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes)
}

/**
 * An ISO timestamp as microseconds since 1970-01-01: a number, or text when it is beyond 2^53. Without a zone it is taken as UTC.
 * `zoned: false` reads wall-clock time and takes no zone.
 */
export const micros = (text: string, zoned: boolean): number | string | undefined => {
  const match = timePattern.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone] = match
  if (zone !== undefined && (!zoned || match[4] === undefined)) return undefined
  const offset = zone === undefined ? 0 : zoneMinutes(zone)
  const date = daysOf(Number(year), Number(month), Number(day))
  if (date === undefined || offset === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59)
    return undefined
  const seconds = date * 86_400 + Number(hour) * 3600 + (Number(minute) - offset) * 60 + Number(second)
  const parts = Number(fraction.slice(0, 6).padEnd(6, "0"))
  const exact = BigInt(seconds) * 1_000_000n + BigInt(parts)
  const number = Number(exact)
  return Number.isSafeInteger(number) ? number : String(exact)
}

const decimalPattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/

/**
 * A number as text without an exponent that fits DECIMAL(precision, scale), or `undefined`. More decimals than the scale are only
 * taken when they are zeros.
 */
export const decimal = (text: string, precision: number, scale: number): string | undefined => {
  const match = decimalPattern.exec(text)
  if (match === null || text.length > 100) return undefined
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match
  if (whole === "" && fraction === "") return undefined
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  const left = (point <= 0 ? "" : digits.slice(0, point).padEnd(point, "0")).replace(/^0+/, "")
  const right = (point < 0 ? "0".repeat(-point) + digits : digits.slice(Math.max(point, 0))).replace(/0+$/, "")
  if (right.length > scale || left.length > precision - scale) return undefined
  const plain = (left === "" ? "0" : left) + (right === "" ? "" : `.${right}`)
  return sign === "-" && plain !== "0" ? `-${plain}` : plain
}
