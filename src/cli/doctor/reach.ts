/**
 * Checks the connection to an endpoint step by step: proxy, name, TCP, TLS. It uses the client's
 * own connector.
 */
import * as Effect from "effect/Effect"
import { lookup } from "node:dns/promises"
import * as Net from "node:net"
import { TLSSocket } from "node:tls"
import { complete, firstHop, type Route, toFailure } from "../../internal/net/connector.ts"
import { authorityOf, type Endpoint } from "../../internal/net/endpoint.ts"
import { proxyName } from "../../internal/net/proxy.ts"
import { routeTo } from "../../internal/net/route.ts"
import { type CheckList, type Found, finding, type Finding } from "./checkList.ts"

const byProxy = "If this network reaches the internet through a proxy, set https_proxy."

const steps = ["proxy", "name", "TCP", "TLS"] as const

/**
 * Checks each step to the endpoint. Returns true when all succeed. `who` names the endpoint in the
 * report.
 */
export const reach = Effect.fnUntraced(function* (
  checks: CheckList,
  who: string,
  endpoint: Endpoint | undefined,
  protocol: Route["protocol"]
): Effect.fn.Return<boolean> {
  const names = steps.map((step) => `${who}: ${step}`) as [string, string, string, string]
  const skipFrom = (step: number): false => {
    checks.skip("not tried", ...names.slice(step))
    return false
  }
  if (endpoint === undefined) return skipFrom(0)
  const route = (yield* checks.run(names[0], routeOf(endpoint, protocol)))?.value
  if (route === undefined) return skipFrom(1)
  if ((yield* checks.run(names[1], named(route))) === undefined) return skipFrom(2)
  const socket = (yield* checks.run(names[2], connected(route)))?.value
  if (socket === undefined) return skipFrom(3)
  if (route.security === undefined && route.proxy === undefined) {
    checks.skip("plaintext, allowed on loopback", names[3])
    socket.destroy()
    return true
  }
  return (yield* checks.run(names[3], completed(route, socket))) !== undefined
})

const routeOf = (
  endpoint: Endpoint,
  protocol: Route["protocol"]
): Effect.Effect<Found<Route>, Finding> =>
  routeTo(endpoint, {}, protocol).pipe(
    Effect.map((route) => ({
      detail: route.proxy === undefined ? "none, the connection is direct" : proxyName(route.proxy),
      value: route
    })),
    Effect.mapError(({ message }) => finding(message, "Correct the variable, or unset it."))
  )

const named = (route: Route): Effect.Effect<Found<void>, Finding> => {
  const { host } = firstHop(route)
  if (Net.isIP(host) !== 0)
    return Effect.succeed({ detail: `${host} is an address`, value: undefined })
  return Effect.tryPromise({
    try: () => lookup(host, { all: true }),
    catch: (error) =>
      finding(
        `${host} has no address (${(error as NodeJS.ErrnoException).code ?? "unknown"})`,
        `Check its spelling. ${byProxy}`,
        true
      )
  }).pipe(
    Effect.map((found) => ({
      detail: `${host} is ${found.map(({ address }) => address).join(", ")}`,
      value: undefined
    }))
  )
}

const connected = (route: Route): Effect.Effect<Found<Net.Socket>, Finding> =>
  Effect.callback((resume) => {
    const hop = firstHop(route)
    const where = route.proxy === undefined ? authorityOf(hop) : proxyName(route.proxy)
    const socket = Net.connect(hop)
    socket.once("connect", () => {
      socket.removeAllListeners("error")
      // Handles errors until the next step adds its own listener.
      socket.on("error", () => {})
      resume(Effect.succeed({ detail: `connected to ${where}`, value: socket }))
    })
    socket.once("error", (error) => {
      const { code } = toFailure(error)
      const advice =
        code === "ECONNREFUSED"
          ? "Nothing listens there. Check the host and the port, and that the server runs."
          : byProxy
      resume(Effect.fail(finding(`${where} could not be reached (${code})`, advice, true)))
    })
    return Effect.sync(() => socket.destroy())
  })

const completed = (route: Route, socket: Net.Socket): Effect.Effect<Found<void>, Finding> =>
  Effect.tryPromise({
    try: (signal) => complete(route, socket, signal),
    catch: (error) => {
      const { code, message, tls } = toFailure(error)
      // Retrying helps when a proxy fails, not when it refuses the host.
      const isRefused = code.startsWith("PROXY_4")
      const advice = isRefused
        ? "Ask the proxy's administrators to allow CONNECT to this host and port. If it can be " +
          "reached directly, list it in no_proxy."
        : !tls
          ? "Check the port and the network path."
          : /SELF_SIGNED|UNABLE_TO|DEPTH_ZERO|INVALID_CA/.test(code)
            ? "Its certificate authority is not trusted here. Set NODE_EXTRA_CA_CERTS to a PEM " +
              "file with it."
            : /ALTNAME|HOSTNAME/.test(code)
              ? "The certificate is for another host. Check the host's name."
              : "Check that the port uses TLS."
      return finding(`${message} (${code})`, advice, !tls && !isRefused)
    }
  }).pipe(
    Effect.map((open) => {
      const detail =
        open instanceof TLSSocket
          ? `${open.getProtocol() ?? "TLS"}, the certificate is valid`
          : "plain"
      open.destroy()
      return {
        detail: route.proxy === undefined ? detail : `${detail}, through the proxy`,
        value: undefined
      }
    })
  )
