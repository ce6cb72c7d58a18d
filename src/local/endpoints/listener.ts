/**
 * A listening socket as a scoped resource. It tracks the accepted sockets, so that closing ends
 * them too, and a scripted fault can cut one below its protocol.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type AddressInfo, createServer, type Socket } from "node:net"

/**
 * The port could not be opened.
 *
 * @since 0.1.0
 * @category errors
 */
export class PortUnavailable extends Data.TaggedError("PortUnavailable")<{
  /** The address to listen on. */
  readonly host: string
  /** The requested port. */
  readonly port: number
  /** The code of the operating system, such as `EADDRINUSE`. */
  readonly code: string
}> {
  /** What happened and what to do, as full sentences. */
  override get message(): string {
    return this.code === "EADDRINUSE"
      ? `Port ${this.port} on ${this.host} is in use. Stop the program that uses it, or choose ` +
          `another port (0 takes a free one).`
      : `Port ${this.port} on ${this.host} cannot be opened (${this.code}). Choose another host ` +
          `or port.`
  }
}

/** A listening socket. */
export interface Listener {
  /** The actual port, also when port 0 was requested. */
  readonly port: number
  /** The open connection with this remote address and port. */
  readonly socketOf: (peer: string) => Socket | undefined
  /** Completes when no connection is open, or after `limitMillis`. */
  readonly drained: (limitMillis: number) => Effect.Effect<void>
}

/**
 * The most open connections of one port, so that a faulty client cannot exhaust the process's
 * handles.
 */
const maxConnections = 2048

/** Listens until the scope closes. `accept` gets every connection. Fails with `PortUnavailable`. */
export const listen = Effect.fnUntraced(function* (options: {
  readonly host: string
  readonly port: number
  readonly accept: (socket: Socket) => void
}): Effect.fn.Return<Listener, PortUnavailable, Scope.Scope> {
  const { accept, host, port } = options
  const sockets = new Map<string, Socket>()
  let whenDrained = () => {}
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createServer({ noDelay: true }, (socket) => {
        const peer = `${socket.remoteAddress}:${socket.remotePort}`
        sockets.set(peer, socket)
        socket.once("close", () => {
          sockets.delete(peer)
          if (sockets.size === 0) whenDrained()
        })
        // Without a listener, a reset by the client would be an uncaught error.
        socket.on("error", () => {})
        accept(socket)
      })
    ),
    (server) =>
      Effect.callback<void>((resume) => {
        for (const socket of sockets.values()) socket.destroy()
        if (server.listening) server.close(() => resume(Effect.void))
        else resume(Effect.void)
      })
  )
  server.maxConnections = maxConnections
  yield* Effect.callback<void, PortUnavailable>((resume) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(new PortUnavailable({ host, port, code: error.code ?? "unknown" })))
    )
    server.listen({ host, port, exclusive: true }, () => resume(Effect.void))
  })
  server.removeAllListeners("error")
  server.on("error", () => {})
  return {
    port: (server.address() as AddressInfo).port,
    socketOf: (peer) => sockets.get(peer),
    drained: (limitMillis) =>
      Effect.callback<void>((resume) => {
        whenDrained = () => resume(Effect.void)
        if (sockets.size === 0) resume(Effect.void)
      }).pipe(Effect.timeoutOption(limitMillis), Effect.asVoid)
  }
})
