/**
 * Numbers, sizes and times as short text. Times are in milliseconds.
 */

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 })
const decimal = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 })
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 })
const clock = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit"
})

/** All digits, with thousands separators. */
export const count = (value: number): string => whole.format(value)

/** At most five digits: `12,345`, then `123K`. */
export const brief = (value: number): string =>
  Math.abs(value) < 100_000 ? whole.format(value) : short.format(value)

/** Labels of an axis of counts. All use thousands or millions when the largest does. */
export const countMarks = (marks: ReadonlyArray<number>): ReadonlyArray<string> => {
  const top = Math.max(...marks)
  const [unit, sign] = top < 100_000 ? [1, ""] : top < 1e6 ? [1e3, "K"] : [1e6, "M"]
  return marks.map((mark) => (mark === 0 ? "0" : `${decimal.format(mark / unit)}${sign}`))
}

/** Labels of an axis of milliseconds. All use seconds when the largest does. */
export const latencyMarks = (marks: ReadonlyArray<number>): ReadonlyArray<string> => {
  const [unit, sign] = Math.max(...marks) < 10_000 ? [1, "ms"] : [1000, "s"]
  return marks.map((mark) => (mark === 0 ? "0" : `${decimal.format(mark / unit)} ${sign}`))
}

/** A rate. Below 10 it has one decimal. */
export const rate = (perSecond: number): string =>
  perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1).replace(/\.0$/, "") : brief(perSecond)

/** A latency. */
export const latency = (millis: number): string => {
  if (millis < 1) return "<1 ms"
  return millis < 10_000 ? `${whole.format(millis)} ms` : `${(millis / 1000).toFixed(1)} s`
}

const units = ["B", "KB", "MB", "GB", "TB", "PB"]

/** A size with three digits. */
export const bytes = (size: number): string => {
  let unit = 0
  let value = size
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${units[unit]}`
}

/** How long something has lasted: `12 s`, `5 min`, `3 h 20 min`, `4 d`. */
export const duration = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d`
}

/** How long ago something was. */
export const ago = (millis: number): string => (millis < 1500 ? "now" : `${duration(millis)} ago`)

/** The time of day. */
export const timeOfDay = (at: number): string => clock.format(at)
