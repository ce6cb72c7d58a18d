/**
 * What counts as sent: requests held back by a server's flow control have not left, on a separate
 * connection and on a shared one.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Queue } from "effect"
import { GrpcTransport, Transport } from "effect-zerobus"
import * as Http2 from "node:http2"
import type { AddressInfo } from "node:net"
import { FREE_ROOM, HEAD_ROOM, stampHeader } from "../../../src/internal/protobuf/envelope.ts"

/**
 * A server that responds to each call, reads requests only on command, and counts what it reads.
 */
const stingyServer = Effect.acquireRelease(
  Effect.callback<{
    readonly port: number
    readonly read: () => void
    readonly bytes: () => number
    readonly stop: () => void
  }>((resume) => {
    const streams: Array<Http2.ServerHttp2Stream> = []
    const sessions: Array<Http2.ServerHttp2Session> = []
    let bytes = 0
    const server = Http2.createServer()
    server.on("session", (session) => {
      sessions.push(session)
      session.on("error", () => {})
    })
    server.on("stream", (stream) => {
      streams.push(stream)
      stream.on("error", () => {})
      stream.respond({ ":status": 200, "content-type": "application/grpc" })
      stream.write(Buffer.alloc(5))
    })
    server.listen(0, "127.0.0.1", () =>
      resume(
        Effect.succeed({
          port: (server.address() as AddressInfo).port,
          read: () => {
            for (const stream of streams)
              stream.on("data", (part: Buffer) => void (bytes += part.length))
          },
          bytes: () => bytes,
          stop: () => {
            for (const session of sessions) session.destroy()
            server.close()
          }
        })
      )
    )
  }),
  ({ stop }) => Effect.sync(stop)
)

/** A request of this size with room in front. */
const request = (size: number): Uint8Array => {
  const buffer = Buffer.alloc(HEAD_ROOM + size, 65)
  return buffer.subarray(
    stampHeader(buffer, HEAD_ROOM, buffer.length, 0, 0x12, false),
    buffer.length
  )
}

const until = (condition: () => boolean) =>
  Effect.andThen(Effect.sleep(1), Effect.sync(condition)).pipe(
    Effect.repeat({ until: (met) => met })
  )

describe("requests to a server that reads nothing", () => {
  for (const connectionPerStream of [true, false]) {
    for (const [calls, size] of [
      [1, 100_000],
      [1, 70_000],
      [3, 100_000],
      [1, 1_000_000]
    ] as const) {
      const where = connectionPerStream ? "connections of their own" : "a shared connection"
      it.live(
        `have not left, ${calls} x 8 of ${size} bytes on ${where}, and count in order once it ` +
          `reads`,
        () =>
          Effect.gen(function* () {
            const server = yield* stingyServer
            const serverEndpoint = `http://127.0.0.1:${server.port}`
            const layer = GrpcTransport.layer({ serverEndpoint, connectionPerStream })
            const transport = Context.get(yield* Layer.build(layer), Transport)
            const opened = yield* Effect.forEach(Array.from({ length: calls }), () =>
              transport.open({})
            )
            for (const call of opened) {
              call.sendUnsafe(Buffer.from("create"))
              yield* Queue.take(call.responses)
              yield* Effect.forkChild(
                Effect.gen(function* () {
                  for (let n = 0; n < 8; n++) {
                    if (!call.sendUnsafe(request(size), FREE_ROOM)) yield* call.writable
                  }
                })
              )
            }
            yield* Effect.sleep(100)
            // The create request has left. The window takes a part of the next one, which does not
            // count.
            assert.deepStrictEqual(
              opened.map((call) => call.sentUnsafe()),
              opened.map(() => 1)
            )
            const seen: Array<number> = []
            opened[0]!.onSentUnsafe(() => void seen.push(opened[0]!.sentUnsafe()))
            server.read()
            yield* until(() => opened.every((call) => call.sentUnsafe() === 9))
            assert.deepStrictEqual(seen, [2, 3, 4, 5, 6, 7, 8, 9])
            yield* until(() => server.bytes() >= calls * 8 * size)
          }).pipe(Effect.scoped)
      )
    }
  }
})
