/**
 * A proxy on loopback that supports only CONNECT, plain or with TLS, and can misbehave on request.
 * It resolves names below `example.com` to loopback, so that a test server can have a name that
 * only the proxy reaches.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"

/** How the proxy handles a request for a tunnel. */
export type ProxyBehaviour =
  | "tunnel"
  | "silent"
  | "garbage"
  | { readonly refuse: number }
  | { readonly credentials: string }

export interface ConnectProxy {
  readonly port: number
  /** The requested targets, in order. */
  readonly tunnels: ReadonlyArray<string>
}

export const connectProxy = (
  behaviour: ProxyBehaviour = "tunnel",
  tls?: { readonly cert: string; readonly key: string }
): Effect.Effect<ConnectProxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const tunnels: Array<string> = []
    const sockets = new Set<Net.Socket>()
    const server =
      tls === undefined ? Http.createServer() : Https.createServer({ cert: tls.cert, key: tls.key })
    server.on("connection", (socket: Net.Socket) => sockets.add(socket))
    server.on("connect", (request: Http.IncomingMessage, socket: Net.Socket, head: Buffer) => {
      socket.on("error", () => {})
      tunnels.push(request.url ?? "")
      if (behaviour === "silent") return
      if (behaviour === "garbage") return socket.end("not HTTP at all\r\n\r\n")
      const answer = (status: number, reason: string) =>
        socket.end(`HTTP/1.1 ${status} ${reason}\r\n\r\n`)
      if (typeof behaviour === "object" && "refuse" in behaviour)
        return answer(behaviour.refuse, "No")
      if (typeof behaviour === "object") {
        const expected = `Basic ${Buffer.from(behaviour.credentials).toString("base64")}`
        if (request.headers["proxy-authorization"] !== expected)
          return answer(407, "Proxy Authentication Required")
      }
      const [host = "", port = ""] = (request.url ?? "").split(/:(?=\d+$)/)
      const address = host.endsWith(".example.com") ? "127.0.0.1" : host.replace(/^\[|\]$/g, "")
      const upstream = Net.connect(Number(port), address, () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
        upstream.write(head)
        upstream.pipe(socket)
        socket.pipe(upstream)
      })
      sockets.add(upstream)
      upstream.on("error", () => socket.destroy())
      return undefined
    })
    const port = yield* Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        server.listen(0, "127.0.0.1", () =>
          resume(Effect.succeed((server.address() as Net.AddressInfo).port))
        )
      }),
      () =>
        Effect.callback<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => resume(Effect.void))
        })
    )
    return { port, tunnels }
  })
