/**
 * Dates and timestamps as leaves: DATE as days, TIMESTAMP and TIMESTAMP_NTZ as microseconds on the wire, years 1 to 9999.
 */
import * as DateTime from "effect/DateTime"
import type { Leaf, WireValue } from "./scalar.ts"
import { kindOf } from "./scalar.ts"

/** First and last microsecond of the years 1 to 9999, the range of TIMESTAMP, in milliseconds. */
const minMillis = -62_135_596_800_000
const maxMillis = 253_402_300_799_999
const millisPerDay = 86_400_000

const dateRange = "from year 1 to 9999"
const timeSeen = (value: unknown): string | undefined => {
  const kind = kindOf(value)
  return kind === "a Date" || kind === "a DateTime" ? "a time out of range" : undefined
}

const inRange = (millis: number): boolean => millis >= minMillis && millis <= maxMillis

const microsOfMillis = (millis: number): number | bigint | undefined => {
  if (!inRange(millis)) return undefined
  // Beyond the year 2255 microseconds are no safe integers any more.
  const micros = Math.round(millis * 1000)
  return Number.isSafeInteger(micros) ? micros : BigInt(Math.round(millis)) * 1000n
}

const millisOfMicros = (value: WireValue): number | undefined => {
  if (typeof value !== "number" && typeof value !== "bigint") return undefined
  const millis =
    typeof value === "number" ? Math.floor(value / 1000) : Number(value / 1000n - (value % 1000n < 0n ? 1n : 0n))
  return inRange(millis) ? millis : undefined
}

type TimeTag = "Timestamp" | "TimestampNtz"

const timeName = (tag: TimeTag): string => (tag === "Timestamp" ? "TIMESTAMP" : "TIMESTAMP_NTZ")

/** TIMESTAMP or TIMESTAMP_NTZ as `DateTime.Utc`. */
export const timestamp = (tag: TimeTag): Leaf => ({
  type: { _tag: tag },
  scalar: "int64",
  expected: `${timeName(tag)} (a DateTime ${dateRange})`,
  toWire: (value) => (DateTime.isDateTime(value) ? microsOfMillis(value.epochMilliseconds) : undefined),
  fromWire: (value) => {
    const millis = millisOfMicros(value)
    return millis === undefined ? undefined : DateTime.makeUnsafe(millis)
  },
  seen: timeSeen
})

/** TIMESTAMP or TIMESTAMP_NTZ as `Date`. */
export const timestampAsDate = (tag: TimeTag): Leaf => ({
  type: { _tag: tag },
  scalar: "int64",
  expected: `${timeName(tag)} (a valid Date ${dateRange})`,
  toWire: (value) => (value instanceof Date ? microsOfMillis(value.getTime()) : undefined),
  fromWire: (value) => {
    const millis = millisOfMicros(value)
    return millis === undefined ? undefined : new Date(millis)
  },
  seen: timeSeen
})

/** TIMESTAMP or TIMESTAMP_NTZ as microseconds. */
export const timestampAsMicros = (tag: TimeTag): Leaf => ({
  type: { _tag: tag },
  scalar: "int64",
  expected: `${timeName(tag)} (microseconds since 1970 as a bigint, ${dateRange})`,
  toWire: (value) => (typeof value === "bigint" && value >= minMicros && value <= maxMicros ? value : undefined),
  fromWire: (value) => (typeof value === "number" ? BigInt(value) : value),
  seen: (value) => (typeof value === "bigint" ? "a bigint out of range" : undefined)
})

const minMicros = BigInt(minMillis) * 1000n
const maxMicros = BigInt(maxMillis) * 1000n + 999n

const daysOfMillis = (millis: number): number | undefined =>
  inRange(millis) && Number.isInteger(millis / millisPerDay) ? millis / millisPerDay : undefined

const dateSeen = (value: unknown): string | undefined =>
  DateTime.isDateTime(value)
    ? inRange(value.epochMilliseconds)
      ? "a DateTime with a time of day"
      : "a time out of range"
    : undefined

/** DATE as a `DateTime.Utc` at midnight. */
export const date: Leaf = {
  type: { _tag: "Date" },
  scalar: "int32",
  expected: `DATE (a DateTime at midnight UTC, ${dateRange})`,
  toWire: (value) => (DateTime.isDateTime(value) ? daysOfMillis(value.epochMilliseconds) : undefined),
  fromWire: (value) => {
    const days = Number(value)
    return inRange(days * millisPerDay) ? DateTime.makeUnsafe(days * millisPerDay) : undefined
  },
  seen: dateSeen
}

/** DATE as text. */
export const dateAsString: Leaf = {
  type: { _tag: "Date" },
  scalar: "int32",
  expected: `DATE (a text such as "2026-01-31", ${dateRange})`,
  toWire: (value) => {
    if (typeof value !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(value) || value.startsWith("0000")) return undefined
    const millis = Date.parse(`${value}T00:00:00Z`)
    // Date.parse takes February 30 for March 2, so the day is written out again and compared.
    return !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(value) ? daysOfMillis(millis) : undefined
  },
  fromWire: (value) => {
    const millis = Number(value) * millisPerDay
    return inRange(millis) ? new Date(millis).toISOString().slice(0, 10) : undefined
  },
  seen: (value) => (typeof value === "string" ? "a text that is no date" : undefined)
}
