/**
 * Which hosts are this machine and nothing else: the one rule for plain `http://`, for listening,
 * and for `Host` headers.
 */
import { BlockList, isIP } from "node:net"

const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

/**
 * Whether a host, as a URL or a socket address writes it, is a loopback address or `localhost`:
 * 127.0.0.0/8, `::1` in any spelling, IPv4 addresses of loopback in IPv6 form, IPv6 with or without
 * brackets.
 *
 * Names below `localhost` are not: a resolver may send them to a DNS server, whose answer can be
 * any address.
 */
export const isLoopback = (host: string): boolean => {
  const address = /^\[.*\]$/.test(host) ? host.slice(1, -1) : host
  switch (isIP(address)) {
    case 4:
      // Brackets are for IPv6 alone.
      return address === host && loopback.check(address, "ipv4")
    case 6:
      // A zone names an interface, which is more than a host.
      return !address.includes("%") && loopback.check(address, "ipv6")
    default:
      return host.toLowerCase() === "localhost"
  }
}
