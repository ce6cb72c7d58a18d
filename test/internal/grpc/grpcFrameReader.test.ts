/**
 * Responses read from the HTTP/2 stream: the installed grpc-js allows it, each response arrives
 * once and in order however its bytes are cut, and grpc-js reads invalid ones.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Grpc from "@grpc/grpc-js"
import { Context, Effect, Layer, Queue } from "effect"
import { GrpcTransport, Transport } from "effect-zerobus"
import { EventEmitter } from "node:events"
import * as Http2 from "node:http2"
import type { AddressInfo } from "node:net"
import { FrameReader } from "../../../src/internal/grpc/grpcFrameReader.ts"
import { LARGEST_RESPONSE, plainChannel } from "../../../src/internal/grpc/grpcReplies.ts"
import { seeded } from "../../support/randomTables.ts"
import { frame } from "../../support/grpcFrame.ts"

const identity = (bytes: Buffer): Buffer => bytes

/** A server that responds to each call with what `respond` writes. */
const startServer = async (respond: (stream: Http2.ServerHttp2Stream) => void) => {
  const server = Http2.createServer()
  const sessions = new Set<Http2.ServerHttp2Session>()
  server.on("session", (session) => sessions.add(session))
  server.on("stream", (stream) => {
    stream.on("error", () => {})
    const headers = { ":status": 200, "content-type": "application/grpc" }
    stream.respond(headers, { waitForTrailers: true })
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }))
    respond(stream)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const stop = async () => {
    for (const session of sessions) session.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  return { target: `127.0.0.1:${(server.address() as AddressInfo).port}`, stop }
}

/** A call to such a server, read like the transport reads it. */
const realCall = async (respond: (stream: Http2.ServerHttp2Stream) => void) => {
  const { stop, target } = await startServer(respond)
  const client = new Grpc.Client(target, Grpc.credentials.createInsecure(), {
    "channelFactoryOverride": plainChannel,
    "grpc.enable_retries": 0,
    "grpc.max_receive_message_length": LARGEST_RESPONSE
  })
  const call = client.makeBidiStreamRequest("/a/b", identity, identity, new Grpc.Metadata())
  const read: Array<number> = []
  /** Responses that took the regular path. */
  const ordinary: Array<number> = []
  const reader = new FrameReader(call, (response) => void read.push(response[0]!))
  call.on("data", (bytes: Buffer) => {
    reader.arrived(bytes)
    ordinary.push(bytes[0]!)
    read.push(bytes[0]!)
  })
  call.on("error", () => {})
  call.once("metadata", () => reader.watch())
  const status = new Promise<Grpc.StatusObject>((resolve) => call.once("status", resolve))
  call.write(Buffer.from([1]))
  return {
    ordinary,
    read,
    reader,
    status,
    stop: () => {
      client.close()
      return stop()
    }
  }
}

type Parts = ReadonlyArray<Uint8Array>

/** Writes these one after another, each after the client had a turn for the previous one. */
const writeEach = async (stream: Http2.ServerHttp2Stream, parts: Parts): Promise<void> => {
  for (const part of parts) {
    await new Promise<void>((resolve) => stream.write(part, () => resolve()))
    await new Promise<void>((resolve) => stream.session!.ping(() => resolve()))
  }
}

/** A call with the internal structure of grpc-js, whose HTTP/2 stream the test controls. */
const fakeCall = () => {
  const stream = new EventEmitter()
  const given: Array<Buffer> = []
  stream.on("data", (chunk: Buffer) => void given.push(chunk))
  const read: Array<Uint8Array> = []
  const call = { call: { call: { child: { child: { http2Stream: stream } } } } }
  const reader = new FrameReader(call as never, (response) => void read.push(response))
  reader.watch()
  /** A response through grpc-js, after which the next ones are read from the stream. */
  const becomeDirect = () => {
    stream.emit("data", frame(Buffer.from([7])))
    reader.arrived(Buffer.from([7]))
    assert.isTrue(reader.direct)
    given.length = 0
  }
  return { stream, given, read, reader, becomeDirect }
}

describe("responses read from the HTTP/2 stream", () => {
  it("arrive once and in order with the installed grpc-js, up to the end of the call", async () => {
    const count = 40
    const call = await realCall((stream) => {
      const parts = Array.from({ length: count }, (_, n) => frame(Buffer.from([n, n])))
      void writeEach(stream, parts).then(() => stream.end(frame(Buffer.from([count]))))
    })
    assert.strictEqual((await call.status).code, Grpc.status.OK)
    assert.deepStrictEqual(
      call.read,
      Array.from({ length: count + 1 }, (_, n) => n)
    )
    assert.isTrue(call.reader.direct)
    // The first responses take the regular path. If a version of grpc-js lets more of them do so,
    // check why.
    assert.isAtMost(call.ordinary.length, 5)
    await call.stop()
  })

  it("are passed to the transport's listener, after those that came before", async () => {
    const count = 30
    const { stop, target } = await startServer((stream) => {
      const parts = Array.from({ length: count }, (_, n) => frame(Buffer.from([n])))
      stream.once("data", () => void writeEach(stream, parts).then(() => stream.end()))
    })
    let ordinary = 0
    const { prototype } = Grpc.Client
    const { makeBidiStreamRequest } = prototype
    const counting = function (this: Grpc.Client, ...given: Array<unknown>) {
      const call = Reflect.apply(makeBidiStreamRequest, this, given)
      return call.on("data", () => ordinary++)
    }
    const restore = Effect.sync(() => Object.assign(prototype, { makeBidiStreamRequest }))
    Object.assign(prototype, { makeBidiStreamRequest: counting })
    const read: Array<number> = []
    await Effect.gen(function* () {
      const layer = GrpcTransport.layer({ serverEndpoint: `http://${target}`, proxy: false })
      const call = yield* Context.get(yield* Layer.build(layer), Transport).open({})
      call.sendUnsafe(Buffer.from([1]))
      read.push((yield* Queue.take(call.responses))[0]!)
      call.onResponseUnsafe!((response) => void read.push(response[0]!))
      const end = yield* Effect.flip(Queue.take(call.responses))
      assert.strictEqual(end._tag, "Done")
    }).pipe(Effect.scoped, Effect.ensuring(restore), Effect.runPromise)
    assert.deepStrictEqual(
      read,
      Array.from({ length: count }, (_, n) => n)
    )
    assert.isAtMost(ordinary, 5)
    await stop()
  })

  for (const [what, wrong, code] of [
    ["compressed", frame(Buffer.from([9]), 1), Grpc.status.INTERNAL],
    ["above the limit", frame(Buffer.alloc(LARGEST_RESPONSE + 1)), Grpc.status.RESOURCE_EXHAUSTED]
  ] as const) {
    it(`end the call when one is ${what}, by grpc-js's own status`, async () => {
      const call = await realCall((stream) => {
        const parts = Array.from({ length: 10 }, (_, n) => frame(Buffer.from([n])))
        const last = Buffer.concat([frame(Buffer.from([10])), wrong])
        void writeEach(stream, parts).then(() => stream.write(last))
      })
      assert.strictEqual((await call.status).code, code)
      assert.deepStrictEqual(
        call.read,
        Array.from({ length: 11 }, (_, n) => n)
      )
      assert.isFalse(call.reader.direct)
      await call.stop()
    })
  }

  it("are whole however their bytes are cut", () => {
    const random = seeded(5)
    const below = (limit: number) => Math.floor(random() * limit)
    for (let round = 0; round < 500; round++) {
      const bytesBelow = (limit: number) => Array.from({ length: below(limit) }, () => below(256))
      const messages = Array.from({ length: below(12) }, () => bytesBelow(20))
      const { becomeDirect, given, read, stream } = fakeCall()
      becomeDirect()
      const bytes = Buffer.concat(messages.map((message) => frame(Buffer.from(message))))
      const longest = 1 + below(30)
      for (let at = 0; at < bytes.length;) {
        const end = at + 1 + below(longest)
        stream.emit("data", bytes.subarray(at, end))
        at = end
      }
      assert.deepStrictEqual(
        read.map((response) => [...response]),
        messages
      )
      assert.deepStrictEqual(given, [])
    }
  })

  it("are given back from the wrong frame on, with the bytes of it that had come", () => {
    const { becomeDirect, given, read, reader, stream } = fakeCall()
    becomeDirect()
    const wrong = frame(Buffer.from([5, 6]), 1)
    stream.emit("data", Buffer.concat([frame(Buffer.from([1])), wrong.subarray(0, 3)]))
    assert.deepStrictEqual(given, [])
    stream.emit("data", wrong.subarray(3))
    const later = frame(Buffer.from([2]))
    stream.emit("data", later)
    assert.deepStrictEqual(Buffer.concat(given), Buffer.concat([wrong, later]))
    assert.deepStrictEqual([...read[0]!], [1])
    assert.strictEqual(read.length, 1)
    assert.isFalse(reader.direct)
  })

  it("are delivered no more once the call is over, in the middle of a chunk as well", () => {
    const { becomeDirect, read, reader, stream } = fakeCall()
    becomeDirect()
    stream.emit("data", Buffer.concat([frame(Buffer.from([1])), frame(Buffer.from([2]))]))
    assert.strictEqual(read.length, 2)
    read.push = () => {
      reader.end()
      return 0
    }
    stream.emit("data", Buffer.concat([frame(Buffer.from([3])), frame(Buffer.from([4]))]))
    assert.isFalse(reader.direct)
    stream.emit("data", frame(Buffer.from([5])))
    assert.strictEqual(read.length, 2)
  })

  it("go the ordinary way while what came out is not all that came in", () => {
    const { given, reader, stream } = fakeCall()
    const one = frame(Buffer.from([1]))
    const two = frame(Buffer.from([2]))
    for (const [chunks, responses] of [
      [[Buffer.concat([one, two])], [[1], [2]]],
      [
        [one, two],
        [[1], [2]]
      ],
      [[one.subarray(0, 3), one.subarray(3)], [[1]]],
      [[two], [[1]]]
    ] as const) {
      const before = given.length
      for (const chunk of chunks) stream.emit("data", chunk)
      for (const response of responses) reader.arrived(Buffer.from(response))
      assert.isFalse(reader.direct)
      assert.strictEqual(given.length, before + chunks.length)
    }
  })

  it("go the ordinary way where grpc-js looks different", () => {
    const deliver = () => assert.fail("it was read")
    const silent = new EventEmitter()
    const watched = new EventEmitter().on("data", () => {}).on("data", () => {})
    for (const http2Stream of [undefined, silent, watched]) {
      const before = http2Stream?.listenerCount("data")
      const call = { call: { call: { child: { http2Stream } } } }
      const reader = new FrameReader(call as never, deliver)
      reader.watch()
      http2Stream?.emit("data", frame(Buffer.from([1])))
      reader.arrived(Buffer.from([1]))
      assert.isFalse(reader.direct)
      assert.strictEqual(http2Stream?.listenerCount("data"), before)
    }
  })
})
