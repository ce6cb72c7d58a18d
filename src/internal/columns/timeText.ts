/**
 * Text of dates and times, in both directions: DATE as days since 1970-01-01, timestamps as
 * microseconds since then, in UTC or as wall-clock time, years 1 to 9999.
 *
 * Invalid text is read as `undefined`. Digits of a second beyond microseconds are truncated;
 * nothing is rounded.
 */
import { integerRange } from "./scalarTypes.ts"

/** Milliseconds of a day. */
export const millisPerDay = 86_400_000

const [minMicros, maxMicros] = integerRange("Timestamp")

/** Days of 400 years, after which the calendar repeats. */
const daysOfCycle = 146_097

const monthLengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)

const daysOfDate = (year: number, month: number, day: number): number | undefined => {
  const length = month === 2 && !isLeap(year) ? 28 : (monthLengths[month - 1] ?? 0)
  if (year < 1 || day < 1 || day > length) return undefined
  // Date.UTC maps the years 0 to 99 to 1900 to 1999, so the date is computed one cycle later.
  return Date.UTC(year + 400, month - 1, day) / millisPerDay - daysOfCycle
}

const datePattern = /^(\d{4})-(\d{2})-(\d{2})$/

/** Reads `2026-11-22` as days since 1970-01-01. */
export const daysOfText = (text: string): number | undefined => {
  const match = datePattern.exec(text)
  return match === null
    ? undefined
    : daysOfDate(Number(match[1]), Number(match[2]), Number(match[3]))
}

/** Writes days since 1970-01-01 as `2026-11-22`. The days are within the range of DATE. */
export const textOfDays = (days: number): string =>
  new Date(days * millisPerDay).toISOString().slice(0, 10)

/** Minutes east of UTC; `undefined` for an offset that is out of range. */
const zoneMinutes = (zone: string): number | undefined => {
  if (zone === "Z" || zone === "z" || zone === "UTC") return 0
  const digits = zone.replace(":", "")
  const hours = Number(digits.slice(1, 3))
  const minutes = Number(digits.slice(3) || "0")
  if (hours > 18 || minutes > 59) return undefined
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes)
}

const timePattern =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s?(Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?$/

/**
 * Reads an ISO timestamp, such as `2026-11-22T08:30:00.5+01:00`, as microseconds since 1970-01-01.
 * The time of day, seconds and fraction may be absent. Text without a zone is in UTC; with
 * `zoned: false` it is wall-clock time and a zone is refused.
 */
export const microsOfText = (text: string, zoned: boolean): bigint | undefined => {
  const match = timePattern.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone] = match
  if (zone !== undefined && (!zoned || match[4] === undefined)) return undefined
  const offset = zone === undefined ? 0 : zoneMinutes(zone)
  const days = daysOfDate(Number(year), Number(month), Number(day))
  if (
    days === undefined ||
    offset === undefined ||
    Number(hour) > 23 ||
    Number(minute) > 59 ||
    Number(second) > 59
  )
    return undefined
  const seconds =
    days * 86_400 + Number(hour) * 3600 + (Number(minute) - offset) * 60 + Number(second)
  const micros = BigInt(seconds) * 1_000_000n + BigInt(fraction.slice(0, 6).padEnd(6, "0"))
  // A zone can move the first and the last day out of the range.
  return micros >= minMicros && micros <= maxMicros ? micros : undefined
}

/** Converts microseconds to milliseconds, rounded down. */
export const millisOfMicros = (micros: bigint): bigint =>
  micros / 1000n - (micros % 1000n < 0n ? 1n : 0n)

/**
 * Writes microseconds since 1970-01-01 as `2026-11-22T08:30:00.000001`, always with six digits of a
 * second and without a zone. The microseconds are within the range of TIMESTAMP.
 */
export const textOfMicros = (micros: bigint): string => {
  const millis = millisOfMicros(micros)
  const text = new Date(Number(millis)).toISOString().slice(0, -1)
  return `${text}${String(micros - millis * 1000n).padStart(3, "0")}`
}
