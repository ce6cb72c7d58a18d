/**
 * Which HTTP requests are let in by where they go, where they come from, and what they carry,
 * before any token is looked at.
 *
 * A page in a browser must not use a server on loopback: neither through a name of its own that
 * leads there (DNS rebinding, so the Host header counts), nor by posting across origins, which
 * browsers allow for forms and plain text (so Origin, Sec-Fetch-Site and Content-Type count). Each
 * of these holds for a server that checks no tokens, too.
 */
import type * as Headers from "effect/http/Headers"
import { isIP } from "node:net"
import { isLoopback } from "../../internal/net/loopback.ts"
import { type CatalogAnswer, catalogError } from "./catalogApi.ts"

/** Under which names a server may be asked for, beside those of loopback. */
export interface ServedHosts {
  /** Host names and addresses; IPv6 in brackets. */
  readonly names: ReadonlyArray<string>
  /**
   * Whether any address will do, as for a server that others may reach. No page can choose an
   * address.
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

/** Whether a page of another origin makes the request. Programs send neither header. */
const isCrossOrigin = (headers: Headers.Headers): boolean => {
  const { host, origin } = headers
  const site = headers["sec-fetch-site"]
  if (site !== undefined && site !== "same-origin" && site !== "none") return true
  if (origin === undefined) return false
  try {
    return new URL(origin).host !== new URL(`http://${host}`).host
  } catch {
    // "null", which pages without an origin send.
    return true
  }
}

/** Why a request is refused whatever token it has; undefined when it is not. */
export const refuseAccess = (
  { headers, method }: { readonly headers: Headers.Headers; readonly method: string },
  hosts: ServedHosts
): CatalogAnswer | undefined => {
  if (!isServed(headers["host"], hosts)) {
    return catalogError(
      421,
      "INVALID_HOST",
      "The Host header names another server than this one. A name of this one has to be given " +
        "to it: " +
        "zerobus local --allow-host NAME, or the option hostNames."
    )
  }
  return !reading.has(method) && isCrossOrigin(headers)
    ? catalogError(403, "CROSS_ORIGIN", "A page of another origin may not change anything here.")
    : undefined
}

/** What a body is read as. */
export type BodyKind = "application/json" | "application/x-www-form-urlencoded"

/** Why a body is refused by its header; undefined when it is what it has to be. */
export const refuseBody = (headers: Headers.Headers, kind: BodyKind): CatalogAnswer | undefined =>
  headers["content-type"]?.split(";")[0]?.trim().toLowerCase() === kind
    ? undefined
    : catalogError(
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        `The body has to come with the header Content-Type: ${kind}.`
      )
