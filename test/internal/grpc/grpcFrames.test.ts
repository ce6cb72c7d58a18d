/**
 * Requests sent without a copy: the installed grpc-js allows it, they arrive unchanged, and reused
 * memory never shows up on a connection that was given up.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Queue, Scope } from "effect"
import { GrpcTransport, Transport } from "effect-zerobus"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import type { AddressInfo } from "node:net"
import { FREE_ROOM, HEAD_ROOM, stampHeader } from "../../../src/internal/protobuf/envelope.ts"
import { FrameSender } from "../../../src/internal/grpc/grpcFrames.ts"

interface Peer {
  readonly port: number
  readonly bytes: () => Buffer
}

/** A flow control window that never blocks a test: only the socket blocks. */
const WINDOW = 256 * 1024 * 1024

/** A server that collects the bytes of its first call. */
const peer = () =>
  Effect.acquireRelease(
    Effect.callback<Peer & { readonly stop: () => void }>((resume) => {
      const server = Http2.createServer({ settings: { initialWindowSize: WINDOW } })
      const parts: Array<Buffer> = []
      server.on("session", (session) => {
        session.on("error", () => {})
        session.setLocalWindowSize(WINDOW)
      })
      server.on("stream", (stream) => {
        stream.respond({ ":status": 200, "content-type": "application/grpc" })
        // The response to the first request: an empty message.
        stream.write(Buffer.alloc(5))
        stream.on("error", () => {})
        stream.on("data", (part: Buffer) => parts.push(part))
      })
      server.listen(0, "127.0.0.1", () => {
        resume(
          Effect.succeed({
            port: (server.address() as AddressInfo).port,
            bytes: () => Buffer.concat(parts),
            stop: () => server.close()
          })
        )
      })
    }),
    ({ stop }) => Effect.sync(stop)
  )

/** A path to the server that can stop reading, like a slow network. */
const slowPath = (target: number) =>
  Effect.acquireRelease(
    Effect.callback<{
      readonly port: number
      readonly pause: () => void
      readonly resume: () => void
      /** Whether bytes have arrived that were not read. */
      readonly waiting: () => boolean
      readonly bytes: () => Buffer
      readonly closed: Promise<void>
      readonly stop: () => void
    }>((resume) => {
      const closed = Promise.withResolvers<void>()
      const parts: Array<Buffer> = []
      let near: Net.Socket | undefined
      const server = Net.createServer((socket) => {
        near = socket
        const far = Net.connect(target, "127.0.0.1")
        socket.on("data", (part) => {
          parts.push(part as Buffer)
          far.write(part)
        })
        far.pipe(socket)
        for (const each of [socket, far]) each.on("error", () => {})
        socket.on("close", () => {
          far.destroy()
          closed.resolve()
        })
      })
      server.listen(0, "127.0.0.1", () => {
        resume(
          Effect.succeed({
            port: (server.address() as AddressInfo).port,
            pause: () => near?.pause(),
            resume: () => near?.resume(),
            waiting: () => near?.isPaused() === true && (near?.readableLength ?? 0) > 0,
            bytes: () => Buffer.concat(parts),
            closed: closed.promise,
            stop: () => {
              near?.destroy()
              server.close()
            }
          })
        )
      })
    }),
    ({ stop }) => Effect.sync(stop)
  )

const open = (port: number, connectionPerStream = true) =>
  Effect.gen(function* () {
    const layer = GrpcTransport.layer({
      serverEndpoint: `http://127.0.0.1:${port}`,
      connectionPerStream
    })
    const transport = Context.get(yield* Layer.build(layer), Transport)
    return yield* transport.open({})
  })

const until = (condition: () => boolean) =>
  Effect.callback<void>((resume) => {
    const look = () => {
      if (condition()) resume(Effect.void)
      else setImmediate(look)
    }
    look()
  })

/** Splits gRPC frames; an incomplete frame at the end is left out. */
const messagesOf = (bytes: Buffer): ReadonlyArray<Buffer> => {
  const messages: Array<Buffer> = []
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    if (end > bytes.length) break
    assert.strictEqual(bytes[at], 0)
    messages.push(bytes.subarray(at + 5, end))
    at = end
  }
  return messages
}

/** A request of this size with room in front, in a separate buffer. */
const requestOf = (size: number, fill: number): Uint8Array =>
  Buffer.alloc(FREE_ROOM + size, fill).subarray(FREE_ROOM)

const content = (messages: ReadonlyArray<Uint8Array>) =>
  messages.map((message) => [message.length, message[0], message.at(-1)])

describe("requests sent from where they lie", () => {
  for (const connectionPerStream of [true, false]) {
    it.live(
      `arrive unchanged and in order, ` +
        `${connectionPerStream ? "framed in place" : "copied on a shared connection"}`,
      () =>
        Effect.gen(function* () {
          const server = yield* peer()
          const scope = yield* Scope.make()
          const call = yield* open(server.port, connectionPerStream).pipe(Scope.provide(scope))
          call.sendUnsafe(Uint8Array.from([1, 2, 3]))
          yield* Queue.take(call.responses)
          const requests = [10, 300_000, 1, 70_000, 0, 5, 1_000_000].map((size, n) =>
            requestOf(size, n + 1)
          )
          const before = requests.map((request) => request.buffer.slice(0))
          for (const request of requests) {
            if (!call.sendUnsafe(request, FREE_ROOM)) yield* call.writable
          }
          yield* until(() => call.sentUnsafe() === requests.length + 1)
          yield* until(() => messagesOf(server.bytes()).length === requests.length + 1)
          const [first, ...rest] = messagesOf(server.bytes())
          assert.deepStrictEqual([...first!], [1, 2, 3])
          assert.deepStrictEqual(content(rest), content(requests))
          const untouched = requests.every((request, n) =>
            Buffer.from(before[n]!).equals(Buffer.from(request.buffer))
          )
          // The frame header in the room shows which path was used. The first request always takes
          // the regular path.
          assert.strictEqual(untouched, !connectionPerStream)
          yield* Scope.close(scope, Exit.void)
        })
    )
  }

  it.live("never show what their memory is used for after the call", () =>
    Effect.gen(function* () {
      const server = yield* peer()
      const path = yield* slowPath(server.port)
      const scope = yield* Scope.make()
      const call = yield* open(path.port).pipe(Scope.provide(scope))
      call.sendUnsafe(Uint8Array.from([1]))
      yield* Queue.take(call.responses)
      call.sendUnsafe(requestOf(10, 0xaa), FREE_ROOM)
      yield* call.writable
      path.pause()
      // More than socket buffers hold.
      const requests = Array.from({ length: 200 }, () => requestOf(200_000, 0xaa))
      for (const request of requests) call.sendUnsafe(request, FREE_ROOM)
      yield* until(() => path.waiting())
      // The sockets in between take some megabytes; then nothing moves any more.
      let last = 0
      let still = 0
      yield* until(() => {
        still = call.sentUnsafe() === last ? still + 1 : 0
        last = call.sentUnsafe()
        return still > 2000
      })
      assert.isBelow(call.sentUnsafe(), requests.length)
      yield* Scope.close(scope, Exit.void)
      for (const request of requests) Buffer.from(request.buffer).fill(0xbb)
      path.resume()
      yield* Effect.promise(() => path.closed)
      assert.isAbove(path.bytes().length, 1_000_000)
      assert.isFalse(path.bytes().includes(Buffer.alloc(64, 0xbb)))
    })
  )

  it("go the ordinary way where grpc-js looks different", () => {
    const request = requestOf(9, 7)
    const sent: Array<Uint8Array> = []
    /** The call chain of grpc-js, which ends in `passOn`. */
    const shape = (inner: object, passOn: (message: Buffer, written: () => void) => void) => ({
      call: {
        ...inner,
        sendMessageWithContext: (context: { readonly callback: () => void }, message: Buffer) => {
          sent.push(message)
          passOn(message, context.callback)
        }
      }
    })
    const say = (_: Buffer, written: () => void) => written()
    const silent = { write: () => assert.fail("it was written") }
    const compressing = { write: (_: Buffer, written: () => void) => written() }
    const shapes = [
      shape({}, say),
      shape({ call: { child: {} } }, say),
      shape({ call: { child: { http2Stream: silent } } }, say),
      // Belongs to an attempt that another one may replace.
      shape({ call: { child: { underlyingCalls: [{ call: { http2Stream: silent } }] } } }, say),
      shape({ call: { child: { http2Stream: compressing } } }, (_, written) =>
        compressing.write(Buffer.from([1, 0, 0, 0, 1, 9]), written)
      )
    ]
    for (const each of shapes) {
      const frames = new FrameSender(each as never, true)
      let written = 0
      for (let n = 0; n < 3; n++) frames.send(request, FREE_ROOM, () => written++)
      assert.strictEqual(written, 3)
      assert.isFalse(frames.direct)
      assert.isFalse(frames.probing)
    }
    assert.deepStrictEqual(
      sent.map((message) => [...message]),
      Array.from({ length: 3 * shapes.length }, () => Array.from({ length: 9 }, () => 7))
    )
  })

  it("have the room that is promised", () => {
    for (const size of [0, 100, 20_000, 10 * 1024 * 1024]) {
      const buffer = Buffer.alloc(HEAD_ROOM + size)
      for (const batch of [true, false]) {
        assert.isAtLeast(
          stampHeader(buffer, HEAD_ROOM, buffer.length, Number.MAX_SAFE_INTEGER, 0x12, batch),
          FREE_ROOM
        )
      }
    }
  })
})
