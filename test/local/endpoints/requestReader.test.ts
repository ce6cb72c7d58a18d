/**
 * Requests that are read directly from the HTTP/2 stream: this works with the installed grpc-js,
 * each request arrives once and in order, none arrives while reading is paused, memory is freed
 * only when unused, and grpc-js handles invalid requests.
 */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Grpc from "@grpc/grpc-js"
import { EventEmitter } from "node:events"
import * as Http2 from "node:http2"
import { gzipSync } from "node:zlib"
import { RequestReader } from "../../../src/local/endpoints/requestReader.ts"
import { frame, messageOf } from "../../support/grpcFrame.ts"

const limit = 1024 * 1024

/** Handles the requests of the server's n-th call. */
type Handle = (reader: RequestReader, request: Uint8Array, call: number) => void

/** A grpc-js server that reads its calls like the local server, and a plain HTTP/2 client. */
const serve = async (handle: Handle, prepare: (reader: RequestReader) => void = () => {}) => {
  const server = new Grpc.Server({ "grpc.max_receive_message_length": limit })
  const readers: Array<RequestReader> = []
  const bytes = (value: Buffer): Buffer => value
  server.register(
    "/a/b",
    (call: Grpc.ServerDuplexStream<Uint8Array, Uint8Array>) => {
      const reader = new RequestReader(call, limit)
      const number = readers.push(reader) - 1
      prepare(reader)
      call.on("error", () => {})
      call.sendMetadata(new Grpc.Metadata())
      reader.start((request) => handle(reader, request, number))
      call.on("end", () => call.end())
      call.on("cancelled", () => reader.end())
    },
    bytes as never,
    bytes as never,
    "bidi"
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", Grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error)
    )
  )
  const session = Http2.connect(`http://127.0.0.1:${port}`)
  session.on("error", () => {})
  const open = () => {
    const headers = {
      ":method": "POST",
      ":path": "/a/b",
      "content-type": "application/grpc",
      "te": "trailers"
    }
    const stream = session.request({ ...headers, "grpc-encoding": "gzip" })
    stream.on("error", () => {})
    stream.resume()
    const status = new Promise<string | undefined>((resolve) => {
      stream.once("trailers", (trailers) => resolve(trailers["grpc-status"] as string | undefined))
    })
    return { stream, status }
  }
  /** Waits until the server has read everything written before. */
  const settle = () => new Promise<void>((resolve) => session.ping(() => resolve()))
  const stop = () => {
    session.destroy()
    server.forceShutdown()
  }
  return { open, readers, settle, stop }
}

const write = (stream: Http2.ClientHttp2Stream, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve) => stream.write(bytes, () => resolve()))

describe("requests read from the HTTP/2 stream", () => {
  it("arrive once and in order with the installed grpc-js, up to the end of the call", async () => {
    const lengths = [3, 0, 40_000, 100, 200_000, 1, limit, 17_000]
    let arrived = 0
    const { open, readers, stop } = await serve((reader, request) => {
      assert.isTrue(reader.isDirect)
      assert.isTrue(messageOf(arrived, lengths[arrived]!).equals(request))
      arrived++
      if (arrived % 2 === 0) reader.release(request)
    })
    const { status, stream } = open()
    for (const [n, length] of lengths.entries()) await write(stream, frame(messageOf(n, length)))
    stream.end()
    assert.strictEqual(await status, "0")
    assert.strictEqual(arrived, lengths.length)
    assert.isTrue(readers[0]!.isDirect)
    stop()
  })

  it("do not arrive while reading is paused, in the middle of a chunk as well", async () => {
    const read: Array<number> = []
    const { open, readers, settle, stop } = await serve((reader, request) => {
      read.push(request[0]!)
      if (request[0]! % 3 === 2) reader.pause()
    })
    const { status, stream } = open()
    await write(stream, Buffer.concat(Array.from({ length: 7 }, (_, n) => frame(Buffer.from([n])))))
    await settle()
    assert.deepStrictEqual(read, [0, 1, 2])
    stream.end(frame(Buffer.from([7])))
    await settle()
    assert.deepStrictEqual(read, [0, 1, 2])
    readers[0]!.resume()
    await settle()
    assert.deepStrictEqual(read, [0, 1, 2, 3, 4, 5])
    readers[0]!.resume()
    assert.strictEqual(await status, "0")
    assert.deepStrictEqual(read, [0, 1, 2, 3, 4, 5, 6, 7])
    stop()
  })

  it("do not arrive while reading is paused from before it began", async () => {
    const read: Array<number> = []
    const { open, readers, settle, stop } = await serve(
      (_, request) => void read.push(request[0]!),
      (reader) => reader.pause()
    )
    const { stream } = open()
    for (const n of [1, 2]) {
      await write(stream, frame(Buffer.from([n])))
      await settle()
    }
    assert.deepStrictEqual(read, [])
    readers[0]!.resume()
    await settle()
    assert.deepStrictEqual(read, [1, 2])
    stop()
  })

  it("are dropped once the call is over, also from a paused one", async () => {
    const read: Array<number> = []
    const { open, readers, settle, stop } = await serve((reader, request) => {
      read.push(request[0]!)
      reader.pause()
    })
    const { status, stream } = open()
    await write(stream, Buffer.concat([frame(Buffer.from([1])), frame(Buffer.from([2]))]))
    await settle()
    stream.end(frame(Buffer.from([3])))
    readers[0]!.end()
    assert.strictEqual(await status, "0")
    assert.deepStrictEqual(read, [1])
    stop()
  })

  /** Sends messages of one chunk each, and returns the number whose memory was freed. */
  const freedAmong = async (releases: boolean, others: number): Promise<number> => {
    const requests: Array<Uint8Array> = []
    const { open, settle, stop } = await serve((reader, request) => {
      requests.push(request)
      if (releases) reader.release(request)
    })
    const rest = Array.from({ length: others }, open)
    const { stream } = open()
    for (let n = 0; n < 10; n++) {
      await write(stream, frame(messageOf(n, 1000)))
      await settle()
    }
    assert.lengthOf(requests, 10)
    const freed = requests.filter((request) => request.length === 0).length
    for (const [n, request] of requests.entries()) {
      if (request.length > 0) assert.isTrue(messageOf(n, 1000).equals(request))
    }
    for (const other of rest) other.stream.close()
    stop()
    return freed
  }

  it("lose their memory when they were released and the next chunk came", async () => {
    assert.strictEqual(await freedAmong(true, 0), 9)
  })

  it("keep it when they were not released", async () => {
    assert.strictEqual(await freedAmong(false, 0), 0)
  })

  it("keep it while the connection has another call", async () => {
    assert.strictEqual(await freedAmong(true, 1), 0)
  })

  it("keep it when a call before left a request in the same memory", async () => {
    const requests: Array<Uint8Array> = []
    const { open, settle, stop } = await serve((reader, request, call) => {
      requests.push(request)
      if (call === 1) reader.release(request)
    })
    const before = open()
    const after = open()
    await settle()
    // One write of the session, so that the server reads both at once.
    before.stream.end(frame(messageOf(0, 1000)))
    after.stream.write(frame(messageOf(1, 1000)))
    await before.status
    for (let n = 2; n < 5; n++) {
      await write(after.stream, frame(messageOf(n, 1000)))
      await settle()
    }
    assert.strictEqual(requests[0]!.buffer, requests[1]!.buffer)
    assert.isTrue(messageOf(0, 1000).equals(requests[0]!))
    assert.isTrue(messageOf(1, 1000).equals(requests[1]!))
    assert.lengthOf(requests[2]!, 0)
    stop()
  })

  it("are unpacked by grpc-js from a compressed one on", async () => {
    const read: Array<string> = []
    const { open, readers, settle, stop } = await serve((reader, request) => {
      read.push(`${request[0]} ${reader.isDirect}`)
      if (request[0] === 2) reader.pause()
    })
    const { status, stream } = open()
    const packed = frame(gzipSync(Buffer.from([2])), 1)
    await write(stream, Buffer.concat([frame(Buffer.from([1])), packed, frame(Buffer.from([3]))]))
    await vi.waitUntil(() => read.length === 2)
    stream.end()
    await settle()
    assert.deepStrictEqual(read, ["1 true", "2 false"])
    readers[0]!.resume()
    assert.strictEqual(await status, "0")
    assert.deepStrictEqual(read, ["1 true", "2 false", "3 false"])
    stop()
  })

  for (const [what, wrong, code] of [
    ["compressed in another way than its header says", frame(Buffer.from([9]), 1), "13"],
    ["above the limit", frame(Buffer.alloc(limit + 1)), "8"]
  ] as const) {
    it(`end the call when one is ${what}, by grpc-js's own status`, async () => {
      const read: Array<number> = []
      const { open, readers, stop } = await serve((_, request) => void read.push(request[0]!))
      const { status, stream } = open()
      await write(stream, Buffer.concat([frame(Buffer.from([1])), frame(Buffer.from([2])), wrong]))
      assert.strictEqual(await status, code)
      assert.deepStrictEqual(read, [1, 2])
      assert.isFalse(readers[0]!.isDirect)
      stop()
    })
  }

  it("come out of the call where grpc-js looks different", () => {
    for (const stream of [undefined, new EventEmitter(), new EventEmitter().on("data", () => {})]) {
      const call = Object.assign(new EventEmitter(), { call: { stream }, paused: 0, resumed: 0 })
      const pauses: Array<string> = []
      Object.assign(call, {
        pause: () => pauses.push("pause"),
        resume: () => pauses.push("resume")
      })
      const before = stream?.listenerCount("data")
      const reader = new RequestReader(call as never, limit)
      const read: Array<number> = []
      reader.start((request) => void read.push(request[0]!))
      call.emit("data", Buffer.from([4]))
      reader.pause()
      reader.resume()
      assert.deepStrictEqual(read, [4])
      assert.deepStrictEqual(pauses, ["pause", "resume"])
      assert.isFalse(reader.isDirect)
      assert.strictEqual(stream?.listenerCount("data"), before)
    }
  })
})
