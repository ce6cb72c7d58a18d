/**
 * Record batch messages written by this package, read by the Arrow library.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  compressionRegistry,
  Field,
  Int32,
  Schema,
  Table,
  tableFromIPC,
  tableToIPC,
  Utf8
} from "apache-arrow"
import { zstdCompressSync, zstdDecompressSync } from "node:zlib"
import {
  type BodyCompression,
  writeBatchMessage
} from "../../../src/internal/flight/batchMessage.ts"
import { readFlightData, readOffsetMetadata } from "../../../src/internal/flight/flightData.ts"
import { FRAME_ROOM, stampFrame } from "../../../src/internal/flight/flightFrame.ts"
import { END_OF_STREAM, messagesOf } from "../../../src/internal/flight/ipcStream.ts"
import { ChunkWriter } from "../../../src/internal/landing/chunk.ts"

/** Its number in Arrow's format. */
const ZSTD = 1

compressionRegistry.set(ZSTD, { decode: (bytes) => zstdDecompressSync(bytes) })

const zstd: BodyCompression = { codec: ZSTD, compress: zstdCompressSync }

const schema = new Schema([new Field("n", new Int32(), true), new Field("text", new Utf8(), true)])
const schemaMessage = tableToIPC(new Table(schema), "stream").subarray(0, -8)

const bytesOf = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

/** A batch of `rows` rows: n and its text, null in every third row. */
const batch = (rows: number) => {
  const numbers = Int32Array.from({ length: rows }, (_, n) => n)
  const texts = Array.from({ length: rows }, (_, n) => Buffer.from(`row ${n}`))
  const offsets = new Int32Array(rows + 1)
  texts.forEach(({ length }, n) => (offsets[n + 1] = offsets[n]! + length))
  const valid = new Uint8Array((rows + 7) >> 3)
  let nullCount = 0
  for (let n = 0; n < rows; n++) {
    if (n % 3 === 0) nullCount++
    else valid[n >> 3]! |= 1 << (n & 7)
  }
  return {
    rows,
    nodes: [
      { length: rows, nullCount },
      { length: rows, nullCount: 0 }
    ],
    buffers: [valid, bytesOf(numbers), new Uint8Array(0), bytesOf(offsets), Buffer.concat(texts)]
  }
}

/** A batch without rows, which has no body. */
const nothing = {
  rows: 0,
  nodes: Array.from({ length: 2 }, () => ({ length: 0, nullCount: 0 })),
  buffers: Array.from({ length: 5 }, () => new Uint8Array(0))
}

/** The message, after some bytes that were written before. */
const written = (rows: number, compression: BodyCompression | undefined): Uint8Array => {
  const writer = new ChunkWriter()
  writer.begin(32)
  writeBatchMessage(writer, batch(rows), compression)
  return Uint8Array.from(writer.buffer.subarray(writer.mark, writer.position))
}

const streamOf = (...messages: ReadonlyArray<Uint8Array>): Buffer =>
  Buffer.concat([schemaMessage, ...messages, END_OF_STREAM])

describe("a record batch message", () => {
  for (const [name, compression] of [
    ["uncompressed", undefined],
    ["compressed with ZSTD", zstd]
  ] as const) {
    it.each([1, 7, 100, 40_000])(`${name} is read by the Arrow library: %i rows`, (rows) => {
      const table = tableFromIPC(streamOf(written(rows, compression), written(2, compression)))
      assert.strictEqual(table.numRows, rows + 2)
      for (const row of [0, 1, 2, rows - 1].filter((each) => each < rows)) {
        const { n, text } = table.get(row)!.toJSON()
        assert.strictEqual(n, row % 3 === 0 ? null : row)
        assert.strictEqual(text, `row ${row}`)
      }
    })
  }

  it("aligns buffers at 64 bytes, and at 8 when they are compressed", () => {
    for (const [compression, alignment] of [
      [undefined, 64],
      [zstd, 8]
    ] as const) {
      const message = Buffer.from(written(1_000, compression))
      const [found] = messagesOf(message, 0, message.length)
      const metadata = message.subarray(8, found!.body)
      const nodes = metadata.readUInt32LE(92)
      const buffers = 96 + nodes * 16 + 4
      const count = metadata.readUInt32LE(buffers)
      assert.strictEqual(count, 5)
      for (let index = 0; index < count; index++) {
        assert.strictEqual(Number(metadata.readBigInt64LE(buffers + 4 + index * 16)) % alignment, 0)
      }
      assert.strictEqual(message.length % 8, 0)
    }
  })

  it("is found again in a stream, with its rows", () => {
    const stream = streamOf(written(5, zstd), written(9, undefined))
    const messages = messagesOf(stream, 0, stream.length)
    assert.deepStrictEqual(
      messages.map(({ rows }) => rows),
      [undefined, 5, 9]
    )
    assert.strictEqual(messages.at(-1)!.end, stream.length - END_OF_STREAM.length)
  })

  it.each([
    [0, 0],
    [1, 7],
    [40_000, 2 ** 53 - 1]
  ])("of %i rows is sent from where it lies, as frame %i", (rows, number) => {
    const writer = new ChunkWriter()
    writer.begin(32)
    writeBatchMessage(writer, rows === 0 ? nothing : batch(rows), undefined)
    const { buffer, mark, position } = writer
    const before = Buffer.from(buffer.subarray(mark, position))
    const [message] = messagesOf(buffer, mark, position)
    // The same batch on two connections.
    stampFrame(buffer, message!, 123_456)
    const frame = stampFrame(buffer, message!, number)
    assert.strictEqual(frame.buffer, buffer.buffer)
    assert.isAtLeast(frame.byteOffset - buffer.byteOffset - mark, FRAME_ROOM + 8 + 4)
    const { body, header, metadata } = readFlightData(frame)!
    assert.strictEqual(readOffsetMetadata(metadata!), number)
    assert.isTrue(before.subarray(message!.body - mark).equals(body))
    // As a server reads it: the header is a separate message.
    const prefix = Buffer.alloc(8)
    prefix.writeInt32LE(-1)
    prefix.writeInt32LE(header.length, 4)
    const received = tableFromIPC(streamOf(Buffer.concat([prefix, header, body])))
    // As a program reads rows that are not durable.
    const kept = tableFromIPC(streamOf(Uint8Array.from(buffer.subarray(mark, position))))
    for (const table of [received, kept]) {
      assert.strictEqual(table.numRows, rows)
      if (rows > 0) assert.strictEqual(table.get(rows - 1)!["text"], `row ${rows - 1}`)
    }
  })
})
