/** Arrow batches over real gRPC: the bytes on the wire, and the splitting of large batches. */
import { assert, describe, it } from "@effect/vitest"
import * as Arrow from "apache-arrow"
import { Effect, type Layer, Redacted } from "effect"
import { Zerobus } from "effect-zerobus"
import { ArrowTable } from "../../src/arrow/index.ts"
import * as F from "../support/arrowAcceptance.ts"
import { type FlightScript, type Frame, ScriptedFlight } from "../support/scriptedFlight.ts"
import { scriptedGrpc } from "../support/scriptedGrpc.ts"
import { TestHeaders } from "../support/testHeaders.ts"

/** Sends records to a scripted server over TCP and returns what arrived. */
const received = (
  table: ArrowTable.ArrowTable,
  records: ReadonlyArray<ArrowTable.ArrowRecord>,
  ...scripts: ReadonlyArray<FlightScript>
) =>
  Effect.gen(function* () {
    const server = new ScriptedFlight(scripts)
    const { port } = yield* scriptedGrpc(server, undefined, {
      "grpc.max_receive_message_length": -1
    })
    const layer = Zerobus.layer({
      serverEndpoint: `http://127.0.0.1:${port}`,
      workspaceUrl: "http://127.0.0.1:9",
      clientId: "id",
      clientSecret: Redacted.make("secret"),
      stream: { headersProvider: TestHeaders, recoveryBackoff: 1 }
    })
    yield* Effect.gen(function* () {
      const zerobus = yield* Zerobus
      yield* zerobus.withStream(table, (stream) => Effect.forEach(records, stream.ingestRecord))
    }).pipe(Effect.provide(layer as Layer.Layer<Zerobus>))
    assert.deepStrictEqual(server.violations, [])
    return server
  })

/** A batch of `rows` rows with a text of `bytes` bytes each. */
const wide = (rows: number, bytes: number): Arrow.Table =>
  Arrow.tableFromArrays({
    n: Int32Array.from({ length: rows }, (_, n) => n),
    text: Array.from({ length: rows }, (_, n) => `${n}`.padEnd(bytes, "abcdefgh"))
  })

const plain = ArrowTable.make("a.b.c", F.schema, { compression: "none" })
const packed = ArrowTable.make("a.b.c", F.schema)

/** The compression of a frame's body, as Arrow numbers it, and the start of its buffers. */
const bodyOf = ({ header }: Frame) => {
  const field = (table: number, index: number): number => {
    const vtable = table - header.readInt32LE(table)
    const slot = 4 + index * 2
    const offset = slot < header.readUInt16LE(vtable) ? header.readUInt16LE(vtable + slot) : 0
    return offset === 0 ? 0 : table + offset
  }
  const follow = (at: number): number => at + header.readUInt32LE(at)
  const batch = follow(field(follow(0), 2))
  const buffers = follow(field(batch, 2))
  const compression = field(batch, 3)
  return {
    codec: compression === 0 ? undefined : header.readInt8(field(follow(compression), 0)),
    offsets: Array.from({ length: header.readUInt32LE(buffers) }, (_, index) =>
      Number(header.readBigInt64LE(buffers + 4 + index * 16))
    )
  }
}

describe("Arrow batches over gRPC", () => {
  it.live("AR-34 AR-36 are compressed with ZSTD, their buffers at multiples of 8 bytes", () =>
    Effect.gen(function* () {
      const rows = wide(2_000, 40)
      const server = yield* received(packed, [rows])
      const [frame] = server.last.frames
      assert.strictEqual(bodyOf(frame!).codec, 1)
      for (const offset of bodyOf(frame!).offsets) assert.strictEqual(offset % 8, 0)
      assert.isBelow(frame!.body.length, 40_000)
      assert.deepStrictEqual(server.last.table.toArray().map(String), rows.toArray().map(String))
    })
  )

  it.live("are compressed with LZ4", () =>
    Effect.gen(function* () {
      const rows = wide(2_000, 40)
      const table = ArrowTable.make("a.b.c", F.schema, { compression: "lz4" })
      const server = yield* received(table, [rows])
      const [frame] = server.last.frames
      assert.strictEqual(bodyOf(frame!).codec, 0)
      assert.isBelow(frame!.body.length, 80_000)
      assert.deepStrictEqual(server.last.table.toArray().map(String), rows.toArray().map(String))
    })
  )

  it.live("are sent as they are without compression, their buffers at multiples of 64 bytes", () =>
    Effect.gen(function* () {
      const rows = wide(2_000, 40)
      const server = yield* received(plain, [rows])
      const [frame] = server.last.frames
      assert.isUndefined(bodyOf(frame!).codec)
      for (const offset of bodyOf(frame!).offsets) assert.strictEqual(offset % 64, 0)
      assert.deepStrictEqual(server.last.table.toArray().map(String), rows.toArray().map(String))
    })
  )

  it.live("AR-35 have dictionary values instead of indexes", () =>
    Effect.gen(function* () {
      const rows = wide(10, 3)
      assert.isTrue(Arrow.DataType.isDictionary(rows.schema.fields[1]!.type))
      const server = yield* received(packed, [rows])
      assert.strictEqual(String(server.last.table.schema.fields[1]!.type), "LargeUtf8")
      assert.strictEqual(server.last.frames.length, 1)
    })
  )

  it.live("AR-43 are split by rows at 2 MiB before compression; one row is sent whole", () =>
    Effect.gen(function* () {
      const rows = wide(5_000, 1_000)
      const server = yield* received(packed, [rows, wide(1, 3 * 1024 * 1024)])
      const counts = server.last.frames.map((frame) => frame.rows)
      // 5,000 rows of 1,012 bytes and two bitmaps: three parts.
      assert.deepStrictEqual(counts, [1_666, 1_666, 1_666, 2, 1])
      assert.strictEqual(server.last.table.numRows, 5_001)
      assert.strictEqual(server.last.table.getChild("n")!.get(4_999), 4_999)
    })
  )

  it.live("continue after the durable rows when the connection is lost", () =>
    Effect.gen(function* () {
      let cut = false
      const server = yield* received(plain, [wide(30_000, 300)], {
        onFrame: (connection, frame) => {
          if (cut) return connection.ack(connection.rows)
          if (frame.offset === 1) connection.ack(connection.frames[0]!.rows + 5)
          if (frame.offset < 4) return
          cut = true
          connection.cut()
        }
      })
      const [first, second] = server.connections
      const durable = first!.frames[0]!.rows + 5
      assert.strictEqual(second!.rows, 30_000 - durable)
      assert.strictEqual(second!.table.getChild("n")!.get(0), durable)
      assert.strictEqual(second!.frames[0]!.rows, first!.frames[1]!.rows - 5)
    })
  )
})
