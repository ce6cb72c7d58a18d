/**
 * Checks the host, the origin and the content type of HTTP requests, before their tokens.
 *
 * A browser page of another origin must not use a server on loopback. It could do so through its
 * own host name that resolves to loopback (DNS rebinding), so the Host header is checked. It could
 * also post across origins, which browsers allow for forms and plain text, so Origin,
 * Sec-Fetch-Site and Content-Type are checked. All checks also apply to a server that checks no
 * tokens.
 */
import type * as Headers from "effect/http/Headers"
import { isIP } from "node:net"
import { isLoopback } from "../../internal/net/loopback.ts"
import { type CatalogAnswer, catalogError } from "./catalogApi.ts"

/** The names under which a server accepts requests, in addition to those of loopback. */
export interface ServedHosts {
  /** Host names and addresses; IPv6 in brackets. */
  readonly names: ReadonlyArray<string>
  /**
   * Whether any IP address is accepted, for a server that other machines can reach. A page cannot
   * use DNS rebinding with an address.
   */
  readonly anyAddress: boolean
}

/** A Host header without its port, in lower case. */
const withoutPort = (host: string): string => host.replace(/:\d{1,5}$/, "").toLowerCase()

const isAddress = (host: string): boolean =>
  isIP(/^\[.*\]$/.test(host) ? host.slice(1, -1) : host) !== 0

const isServed = (header: string | undefined, { anyAddress, names }: ServedHosts): boolean => {
  if (header === undefined) return false
  const host = withoutPort(header)
  return (
    isLoopback(host) ||
    names.some((name) => name.toLowerCase() === host) ||
    (anyAddress && isAddress(host))
  )
}

/** Methods that change nothing. */
const reading: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"])

/** Whether a page of another origin sent the request. Programs send neither header. */
const isCrossOrigin = (headers: Headers.Headers): boolean => {
  const { host, origin } = headers
  const site = headers["sec-fetch-site"]
  if (site !== undefined && site !== "same-origin" && site !== "none") return true
  if (origin === undefined) return false
  try {
    return new URL(origin).host !== new URL(`http://${host}`).host
  } catch {
    // "null", sent by pages without an origin.
    return true
  }
}

/** Why a request is refused regardless of its token; undefined when it is not. */
export const refuseAccess = (
  { headers, method }: { readonly headers: Headers.Headers; readonly method: string },
  hosts: ServedHosts
): CatalogAnswer | undefined => {
  if (!isServed(headers["host"], hosts)) {
    return catalogError(
      421,
      "INVALID_HOST",
      "The Host header does not name this server. To accept another name, start the server with " +
        "the command " +
        "zerobus local --allow-host NAME, or the option hostNames."
    )
  }
  return !reading.has(method) && isCrossOrigin(headers)
    ? catalogError(403, "CROSS_ORIGIN", "A page of another origin may not change anything here.")
    : undefined
}

/** The accepted content types of a body. */
export type BodyKind = "application/json" | "application/x-www-form-urlencoded"

/** Why a body is refused because of its Content-Type; undefined when it matches. */
export const refuseBody = (headers: Headers.Headers, kind: BodyKind): CatalogAnswer | undefined =>
  headers["content-type"]?.split(";")[0]?.trim().toLowerCase() === kind
    ? undefined
    : catalogError(
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        `The body needs the header Content-Type: ${kind}.`
      )
