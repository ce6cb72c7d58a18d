/**
 * Who may see the data of the console: whoever has its link. The link carries a random token behind
 * `#`, which a browser sends to nobody; the page exchanges it for a cookie.
 *
 * A browser sends cookies to all ports of a host, also along with requests of pages of other ports.
 * So a request counts only when the page of this very origin made it, and the cookie goes along
 * with requests below the console's path alone.
 */
import type * as Headers from "effect/http/Headers"
import * as Redacted from "effect/Redacted"
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"

/** The path below which data is. */
export const consolePath = "/console"

/** The token and the session of one server. */
export interface ConsoleAccess {
  /** What stands behind the address in the link. */
  readonly fragment: Redacted.Redacted<string>
  /**
   * The `Set-Cookie` header for a token that a page with these headers sent; undefined for a wrong
   * one.
   */
  readonly login: (token: string, headers: Headers.Headers) => string | undefined
  /** Whether the request has the cookie of the session. */
  readonly hasSession: (headers: Headers.Headers) => boolean
  /**
   * Whether a page of this origin made the request; where `isChange`, a request that does not say
   * so is none.
   */
  readonly isOwnPage: (headers: Headers.Headers, isChange: boolean) => boolean
}

const random = (): string => randomBytes(32).toString("base64url")

const isSame = (one: string, other: string): boolean => {
  const hash = (text: string) => createHash("sha256").update(text).digest()
  return timingSafeEqual(hash(one), hash(other))
}

/** One name per port, so that two servers do not overwrite each other's cookies. */
const cookieName = (headers: Headers.Headers): string =>
  `zerobus_console_${/:(\d{1,5})$/.exec(headers["host"] ?? "")?.[1] ?? "default"}`

/** Makes token and session of a server that is reached by `scheme`. */
export const makeConsoleAccess = (scheme: "http" | "https"): ConsoleAccess => {
  const token = random()
  const session = random()
  return {
    fragment: Redacted.make(`#token=${token}`),
    login: (given, headers) => {
      if (!isSame(given, token)) return undefined
      const marks = `HttpOnly; SameSite=Strict${scheme === "https" ? "; Secure" : ""}`
      return `${cookieName(headers)}=${session}; Path=${consolePath}; ${marks}`
    },
    hasSession: (headers) => {
      const name = `${cookieName(headers)}=`
      const found = headers["cookie"]?.split("; ").find((cookie) => cookie.startsWith(name))
      return found !== undefined && isSame(found.slice(name.length), session)
    },
    isOwnPage: (headers, isChange) => {
      const { "sec-fetch-site": site, origin } = headers
      if (site !== undefined && site !== "same-origin") return false
      return origin === undefined ? !isChange : origin === `${scheme}://${headers["host"]}`
    }
  }
}
