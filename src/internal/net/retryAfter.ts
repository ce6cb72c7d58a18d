/**
 * Reads the header `retry-after`: a number of seconds, or a date in one of the three forms of HTTP.
 */

const clock = "\\d\\d:\\d\\d:\\d\\d"

/** A date of HTTP today, and the two older forms that a client has to read too. */
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
 * How long the server wants to be left alone, in milliseconds; `undefined` when it does not say, or
 * says a time that is over. A date counts from the date of the answer, since the two clocks may
 * differ, and from `now` where the answer has none.
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
