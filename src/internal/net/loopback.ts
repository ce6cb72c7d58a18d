/**
 * Which hosts are this machine only: one rule for plain `http://`, for listening, and for `Host`
 * headers.
 */
import { BlockList, isIP } from "node:net"

const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

/**
 * Whether a host, in the form of a URL or a socket address, is a loopback address or `localhost`:
 * 127.0.0.0/8, `::1` in any spelling, IPv4 loopback addresses in IPv6 form, IPv6 with or without
 * brackets.
 *
 * Names below `localhost` do not count: a resolver may send them to a DNS server, which can return
 * any address.
 */
export const isLoopback = (host: string): boolean => {
  const address = /^\[.*\]$/.test(host) ? host.slice(1, -1) : host
  switch (isIP(address)) {
    case 4:
      // Only IPv6 addresses have brackets.
      return address === host && loopback.check(address, "ipv4")
    case 6:
      // A zone names an interface, so the address is more than a host.
      return !address.includes("%") && loopback.check(address, "ipv6")
    default:
      return host.toLowerCase() === "localhost"
  }
}
