/**
 * Access to the data of the console: the holder of its link. The link has a random token after `#`,
 * which browsers do not send to servers; the page exchanges it for a cookie.
 *
 * A browser sends cookies to all ports of a host, even with requests of pages on other ports. A
 * request is therefore accepted only if a page of exactly this origin made it, and the cookie is
 * limited to the console's path.
 */
import type * as Headers from "effect/http/Headers"
import * as Redacted from "effect/Redacted"
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"

/** The path prefix of the console's data. */
export const consolePath = "/console"

/** The token and the session of one server. */
export interface ConsoleAccess {
  /** The fragment of the link, after the address. */
  readonly fragment: Redacted.Redacted<string>
  /**
   * The `Set-Cookie` header for a token that a page sent with these headers; undefined for a wrong
   * token.
   */
  readonly login: (token: string, headers: Headers.Headers) => string | undefined
  /** Whether the request has the cookie of the session. */
  readonly hasSession: (headers: Headers.Headers) => boolean
  /**
   * Whether a page of this origin made the request. With `isChange`, the request must have a header
   * that proves it.
   */
  readonly isOwnPage: (headers: Headers.Headers, isChange: boolean) => boolean
}

const random = (): string => randomBytes(32).toString("base64url")

const isSame = (one: string, other: string): boolean => {
  const hash = (text: string) => createHash("sha256").update(text).digest()
  return timingSafeEqual(hash(one), hash(other))
}

/** A cookie name per port, so that two servers do not overwrite each other's cookies. */
const cookieName = (headers: Headers.Headers): string =>
  `zerobus_console_${/:(\d{1,5})$/.exec(headers["host"] ?? "")?.[1] ?? "default"}`

/** Creates the token and the session of a server that uses `scheme`. */
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
