/**
 * Accepted forms of NULL, dates and timestamps in a file, and the user's settings for them.
 */
import { daysOfText, microsOfText } from "../../internal/columns/timeText.ts"
import * as DecimalText from "./decimalText.ts"
import type { TimeFormat } from "./timeFormat.ts"

/** The units of numeric timestamps. */
export const timestampUnits = ["s", "ms", "us", "ns"] as const

/** The unit of numeric timestamps, which count from 1970-01-01. */
export type TimestampUnit = (typeof timestampUnits)[number]

/** How names and values of a file map to columns. */
export interface ValueForms {
  /** Ignore fields without a column, instead of refusing the record. Default false. */
  readonly ignoreUnknown?: boolean | undefined
  /**
   * Send fields without a column as they are: the server puts them into the rescue column of the
   * table. Default false. `ignoreUnknown` wins.
   */
  readonly rescueUnknown?: boolean | undefined
  /** Texts that mean NULL. Default: none. An empty field of CSV is NULL anyway. */
  readonly nullWords?: ReadonlyArray<string> | undefined
  /** The format of text in DATE columns. Default: `2026-11-22` or `2026/11/22`. */
  readonly dateFormat?: TimeFormat | undefined
  /** The format of text in TIMESTAMP and TIMESTAMP_NTZ columns. Default: ISO. */
  readonly timestampFormat?: TimeFormat | undefined
  /** The unit of numbers in these columns. Default: microseconds. */
  readonly timestampUnit?: TimestampUnit | undefined
}

const slashes = /^(\d{4})\/(\d{2})\/(\d{2})(?!\d)/
const smallT = /^(.{10})t/

/**
 * ISO text of a date or timestamp with slashes or a lower-case `t`, which are just as unambiguous.
 */
const isoOf = (text: string): string => text.replace(slashes, "$1-$2-$3").replace(smallT, "$1T")

/** Days since 1970-01-01 of the text of a DATE. */
export const daysOf = (text: string, { dateFormat }: ValueForms): number | undefined =>
  dateFormat === undefined ? daysOfText(isoOf(text)) : dateFormat.days(text)

/** Microseconds since 1970-01-01 of the text of a timestamp. */
export const microsOf = (
  text: string,
  zoned: boolean,
  { timestampFormat }: ValueForms
): bigint | undefined =>
  timestampFormat === undefined
    ? microsOfText(isoOf(text), zoned)
    : timestampFormat.micros(text, zoned)

/** Powers of ten from each unit to microseconds. */
const digitsOf: Readonly<Record<TimestampUnit, number>> = { s: 6, ms: 3, us: 0, ns: -3 }

/** Microseconds of a number in the unit, rounded down. */
export const microsOfNumber = (text: string, unit: TimestampUnit): bigint | undefined => {
  const plain = DecimalText.plain(text, 38, 18)
  if (plain === undefined) return undefined
  const [whole = "", fraction = ""] = plain.split(".")
  const digits = digitsOf[unit]
  const shown = BigInt(whole + fraction.padEnd(18, "0"))
  const divisor = 10n ** BigInt(18 - digits)
  const micros = shown / divisor
  return shown % divisor < 0n ? micros - 1n : micros
}

const mistakable = /^\s*\d{1,2}([/.-])\d{1,2}\1\d{2,4}(?!\d)/

/** A hint for a date or timestamp in another format. Empty when there is none. */
export const formHint = (
  text: string,
  type: "Date" | "Timestamp" | "TimestampNtz",
  forms: ValueForms
): string => {
  const option = type === "Date" ? "--date-format" : "--timestamp-format"
  if ((type === "Date" ? forms.dateFormat : forms.timestampFormat) !== undefined)
    return `, in the form of ${option}`
  if (!mistakable.test(text)) return /\d/.test(text) ? `; ${option} sets another format` : ""
  return (
    `; its day and month are ambiguous, so set the format with ${option}, such as ` +
    `${option} DD/MM/YYYY`
  )
}
