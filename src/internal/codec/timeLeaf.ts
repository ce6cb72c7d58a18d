/**
 * Dates and timestamps as leaves: DATE as days, TIMESTAMP and TIMESTAMP_NTZ as microseconds on the
 * wire, years 1 to 9999.
 */
import * as DateTime from "effect/DateTime"
import { integerRange, scalarTypes, sqlName } from "../columns/scalarTypes.ts"
import { daysOfText, millisOfMicros, millisPerDay, textOfDays } from "../columns/timeText.ts"
import type { Leaf, WireValue } from "./scalar.ts"
import { describeValue } from "./describeValue.ts"

const [minMicros, maxMicros] = integerRange("Timestamp")
const minMillis = Number(millisOfMicros(minMicros))
const maxMillis = Number(millisOfMicros(maxMicros))

const dateRange = "from year 1 to 9999"
const timeSeen = (value: unknown): string | undefined => {
  const kind = describeValue(value)
  return kind === "a Date" || kind === "a DateTime" ? "a time out of range" : undefined
}

const inRange = (millis: number): boolean => millis >= minMillis && millis <= maxMillis

const microsOfMillis = (millis: number): number | bigint | undefined => {
  if (!inRange(millis)) return undefined
  // After the year 2255, microseconds are no longer safe integers.
  const micros = Math.round(millis * 1000)
  return Number.isSafeInteger(micros) ? micros : BigInt(Math.round(millis)) * 1000n
}

const millisOfWire = (value: WireValue): number | undefined => {
  if (typeof value !== "number" && typeof value !== "bigint") return undefined
  const millis =
    typeof value === "number" ? Math.floor(value / 1000) : Number(millisOfMicros(value))
  return inRange(millis) ? millis : undefined
}

type TimeTag = "Timestamp" | "TimestampNtz"

/** TIMESTAMP or TIMESTAMP_NTZ as `DateTime.Utc`. */
export const timestamp = (tag: TimeTag): Leaf => ({
  type: { _tag: tag },
  scalar: scalarTypes[tag].wire,
  expected: `${sqlName(tag)} (a DateTime ${dateRange})`,
  toWire: (value) =>
    DateTime.isDateTime(value) ? microsOfMillis(value.epochMilliseconds) : undefined,
  fromWire: (value) => {
    const millis = millisOfWire(value)
    return millis === undefined ? undefined : DateTime.makeUnsafe(millis)
  },
  seen: timeSeen
})

/** TIMESTAMP or TIMESTAMP_NTZ as `Date`. */
export const timestampAsDate = (tag: TimeTag): Leaf => ({
  type: { _tag: tag },
  scalar: scalarTypes[tag].wire,
  expected: `${sqlName(tag)} (a valid Date ${dateRange})`,
  toWire: (value) => (value instanceof Date ? microsOfMillis(value.getTime()) : undefined),
  fromWire: (value) => {
    const millis = millisOfWire(value)
    return millis === undefined ? undefined : new Date(millis)
  },
  seen: timeSeen
})

/** TIMESTAMP or TIMESTAMP_NTZ as microseconds. */
export const timestampAsMicros = (tag: TimeTag): Leaf => ({
  type: { _tag: tag },
  scalar: scalarTypes[tag].wire,
  expected: `${sqlName(tag)} (microseconds since 1970 as a bigint, ${dateRange})`,
  toWire: (value) =>
    typeof value === "bigint" && value >= minMicros && value <= maxMicros ? value : undefined,
  fromWire: (value) => (typeof value === "number" ? BigInt(value) : value),
  seen: (value) => (typeof value === "bigint" ? "a bigint out of range" : undefined)
})

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
  scalar: scalarTypes.Date.wire,
  expected: `DATE (a DateTime at midnight UTC, ${dateRange})`,
  toWire: (value) =>
    DateTime.isDateTime(value) ? daysOfMillis(value.epochMilliseconds) : undefined,
  fromWire: (value) => {
    const days = Number(value)
    return inRange(days * millisPerDay) ? DateTime.makeUnsafe(days * millisPerDay) : undefined
  },
  seen: dateSeen
}

/** DATE as text. */
export const dateAsString: Leaf = {
  type: { _tag: "Date" },
  scalar: scalarTypes.Date.wire,
  expected: `DATE (a text such as "2026-01-31", ${dateRange})`,
  toWire: (value) => (typeof value === "string" ? daysOfText(value) : undefined),
  fromWire: (value) => {
    const days = Number(value)
    return inRange(days * millisPerDay) ? textOfDays(days) : undefined
  },
  seen: (value) => (typeof value === "string" ? "a text that is not a date" : undefined)
}
