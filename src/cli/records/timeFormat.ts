/**
 * Date and time formats in two notations: `%d/%m/%Y %H:%M` as in C, Python and DuckDB, or
 * `DD/MM/YYYY HH:mm` as in Java and Spark. A text must match the whole format. Fractions of a
 * second are kept up to microseconds, which parsers based on JavaScript's `Date` lose.
 */
import { daysOfText, microsOfText } from "../../internal/columns/timeText.ts"

/** A part of a date or time. */
type Part =
  | "year"
  | "shortYear"
  | "month"
  | "monthName"
  | "day"
  | "hour"
  | "halfHour"
  | "half"
  | "minute"
  | "second"
  | "fraction"
  | "zone"

const ofPercent: Readonly<Record<string, Part>> = {
  Y: "year",
  y: "shortYear",
  m: "month",
  b: "monthName",
  B: "monthName",
  d: "day",
  e: "day",
  H: "hour",
  I: "halfHour",
  p: "half",
  M: "minute",
  S: "second",
  f: "fraction",
  z: "zone"
}

const ofLetter: Readonly<Record<string, Part>> = {
  y: "year",
  Y: "year",
  M: "month",
  d: "day",
  D: "day",
  H: "hour",
  h: "halfHour",
  a: "half",
  A: "half",
  m: "minute",
  s: "second",
  S: "fraction",
  Z: "zone",
  X: "zone",
  x: "zone"
}

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
const wholeMonths =
  "january|february|march|april|may|june|july|august|september|october|november|december|" +
  months.join("|")

/** The pattern of each part. Numeric parts may be shorter when no digit is adjacent. */
const patterns: Readonly<Record<Part, readonly [alone: string, beside: string]>> = {
  year: ["\\d{4}", "\\d{4}"],
  shortYear: ["\\d{2}", "\\d{2}"],
  month: ["\\d{1,2}", "\\d{2}"],
  monthName: [wholeMonths, wholeMonths],
  day: ["\\d{1,2}", "\\d{2}"],
  hour: ["\\d{1,2}", "\\d{2}"],
  halfHour: ["\\d{1,2}", "\\d{2}"],
  half: ["[ap]\\.?m\\.?", "[ap]\\.?m\\.?"],
  minute: ["\\d{1,2}", "\\d{2}"],
  second: ["\\d{1,2}", "\\d{2}"],
  fraction: ["\\d{1,9}", "\\d{1,9}"],
  zone: ["z|utc|[+-]\\d{2}(?::?\\d{2})?", "z|utc|[+-]\\d{2}(?::?\\d{2})?"]
}

const isDigits = (part: Part | string | undefined): boolean =>
  part !== undefined &&
  part in patterns &&
  part !== "monthName" &&
  part !== "half" &&
  part !== "zone"

/**
 * The parts of a format, and the literal text between them, which starts with a quote. Returns the
 * problem with an invalid format.
 */
const partsOf = (
  format: string
): ReadonlyArray<Part | `'${string}`> | { readonly problem: string } => {
  const found: Array<Part | `'${string}`> = []
  const expanded = format.replaceAll("%F", "%Y-%m-%d").replaceAll("%T", "%H:%M:%S")
  const tokens = format.includes("%")
    ? /%(.?)|([^%])/gs
    : /'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']|'/gs
  for (const [whole, first, letter] of expanded.matchAll(tokens)) {
    if (format.includes("%")) {
      const part = first === undefined ? undefined : ofPercent[first]
      if (first === undefined) found.push(`'${letter!}`)
      else if (first === "%") found.push("'%")
      else if (part === undefined) return { problem: `%${first} is not a known part` }
      else found.push(part)
    } else if (letter === undefined) {
      found.push(`'${whole.startsWith("'") ? whole.slice(1, -1).replaceAll("''", "'") : whole}`)
    } else if (whole === "T") {
      found.push("'T")
    } else {
      const part = ofLetter[letter]
      if (part === undefined)
        return { problem: `${whole} is not a known part; literal text needs single quotes` }
      if (part === "month" && whole.length > 2) found.push("monthName")
      else found.push(part === "year" && whole.length === 2 ? "shortYear" : part)
    }
  }
  return found
}

const needed = [["year", "shortYear"], ["month", "monthName"], ["day"]] as const

/** A parsed format. */
export interface TimeFormat {
  /** Days since 1970-01-01, or `undefined` for a text that does not match. */
  readonly days: (text: string) => number | undefined
  /** Microseconds since 1970-01-01 in UTC, or of wall-clock time without `zoned`. */
  readonly micros: (text: string, zoned: boolean) => bigint | undefined
}

/** Parses a format. `time` allows a time of day. Returns the problem with an invalid format. */
export const timeFormat = (
  format: string,
  time: boolean
): TimeFormat | { readonly problem: string } => {
  const parts = partsOf(format)
  if ("problem" in parts) return parts
  const named = parts.filter((part): part is Part => !part.startsWith("'"))
  const twice = named.find((part, index) => named.indexOf(part) !== index)
  if (twice !== undefined) return { problem: `it has the ${twice} twice` }
  const missing = needed.find((some) => !some.some((part) => named.includes(part)))
  if (missing !== undefined)
    return { problem: `it has no ${missing[0]}${missing[0] === "month" ? " (MM or %m)" : ""}` }
  const ofDay = new Set<Part>(needed.flat())
  if (!time && named.some((part) => !ofDay.has(part))) {
    return { problem: "a date has no time of day (months are MM or %m, minutes mm or %M)" }
  }
  if (named.includes("halfHour") !== named.includes("half")) {
    return {
      problem: "a 12-hour clock needs an hour (hh or %I) together with AM or PM (a or %p)"
    }
  }
  const source = parts.map((part, index) => {
    if (part.startsWith("'")) return part.slice(1).replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")
    const beside = isDigits(parts[index - 1]) || isDigits(parts[index + 1])
    return `(?<${part}>${patterns[part as Part][beside ? 1 : 0]})`
  })
  const pattern = new RegExp(`^${source.join("")}$`, "i")
  const read = (text: string): string | undefined => {
    const found = pattern.exec(text.trim())?.groups as Partial<Record<Part, string>> | undefined
    return found === undefined ? undefined : isoText(found)
  }
  return {
    days: (text) => {
      const iso = read(text)
      return iso === undefined ? undefined : daysOfText(iso.slice(0, 10))
    },
    micros: (text, zoned) => {
      const iso = read(text)
      return iso === undefined ? undefined : microsOfText(iso, zoned)
    }
  }
}

const two = (text: string | number): string => String(text).padStart(2, "0")

/**
 * The parts in ISO form; their numbers may be out of range. Undefined for an invalid hour of the
 * 12-hour clock.
 */
const isoText = (found: Partial<Record<Part, string>>): string | undefined => {
  const short = Number(found.shortYear)
  // As in POSIX, 69 to 99 are in the twentieth century.
  const year = found.year ?? String(short + (short < 69 ? 2000 : 1900))
  const month = found.month ?? months.indexOf(found.monthName!.slice(0, 3).toLowerCase()) + 1
  let hour = Number(found.hour ?? 0)
  if (found.halfHour !== undefined) {
    const half = Number(found.halfHour)
    if (half < 1 || half > 12) return undefined
    hour = (half % 12) + (/^p/i.test(found.half!) ? 12 : 0)
  }
  const { day, fraction = "0", minute = 0, second = 0, zone = "" } = found
  const time = `${two(hour)}:${two(minute)}:${two(second)}.${fraction}`
  return `${year}-${two(month)}-${two(day!)}T${time}${zone.toUpperCase()}`
}
