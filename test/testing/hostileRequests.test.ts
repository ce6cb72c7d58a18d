/**
 * Hostile and broken clients: the server refuses each request, keeps its memory bounded, and serves
 * the next call.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Random } from "effect"
import { ZerobusLocal, type ZerobusLocalShape } from "effect-zerobus/testing"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import { headersFor, openCreated, openRaw } from "../support/rawStream.ts"

const table = "main.default.orders"
const path = "/databricks.zerobus.Zerobus/EphemeralStream"

const stillServes = Effect.fnUntraced(function* (local: ZerobusLocalShape) {
  const { stream } = yield* openCreated(local, table)
  yield* stream.send({ ingestRecord: { offsetId: 0, jsonRecord: '{"id":1}' } })
  assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 0)
})

/** Resolves when the peer has closed the socket. */
const rawTcp = (endpoint: string, bytes: ReadonlyArray<Buffer>) =>
  Effect.callback<void>((resume) => {
    const url = new URL(endpoint)
    const socket = Net.connect(Number(url.port), url.hostname)
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.void))
    socket.resume()
    for (const part of bytes) socket.write(part)
    socket.end()
  })

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
const frame = (type: number, flags: number, streamId: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(streamId, 5)
  return Buffer.concat([head, payload])
}

layer(ZerobusLocal.layerServerMemory({ auditBytes: 1024 * 1024 }), { excludeTestServices: true })(
  "the server",
  (it) => {
    it.effect("survives garbage instead of messages", () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* local.createTable(`${table}(id BIGINT)`)
        const headers = yield* headersFor(local, table)
        for (let n = 0; n < 300; n++) {
          const stream = yield* openRaw(local.serverEndpoint, headers)
          if (n % 2 === 0) {
            yield* stream.send({ createStream: { tableName: table, recordType: 2 } })
            yield* stream.next
          }
          const length = yield* Random.nextIntBetween(0, 200)
          const bytes = yield* Effect.forEach(Array.from({ length }), () =>
            Random.nextIntBetween(0, 256)
          )
          yield* stream.sendBytes(Uint8Array.from(bytes))
          yield* stream.halfClose
          const { code } = yield* stream.end
          assert.include([0, 3, 5, 12], code)
        }
        yield* stillServes(local)
      }).pipe(Effect.scoped, Random.withSeed("garbage"))
    )

    it.effect("survives lengths beyond the message", () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const giants = [
          [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f],
          [0x1a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
          [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
          [0x12, 0x06, 0x08, 0x00, 0x1a, 0xff, 0xff, 0x7f],
          [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
        ]
        for (const giant of giants) {
          const { stream } = yield* openCreated(local, table)
          yield* stream.sendBytes(Uint8Array.from(giant))
          const end = yield* stream.end
          assert.strictEqual(end.code, 3)
          assert.match(end.message, /not a valid protobuf message|no payload/)
        }
        yield* stillServes(local)
      })
    )

    it.effect(
      "survives a batch of too many records, and refuses one above the transport's limit",
      () =>
        Effect.gen(function* () {
          const local = yield* ZerobusLocal
          const { stream } = yield* openCreated(local, table)
          const empty = Buffer.alloc(2 * 300_000)
          for (let n = 0; n < empty.length; n += 2) empty[n] = 0x0a
          const length = Buffer.of(
            0x80 | (empty.length & 127),
            0x80 | ((empty.length >> 7) & 127),
            empty.length >> 14
          )
          const inner = Buffer.concat([Buffer.of(0x08, 0, 0x1a), length, empty])
          const size = Buffer.of(
            0x80 | (inner.length & 127),
            0x80 | ((inner.length >> 7) & 127),
            inner.length >> 14
          )
          yield* stream.sendBytes(Buffer.concat([Buffer.of(0x1a), size, inner]))
          const end = yield* stream.end
          assert.match(end.message, /more than 200000 records/)
          const other = yield* openCreated(local, table)
          yield* other.stream.sendBytes(Buffer.alloc(17 * 1024 * 1024))
          assert.strictEqual((yield* other.stream.end).code, 8)
          yield* stillServes(local)
        })
    )

    it.effect("refuses huge and deep descriptors (V7)", () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        let deep = Buffer.from([0x0a, 1, 0x54])
        for (let n = 0; n < 400; n++) {
          const length =
            deep.length < 128 ? [deep.length] : [0x80 | (deep.length & 127), deep.length >> 7]
          deep = Buffer.concat([Buffer.from([0x0a, 1, 0x54, 0x1a, ...length]), deep])
        }
        const field = Buffer.from([0x12, 8, 0x0a, 1, 0x61, 0x18, 1, 0x20, 1, 0x28])
        const many = Buffer.concat(
          Array.from({ length: 200_000 }, () => Buffer.concat([field, Buffer.of(3)]))
        )
        for (const descriptorProto of [
          deep,
          many,
          Buffer.alloc(9 * 1024 * 1024, 0x12),
          Buffer.of(0xff)
        ]) {
          const stream = yield* openRaw(local.serverEndpoint, yield* headersFor(local, table))
          yield* stream.send({ createStream: { tableName: table, descriptorProto } })
          assert.strictEqual((yield* stream.end).code, 3)
        }
        yield* stillServes(local)
      })
    )

    it.effect("survives rapid resets of calls (V5)", () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* Effect.callback<void>((resume) => {
          const session = Http2.connect(local.serverEndpoint)
          session.on("error", () => {})
          session.on("close", () => resume(Effect.void))
          let left = 20_000
          const burst = () => {
            for (let n = 0; n < 500 && left > 0 && !session.destroyed; n++, left--) {
              const call = session.request({
                ":method": "POST",
                ":path": path,
                "content-type": "application/grpc"
              })
              call.on("error", () => {})
              call.close(Http2.constants.NGHTTP2_CANCEL)
            }
            if (left > 0 && !session.destroyed) setImmediate(burst)
            else session.close()
          }
          session.on("connect", burst)
          return Effect.sync(() => session.destroy())
        })
        yield* stillServes(local)
      })
    )

    it.effect("survives a CONTINUATION flood and frames that are none (V5)", () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const settings = frame(4, 0, 0, Buffer.alloc(0))
        const flood = Array.from({ length: 2000 }, () => frame(9, 0, 1, Buffer.alloc(1000, 0x40)))
        yield* rawTcp(local.serverEndpoint, [
          preface,
          settings,
          frame(1, 0, 1, Buffer.of(0x82)),
          ...flood
        ])
        yield* rawTcp(local.serverEndpoint, [preface, Buffer.alloc(100_000, 0xff)])
        yield* rawTcp(local.serverEndpoint, [
          Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        ])
        yield* rawTcp(local.serverEndpoint, [Buffer.alloc(50_000, 0)])
        yield* stillServes(local)
      })
    )

    it.effect("refuses headers that are too large", () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const headers = yield* headersFor(local, table)
        const stream = yield* openRaw(local.serverEndpoint, {
          ...headers,
          "x-large": "y".repeat(200_000)
        })
        assert.notStrictEqual((yield* stream.end).code, 0)
        yield* stillServes(local)
      })
    )

    it.effect("keeps the audit within its bound (V6)", () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* local.createTable("main.default.large(item STRING)")
        const { stream } = yield* openCreated(local, "main.default.large")
        const jsonRecord = JSON.stringify({ item: "z".repeat(300_000) })
        for (let n = 0; n < 10; n++)
          yield* stream.send({ ingestRecord: { offsetId: n, jsonRecord } })
        yield* stream.halfClose
        assert.strictEqual((yield* stream.end).code, 0)
        const audit = yield* local.audit("main.default.large")
        assert.isFalse(audit.complete)
        assert.deepStrictEqual(audit.perConnection[0]!.received, [])
        assert.strictEqual(audit.ackedRecords, 10)
        assert.strictEqual(audit.ackedButMissing, 0)
      })
    )
  }
)
