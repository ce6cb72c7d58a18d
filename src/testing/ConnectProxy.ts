/**
 * An HTTP proxy on loopback that supports only CONNECT and can misbehave on request, for tests of
 * programs that use a proxy.
 *
 * @packageDocumentation
 *
 * @example
 * const proxy = yield* ConnectProxy.make("tunnel")
 * const client = Zerobus.layer({ serverEndpoint, proxy: Redacted.make(proxy.url) })
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Net from "node:net"
import { PortUnavailable } from "../local/endpoints/listener.ts"

/**
 * How the proxy handles a request for a tunnel: opens it, never answers, answers with something
 * other than HTTP, refuses it with a status, or opens it only for these credentials
 * (`user:password`).
 *
 * @since 0.1.0
 * @category models
 */
export type Behaviour =
  | "tunnel"
  | "silent"
  | "garbage"
  | {
      /** The status of the answer. */
      readonly refuse: number
    }
  | {
      /** `user:password`. */
      readonly credentials: string
    }

/**
 * A running proxy.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectProxy {
  /** `http://127.0.0.1:port`. */
  readonly url: string
  /** The requested targets (`host:port`), in order. */
  readonly requests: Effect.Effect<ReadonlyArray<string>>
  /** Changes the behaviour for further requests. */
  readonly behave: (behaviour: Behaviour) => Effect.Effect<void>
  /** Breaks all tunnels without notifying either end. */
  readonly cut: Effect.Effect<void>
}

const host = "127.0.0.1"

/**
 * Starts a proxy on a free port of 127.0.0.1 until the scope closes. Fails with `PortUnavailable`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  behaviour: Behaviour = "tunnel"
): Effect.fn.Return<ConnectProxy, PortUnavailable, Scope.Scope> {
  let current = behaviour
  const requests: Array<string> = []
  const sockets = new Set<Net.Socket>()
  const keep = (socket: Net.Socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.once("close", () => sockets.delete(socket))
  }
  const server = Http.createServer((_, response) => {
    response.writeHead(405).end()
  })
  server.on("connection", keep)
  server.on(
    "connect",
    ({ headers, url = "" }: Http.IncomingMessage, socket: Net.Socket, head: Buffer) => {
      requests.push(url)
      const refuse = (status: number) =>
        socket.end(`HTTP/1.1 ${status} ${Http.STATUS_CODES[status] ?? "Refused"}\r\n\r\n`)
      if (current === "silent") return
      if (current === "garbage") return void socket.end("not HTTP at all\r\n\r\n")
      if (typeof current === "object") {
        if ("refuse" in current) return void refuse(current.refuse)
        const expected = `Basic ${Buffer.from(current.credentials).toString("base64")}`
        if (headers["proxy-authorization"] !== expected) return void refuse(407)
      }
      const colon = url.lastIndexOf(":")
      const upstream = Net.connect(
        Number(url.slice(colon + 1)),
        url.slice(0, colon).replace(/^\[|\]$/g, "")
      )
      keep(upstream)
      upstream.once("connect", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
        upstream.write(head)
        upstream.pipe(socket)
        socket.pipe(upstream)
      })
      upstream.once("close", () => socket.destroy())
      socket.once("close", () => upstream.destroy())
    }
  )
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  yield* Effect.acquireRelease(
    Effect.callback<void, PortUnavailable>((resume) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        resume(Effect.fail(new PortUnavailable({ host, port: 0, code: error.code ?? "unknown" })))
      )
      server.listen(0, host, () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        cut()
        server.close(() => resume(Effect.void))
      })
  )
  return {
    url: `http://${host}:${(server.address() as Net.AddressInfo).port}`,
    requests: Effect.sync(() => [...requests]),
    behave: (next) =>
      Effect.sync(() => {
        current = next
      }),
    cut: Effect.sync(cut)
  }
})
