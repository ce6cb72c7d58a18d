/**
 * An HTTP/2 server that writes its frames itself, so that it can write invalid ones. Without a
 * fault it serves the Zerobus stream correctly: it answers the create request and acknowledges
 * every message.
 */
import { createServer, type AddressInfo, type Socket } from "node:net"
import { ackResponse, createdResponse, readRequest } from "../../src/local/stream/streamMessages.ts"

export const frameTypes = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9
}

const PREFACE_LENGTH = 24

export const frame = (
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = new Uint8Array()
): Buffer => {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

const uint32 = (...values: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => bytes.writeUInt32BE(value >>> 0, index * 4))
  return bytes
}

/** A header field that is not added to the dynamic table. */
const literal = (name: string, value: string): Buffer =>
  Buffer.concat([
    Buffer.of(0x00, name.length),
    Buffer.from(name),
    Buffer.of(value.length),
    Buffer.from(value)
  ])

const responseHeaders = Buffer.concat([
  Buffer.of(0x88),
  literal("content-type", "application/grpc")
])

export const trailers = (status: number, message = ""): Buffer =>
  Buffer.concat([
    literal("grpc-status", String(status)),
    ...(message === "" ? [] : [literal("grpc-message", message)])
  ])

export const grpcMessage = (
  message: Uint8Array,
  compressed = 0,
  length = message.length
): Buffer => {
  const prefix = Buffer.alloc(5)
  prefix[0] = compressed
  prefix.writeUInt32BE(length >>> 0, 1)
  return Buffer.concat([prefix, message])
}

/** One client connection, at the moment of a fault. */
export interface RawConnection {
  readonly socket: Socket
  readonly stream: number
  readonly data: (bytes: Uint8Array, endStream?: boolean) => void
  readonly trailers: (status: number, message?: string) => void
  readonly rst: (code: number) => void
  readonly goaway: (lastStream: number, code: number) => void
  readonly raw: (bytes: Uint8Array) => void
}

/**
 * What a fault does when the `n`-th gRPC message (0 is the create request) has arrived. If it
 * returns true, the server does not answer as usual.
 */
export type RawFault = (connection: RawConnection, message: number) => boolean

export interface RawServer {
  readonly port: number
  connections: number
  /** The wire offsets received on each connection. */
  readonly offsets: Array<Array<number>>
  readonly close: () => Promise<void>
}

/**
 * Starts the server. `fault` returns the fault of the n-th connection, or undefined for correct
 * behaviour. `onPing` returns true if it handled a ping itself.
 */
export const startRawServer = (
  fault: (connection: number) => RawFault | undefined,
  onPing: (connection: RawConnection, number: number) => boolean = () => false
): Promise<RawServer> =>
  new Promise((resolve) => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.setNoDelay()
      socket.on("error", () => {})
      socket.on("close", () => sockets.delete(socket))
      const number = raw.connections++
      const misbehave = fault(number)
      const offsets: Array<number> = (raw.offsets[number] = [])
      let input = Buffer.alloc(0)
      let preface = false
      let body = Buffer.alloc(0)
      let messages = 0
      let stopped = false
      let stream = 0
      const write = (bytes: Uint8Array) => {
        if (!socket.destroyed) socket.write(bytes)
      }
      const connection = (): RawConnection => ({
        socket,
        stream,
        data: (bytes, endStream = false) =>
          write(frame(frameTypes.data, endStream ? 1 : 0, stream, bytes)),
        trailers: (status, message) =>
          write(frame(frameTypes.headers, 5, stream, trailers(status, message))),
        rst: (code) => write(frame(frameTypes.rstStream, 0, stream, uint32(code))),
        goaway: (lastStream, code) =>
          write(frame(frameTypes.goaway, 0, 0, uint32(lastStream, code))),
        raw: write
      })
      const message = (bytes: Buffer) => {
        const count = messages++
        const request = readRequest(bytes)
        if (request._tag === "Ingest" && request.offset !== undefined) offsets.push(request.offset)
        if (stopped || (misbehave?.(connection(), count) ?? false)) {
          stopped = true
          return
        }
        const { data } = connection()
        if (request._tag === "Create") data(grpcMessage(createdResponse(`raw-${number}`)))
        else if (request._tag === "Ingest") data(grpcMessage(ackResponse(request.offset)))
      }
      const received = (type: number, flags: number, id: number, payload: Buffer) => {
        if (type === frameTypes.settings && (flags & 1) === 0)
          write(frame(frameTypes.settings, 1, 0))
        if (type === frameTypes.ping && (flags & 1) === 0 && !onPing(connection(), number)) {
          write(frame(frameTypes.ping, 1, 0, payload))
        }
        if (type === frameTypes.headers) {
          stream = id
          if (!(stopped ||= misbehave?.(connection(), -1) ?? false))
            write(frame(frameTypes.headers, 4, id, responseHeaders))
        }
        if (type !== frameTypes.data) return
        if (payload.length > 0) {
          write(frame(frameTypes.windowUpdate, 0, 0, uint32(payload.length)))
          write(frame(frameTypes.windowUpdate, 0, id, uint32(payload.length)))
        }
        body = Buffer.concat([body, payload])
        while (body.length >= 5 && body.length >= 5 + body.readUInt32BE(1)) {
          const end = 5 + body.readUInt32BE(1)
          message(body.subarray(5, end))
          body = body.subarray(end)
        }
        if ((flags & 1) !== 0 && !stopped) connection().trailers(0)
      }
      write(frame(frameTypes.settings, 0, 0))
      socket.on("data", (bytes: Buffer) => {
        input = Buffer.concat([input, bytes])
        if (!preface) {
          if (input.length < PREFACE_LENGTH) return
          preface = true
          input = input.subarray(PREFACE_LENGTH)
        }
        while (input.length >= 9) {
          const length = input.readUIntBE(0, 3)
          if (input.length < 9 + length) return
          const [type, flags, id] = [input[3]!, input[4]!, input.readUInt32BE(5) & 0x7fffffff]
          const payload = Buffer.from(input.subarray(9, 9 + length))
          input = input.subarray(9 + length)
          received(type, flags, id, payload)
        }
      })
    })
    const raw: RawServer = {
      port: 0,
      connections: 0,
      offsets: [],
      close: () =>
        new Promise((done) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => done())
        })
    }
    server.listen(0, "127.0.0.1", () => {
      Object.assign(raw, { port: (server.address() as AddressInfo).port })
      resolve(raw)
    })
  })
