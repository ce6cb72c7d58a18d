/**
 * Parses the two endpoints of a client, once and strictly, so that only a host and a port pass.
 */
import * as Result from "effect/Result"
import { InvalidEndpoint } from "../../ZerobusError.ts"
import { isLoopback } from "./loopback.ts"

/** A parsed endpoint. */
export interface Endpoint {
  readonly secure: boolean
  /** Without brackets around an IPv6 address. */
  readonly host: string
  readonly port: number
  /** `https://host:port` without a path. */
  readonly origin: string
}

/** `host:port` in the form of URLs and messages, with brackets around an IPv6 address. */
export const authorityOf = ({
  host,
  port
}: {
  readonly host: string
  readonly port: number
}): string => `${host.includes(":") ? `[${host}]` : host}:${port}`

const dnsHost = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?$/
const ipv4 = /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/
const looksNumeric = /^(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*\.?$/i

/**
 * Whether a URL accepts the host unchanged: not so for broken punycode and names that end in a
 * number.
 */
const isUrlHost = (host: string): boolean =>
  URL.canParse(`https://${host}/`) && new URL(`https://${host}/`).hostname === host

/**
 * Parses `host`, `host:port`, `https://host[:port]`, IPv6 with or without brackets; the default
 * port is 443. `http://` is allowed for loopback addresses only. `what` names the setting in the
 * message.
 */
export const parseEndpoint = (
  text: string,
  what: string
): Result.Result<Endpoint, InvalidEndpoint> => {
  const refuse = (rule: string) =>
    Result.fail(
      new InvalidEndpoint({ message: `${what} ${rule}. Give it as https://host or host:port.` })
    )
  const trimmed = text.trim()
  if (trimmed === "") return refuse("is empty")
  if (/[\s\\%]/.test(trimmed) || !/^[\x21-\x7e]+$/.test(trimmed))
    return refuse("has characters that a host cannot have")
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(trimmed)?.[1]?.toLowerCase()
  if (scheme !== undefined && scheme !== "https" && scheme !== "http")
    return refuse(`has the scheme ${scheme}, which is not https`)
  let rest = scheme === undefined ? trimmed : trimmed.slice(scheme.length + 3)
  // Addresses copied from a browser end with a slash.
  if (rest.endsWith("/")) rest = rest.slice(0, -1)
  if (rest.includes("@")) return refuse("contains credentials, which are not allowed there")
  if (/[/?#]/.test(rest)) return refuse("has a path, query or fragment")
  const secure = scheme !== "http"
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/i.exec(rest)
  const bareIpv6 =
    match === null && /^[0-9a-f:]*:[0-9a-f:.]*:[0-9a-f:.]*$/i.test(rest) ? rest : undefined
  if (match === null && bareIpv6 === undefined) return refuse("is not a host with an optional port")
  const host = (match?.[1] ?? match?.[2] ?? bareIpv6!).toLowerCase()
  const port = match?.[3] === undefined ? (secure ? 443 : 80) : Number(match[3])
  if (port < 1 || port > 65_535) return refuse("has a port outside 1 to 65535")
  const isIpv6 = match?.[1] !== undefined || bareIpv6 !== undefined
  if (isIpv6) {
    if (!URL.canParse(`http://[${host}]/`)) return refuse("is not a valid IPv6 address")
  } else if (
    (looksNumeric.test(host) ? !ipv4.test(host) : !dnsHost.test(host)) ||
    !isUrlHost(host)
  ) {
    return refuse("is not a valid host name or IPv4 address")
  }
  if (!secure && !isLoopback(host))
    return refuse("uses plain http, which is allowed for loopback addresses only")
  return Result.succeed({
    secure,
    host,
    port,
    origin: `${secure ? "https" : "http"}://${authorityOf({ host, port })}`
  })
}

/**
 * The workspace id: the first label of a Zerobus host such as
 * `1234.zerobus.us-west-2.cloud.databricks.com`; `local` for an IPv6 address.
 */
export const workspaceId = ({ host }: Endpoint): string =>
  host.includes(":") ? "local" : host.split(".")[0]!
