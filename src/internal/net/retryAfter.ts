/**
 * Parses the header `retry-after`: a number of seconds, or a date in one of the three forms of
 * HTTP.
 */

const clock = "\\d\\d:\\d\\d:\\d\\d"

/** The current date format of HTTP, and the two older ones that a client must accept too. */
const dates = [
  new RegExp(`^[A-Z][a-z]{2}, \\d\\d [A-Z][a-z]{2} \\d{4} ${clock} GMT$`),
  new RegExp(`^[A-Z][a-z]{5,8}, \\d\\d-[A-Z][a-z]{2}-\\d\\d ${clock} GMT$`),
  new RegExp(`^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \\d]\\d ${clock} \\d{4}$`)
]

/** A date in milliseconds since 1970; `NaN` for anything else. */
const millisOf = (date: string): number =>
  dates.some((form) => form.test(date))
    ? Date.parse(date.endsWith("GMT") ? date : `${date} GMT`)
    : Number.NaN

/**
 * The pause that the server requests, in milliseconds; `undefined` without the header or for a time
 * in the past. A date counts from the date of the response, since the two clocks may differ, or
 * from `now` if the response has none.
 */
export const retryAfterMillis = (
  headers: { readonly "retry-after"?: string | undefined; readonly "date"?: string | undefined },
  now: number
): number | undefined => {
  const value = headers["retry-after"]?.trim() ?? ""
  const sentAt = millisOf(headers.date?.trim() ?? "")
  const millis = /^\d+$/.test(value)
    ? Number(value) * 1000
    : millisOf(value) - (Number.isNaN(sentAt) ? now : sentAt)
  return Number.isFinite(millis) && millis > 0 ? millis : undefined
}
