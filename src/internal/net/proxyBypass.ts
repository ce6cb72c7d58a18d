/**
 * The list of hosts that are reached without a proxy, in the format of curl and Go.
 *
 * | entry | matches |
 * | --- | --- |
 * | `*` | every host |
 * | `example.com`, `.example.com`, `*.example.com` | the name and every name below it |
 * | `10.1.2.3`, `::1`, `[::1]` | the address, in any spelling |
 * | `10.0.0.0/8`, `2001:db8::/32` | the addresses of the range |
 * | a name or address with `:port` | the same, on that port only |
 *
 * Names are not resolved: a range matches only hosts that are written as an address.
 */
import { BlockList, isIP } from "node:net"
import type { Endpoint } from "./endpoint.ts"

/** Whether an entry of the list, separated by commas or spaces, matches the host. */
export const bypasses = (
  list: string,
  { host, port }: Pick<Endpoint, "host" | "port">
): boolean => {
  const family = isIP(host)
  const name = host.replace(/\.$/, "")
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === "*") return true
      // A port follows a bracket or the only colon: an IPv6 address has several colons.
      const [, bracketed, plain, itsPort] =
        /^(?:\[([^[\]]*)\]|([^:[\]]+))(?::(\d+))?$/.exec(entry) ?? []
      if (itsPort !== undefined && Number(itsPort) !== port) return false
      if (family !== 0) return isInRange(bracketed ?? plain ?? entry, host, family)
      const domain = plain?.replace(/^\*?\./, "") ?? ""
      return domain !== "" && (name === domain || name.endsWith(`.${domain}`))
    })
}

/** Whether an address or a range, such as `10.0.0.0/8`, contains the address. */
const isInRange = (range: string, host: string, family: number): boolean => {
  const [, address = "", prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(range) ?? []
  const rangeFamily = isIP(address)
  if (rangeFamily === 0 || address.includes("%")) return false
  const bits = prefix === undefined ? undefined : Number(prefix)
  if (bits !== undefined && bits > (rangeFamily === 4 ? 32 : 128)) return false
  const addresses = new BlockList()
  if (bits === undefined) addresses.addAddress(address, rangeFamily === 4 ? "ipv4" : "ipv6")
  else addresses.addSubnet(address, bits, rangeFamily === 4 ? "ipv4" : "ipv6")
  return addresses.check(host, family === 4 ? "ipv4" : "ipv6")
}
