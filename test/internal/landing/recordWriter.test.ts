/**
 * The layout of records in a chunk: tag and length in front, room for both at the very end of a
 * chunk, and room for batches.
 */
import { assert, describe, it } from "@effect/vitest"
import { sizeClass } from "../../../src/internal/landing/bufferPool.ts"
import { CHUNK_SIZE } from "../../../src/internal/landing/chunk.ts"
import { HEAD_ROOM } from "../../../src/internal/protobuf/envelope.ts"
import type { RecordCodec } from "../../../src/internal/recordCodec.ts"
import { bytesCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import { RecordWriter } from "../../../src/internal/landing/recordWriter.ts"

const bytes = (length: number, value = 7): Uint8Array => new Uint8Array(length).fill(value)
const written = (writer: RecordWriter<any>) => [
  ...writer.buffer.subarray(writer.mark, writer.position)
]

/**
 * Commits short records until this many bytes of the current chunk are left, and begins a write
 * there.
 */
const leaving = (writer: RecordWriter<Uint8Array>, left: number) => {
  for (let at = HEAD_ROOM, first = true; at < CHUNK_SIZE - left; first = false) {
    const rest = CHUNK_SIZE - left - at
    const size = rest > 204 ? 102 : rest > 102 ? rest >>> 1 : rest
    writer.begin(first ? HEAD_ROOM : 0)
    assert.isUndefined(writer.writeRecord(bytes(size - 2, 1)))
    assert.isTrue(writer.commit())
    at += size
  }
  writer.begin(0)
  assert.strictEqual(writer.buffer.length - writer.position, left)
}

describe("a record at the end of a chunk", () => {
  it("fits to the last byte, tag and length included", () => {
    const writer = new RecordWriter(bytesCodec, CHUNK_SIZE, CHUNK_SIZE)
    leaving(writer, 12)
    const { buffer } = writer
    assert.isUndefined(writer.writeRecord(bytes(10)))
    assert.strictEqual(writer.buffer, buffer)
    assert.deepStrictEqual([writer.position, writer.moved], [CHUNK_SIZE, false])
    assert.deepStrictEqual(written(writer), [0x0a, 10, ...bytes(10)])
  })

  it("moves to another chunk when tag and length do not fit, even without a payload", () => {
    for (const left of [0, 1]) {
      const codec: RecordCodec<Uint8Array> = {
        read: bytesCodec.read,
        write: (record, sink) => (record.length === 0 ? undefined : bytesCodec.write(record, sink))
      }
      const writer = new RecordWriter(codec, CHUNK_SIZE, CHUNK_SIZE)
      leaving(writer, left)
      const { buffer } = writer
      assert.isUndefined(writer.writeRecord(bytes(0)))
      assert.notStrictEqual(writer.buffer, buffer)
      assert.deepStrictEqual([writer.moved, writer.mark], [true, HEAD_ROOM])
      assert.deepStrictEqual(written(writer), [0x0a, 0])
    }
  })

  it("moves to another when its length takes a byte more than guessed, whole", () => {
    const writer = new RecordWriter(bytesCodec, CHUNK_SIZE, CHUNK_SIZE)
    leaving(writer, 202)
    const { buffer } = writer
    const record = Uint8Array.from({ length: 200 }, (_, n) => n)
    assert.isUndefined(writer.writeRecord(record))
    assert.notStrictEqual(writer.buffer, buffer)
    assert.deepStrictEqual(written(writer), [0x0a, 0xc8, 0x01, ...record])
    const roomy = new RecordWriter(bytesCodec, CHUNK_SIZE, CHUNK_SIZE)
    leaving(roomy, 203)
    const same = roomy.buffer
    assert.isUndefined(roomy.writeRecord(record))
    assert.strictEqual(roomy.buffer, same)
    assert.deepStrictEqual(
      [roomy.position, written(roomy)],
      [CHUNK_SIZE, [0x0a, 0xc8, 0x01, ...record]]
    )
  })
})

describe("a record whose length is longer or shorter than that of the one before", () => {
  it("is written completely, after the ones before", () => {
    const lengths = [5, 300, 20_000, 6, 200, 0, 16_384, 127, 128]
    const writer = new RecordWriter(bytesCodec, CHUNK_SIZE, CHUNK_SIZE)
    writer.begin(HEAD_ROOM)
    for (const [n, length] of lengths.entries())
      assert.isUndefined(writer.writeRecord(bytes(length, n + 1)))
    const varint = (n: number): Array<number> =>
      n < 128 ? [n] : [(n & 127) | 128, ...varint(n >>> 7)]
    assert.deepStrictEqual(
      written(writer),
      lengths.flatMap((length, n) => [0x0a, ...varint(length), ...bytes(length, n + 1)])
    )
  })
})

describe("a single record", () => {
  it("is measured with and without its tag and length", () => {
    for (const [length, lengthSize] of [
      [0, 1],
      [127, 1],
      [128, 2],
      [16_384, 3]
    ] as const) {
      const writer = new RecordWriter(bytesCodec, CHUNK_SIZE, CHUNK_SIZE)
      writer.begin(HEAD_ROOM)
      assert.isUndefined(writer.writeRecord(bytes(length)))
      assert.deepStrictEqual([writer.payloadSize, writer.size], [length, 1 + lengthSize + length])
    }
  })
})

describe("a batch", () => {
  /** A writer that records which buffers its records were written into, and how many it wrote. */
  const watched = () => {
    const seen: Array<Buffer> = []
    const codec: RecordCodec<Uint8Array> = {
      read: bytesCodec.read,
      write: (record, sink) => {
        const refusal = bytesCodec.write(record, sink)
        seen.push(sink.buffer)
        return refusal
      }
    }
    const writer = new RecordWriter(codec, CHUNK_SIZE, CHUNK_SIZE)
    return { writer, seen }
  }
  const small = (count: number) => Array.from({ length: count }, () => bytes(998))

  it("is encoded until it is larger than the limit, and no further", () => {
    // Each record takes 1,001 bytes: its length takes two.
    for (const [limit, encoded] of [
      [2001, 2],
      [2002, 3],
      [2003, 3]
    ] as const) {
      const { seen, writer } = watched()
      assert.isUndefined(writer.writeBatch(small(10), limit))
      assert.deepStrictEqual([seen.length, writer.size], [encoded, encoded * 1001])
    }
  })

  it("finds room for as much as the last one took, and no more", () => {
    const { seen, writer } = watched()
    assert.isUndefined(writer.writeBatch(small(400), 10_000_000))
    assert.isAbove(new Set(seen.splice(0)).size, 1)
    assert.isUndefined(writer.writeBatch(small(400), 10_000_000))
    assert.strictEqual(new Set(seen).size, 1)
    assert.strictEqual(seen.splice(0)[0]?.length, sizeClass(HEAD_ROOM + 400_400 + 8))
    // A far smaller one returns the room.
    assert.isUndefined(writer.writeBatch([bytes(998, 3)], 10_000_000))
    assert.strictEqual(seen.splice(0)[0]?.length, sizeClass(HEAD_ROOM + 400_400 + 8))
    assert.strictEqual(writer.buffer.length, sizeClass(HEAD_ROOM + 1001))
    assert.deepStrictEqual(written(writer), [0x0a, 0xe6, 0x07, ...bytes(998, 3)])
    assert.isUndefined(writer.writeBatch(small(1), 10_000_000))
    assert.strictEqual(seen[0]?.length, CHUNK_SIZE)
  })
})
