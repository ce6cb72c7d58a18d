/**
 * A TCP proxy on loopback that breaks connections deliberately: after a given number of bytes in
 * one direction, by FIN, by RST, or by swallowing all further bytes (a half-open connection).
 */
import { createServer, connect, type AddressInfo, type Socket } from "node:net"

export interface Cut {
  /** The direction of the counted bytes; `up` is from the client. */
  readonly direction: "up" | "down"
  readonly afterBytes: number
  readonly how: "fin" | "rst" | "blackhole"
}

export interface FaultProxy {
  readonly port: number
  /** Forwarded bytes, over all connections. */
  readonly bytes: { up: number; down: number }
  connections: number
  /** The number of open sockets. */
  readonly open: () => number
  /** Breaks all open connections now. */
  readonly cutAll: (how: "fin" | "rst" | "blackhole") => void
  readonly close: () => Promise<void>
}

/**
 * Starts a proxy to a port on loopback. `plan` returns how to break the n-th connection, from 0, or
 * undefined to leave it intact. `onCut` is called when a connection is broken.
 */
export const startFaultProxy = (
  upstreamPort: number,
  plan: (connection: number) => Cut | undefined,
  onCut: () => void = () => {}
): Promise<FaultProxy> =>
  new Promise((resolve) => {
    const sockets = new Set<Socket>()
    const cuts = new Set<(how: Cut["how"]) => void>()
    const server = createServer((client) => {
      const cut = plan(proxy.connections++)
      const upstream = connect(upstreamPort, "127.0.0.1")
      const passed = { up: 0, down: 0 }
      let broken = false
      for (const socket of [client, upstream]) {
        socket.setNoDelay()
        socket.on("error", () => {})
        sockets.add(socket)
        socket.on("close", () => {
          sockets.delete(socket)
          cuts.delete(breakNow)
        })
      }
      const breakNow = (how: Cut["how"]) => {
        if (broken) return
        broken = true
        onCut()
        if (how === "blackhole") return
        for (const socket of [client, upstream]) {
          // The server loses the connection at once; the client may still be writing to it.
          if (how === "rst") socket.resetAndDestroy()
          else if (socket === client) socket.end()
          else socket.destroySoon()
        }
        if (how === "fin")
          setTimeout(() => {
            client.destroy()
            upstream.destroy()
          }, 50).unref()
      }
      cuts.add(breakNow)
      const pipe = (direction: "up" | "down", from: Socket, to: Socket) => {
        const pass = (bytes: Buffer) => {
          passed[direction] += bytes.length
          proxy.bytes[direction] += bytes.length
          if (!to.write(bytes)) {
            from.pause()
            to.once("drain", () => from.resume())
          }
        }
        from.on("data", (bytes: Buffer) => {
          if (broken) return
          const left = cut?.direction === direction ? cut.afterBytes - passed[direction] : Infinity
          if (bytes.length < left) return pass(bytes)
          if (left > 0) pass(bytes.subarray(0, left))
          breakNow(cut!.how)
        })
        from.on("end", () => {
          if (!broken) to.end()
        })
        from.on("close", () => {
          // A black hole also hides the end of the other side. The client's own end frees the pair.
          if (!broken || from === client) to.destroy()
        })
      }
      pipe("up", client, upstream)
      pipe("down", upstream, client)
      if (cut !== undefined && cut.afterBytes === 0) breakNow(cut.how)
    })
    const proxy: FaultProxy = {
      port: 0,
      bytes: { up: 0, down: 0 },
      connections: 0,
      open: () => sockets.size,
      cutAll: (how) => {
        for (const cut of cuts) cut(how)
      },
      close: () =>
        new Promise((done) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => done())
        })
    }
    server.listen(0, "127.0.0.1", () => {
      Object.assign(proxy, { port: (server.address() as AddressInfo).port })
      resolve(proxy)
    })
  })
