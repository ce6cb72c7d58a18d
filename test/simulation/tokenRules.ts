/**
 * How often tokens are requested if all streams share one cache: one request at a time, none while
 * a token is good and not due for renewal, none soon after a failed renewal, and no connection with
 * an expired token (row 14, I14).
 */
import type { View } from "./view.ts"

type Report = (rule: string, text: string) => void

/** A token as the cache may have it; milliseconds of a monotonic clock. */
interface Good {
  readonly token: string
  readonly expiresAt: number
  readonly renewAt: number
}

/** The minimum pause between attempts to renew a good token, as a share of the lead. */
const leastPause = 1 / 300

/** Checks every request to the token endpoint. */
export const checkTokens = (view: View, report: Report): void => {
  const running = new Map<number, { readonly at: number; readonly lead: number }>()
  let quiet = 0
  let good: Good | undefined
  let failed: { readonly at: number; readonly lead: number } | undefined
  const ends = new Map<string, number>()
  for (const event of view.events) {
    const at = Math.floor(event.t)
    if (event.quiet > quiet) {
      // A request without waiters may end at the moment when the next one begins.
      if (running.size > 1) report("mint", `${running.size} requests for a token run at ${at} ms`)
      quiet = event.quiet
    }
    switch (event.e) {
      case "mint": {
        if (good !== undefined && at < good.expiresAt) {
          if (at < good.renewAt)
            report(
              "mint",
              `a token is requested at ${at} ms although ${good.token} is good until ` +
                `${good.renewAt} ms`
            )
          else if (failed !== undefined && at < failed.at + Math.floor(failed.lead * leastPause)) {
            report(
              "mint",
              `a renewal is tried at ${at} ms, right after the one at ${failed.at} ms failed`
            )
          }
        }
        running.set(event.request, { at, lead: event.lead })
        break
      }
      case "minted": {
        const { end, life, request, token } = event
        const { at: from, lead } = running.get(request)!
        running.delete(request)
        failed = token === undefined ? { at: from, lead } : undefined
        if (token === undefined) break
        ends.set(token, end)
        const expiresAt = from + life
        // A token that has expired on arrival is not stored, and the previous one stays.
        if (expiresAt > at)
          good = { token, expiresAt, renewAt: expiresAt - Math.min(lead, life / 2) }
        break
      }
      case "invalidate":
        if (good?.token === event.token) good = undefined
        break
      case "open": {
        const end = ends.get(event.token) ?? Infinity
        if (event.t >= end)
          report(
            "I14",
            `connection ${event.conn} opens with ${event.token}, which expired at ${end} ms`
          )
        break
      }
      default:
        break
    }
  }
}
