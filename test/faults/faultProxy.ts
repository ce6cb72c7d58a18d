/**
 * A TCP proxy on loopback that breaks connections on purpose: after a given number of bytes in one
 * direction, by FIN, by RST, or by swallowing everything from then on (a half-open connection).
 */
import { createServer, connect, type AddressInfo, type Socket } from "node:net"

export interface Cut {
  /** Which way the counted bytes go: `up` is from the client. */
  readonly direction: "up" | "down"
  readonly afterBytes: number
  readonly how: "fin" | "rst" | "blackhole"
}

export interface FaultProxy {
  readonly port: number
  /** Bytes that went through, over all connections. */
  readonly bytes: { up: number; down: number }
  connections: number
  /** Sockets that are open right now. */
  readonly open: () => number
  /** Breaks every open connection now. */
  readonly cutAll: (how: "fin" | "rst" | "blackhole") => void
  readonly close: () => Promise<void>
}

/**
 * Starts a proxy to a port on loopback. `plan` says how the n-th connection, from 0, is to break;
 * undefined leaves it alone. `onCut` is called when one breaks.
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
          // The server is rid of the connection at once, while the client may still write to it.
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
          // A black hole hides the other side's end, too; the client's own end frees the pair.
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
