/**
 * Chunks, the writer and messages.
 */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, CHUNK_SIZE, ChunkWriter, Message } from "../../../src/internal/landing/chunk.ts"
import { HEAD_ROOM } from "../../../src/internal/protobuf/envelope.ts"
import { readRequest } from "../../support/zones.ts"

const write = (writer: ChunkWriter, bytes: ReadonlyArray<number>) => {
  writer.ensure(bytes.length)
  writer.buffer.set(bytes, writer.position)
  writer.position += bytes.length
}

describe("ChunkWriter", () => {
  it("writes after committed bytes and drops other writes", () => {
    const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    writer.begin(HEAD_ROOM)
    write(writer, [1, 2, 3])
    const first = writer.chunk
    assert.isTrue(writer.commit())
    writer.begin(0)
    write(writer, [9, 9])
    // Dropped: the next write starts at the same position.
    writer.begin(0)
    write(writer, [4])
    assert.strictEqual(writer.chunk, first)
    assert.isTrue(writer.commit())
    assert.deepStrictEqual([...first.buffer.subarray(HEAD_ROOM, HEAD_ROOM + 4)], [1, 2, 3, 4])
  })

  it("moves a write that does not fit to another chunk, whole", () => {
    const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    writer.begin(HEAD_ROOM)
    for (let free = CHUNK_SIZE - HEAD_ROOM; free > 2; free -= Math.min(1000, free - 2)) {
      write(
        writer,
        Array.from({ length: Math.min(1000, free - 2) }, () => 7)
      )
      writer.commit()
      writer.begin(0)
    }
    write(writer, [1, 2])
    assert.isFalse(writer.moved)
    write(writer, [3])
    assert.isTrue(writer.moved)
    assert.strictEqual(writer.mark, HEAD_ROOM)
    assert.deepStrictEqual([...writer.buffer.subarray(writer.mark, writer.position)], [1, 2, 3])
  })

  it("gives a large record a separate buffer, into which nothing else goes", () => {
    const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    writer.begin(HEAD_ROOM)
    writer.ensure(1_000_000)
    writer.buffer.fill(5, writer.position, writer.position + 1_000_000)
    writer.position += 1_000_000
    assert.isAtMost(writer.buffer.length, 1_250_000)
    assert.isFalse(writer.commit())
    writer.begin(HEAD_ROOM)
    write(writer, [1])
    assert.strictEqual(writer.buffer.length, CHUNK_SIZE)
  })

  it("detaches a write, with its own head room", () => {
    const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    writer.begin(HEAD_ROOM)
    write(writer, [1])
    writer.commit()
    writer.begin(0)
    write(writer, [2, 3])
    const before = writer.mark
    writer.detach()
    assert.strictEqual(writer.mark, before + HEAD_ROOM)
    assert.deepStrictEqual([...writer.buffer.subarray(writer.mark, writer.position)], [2, 3])
  })
})

describe("Chunk", () => {
  it("is used again once its last message has let go of it, and not before", () => {
    const chunk = new Chunk(CHUNK_SIZE).retain()
    chunk.retain()
    chunk.release()
    const other = new Chunk(CHUNK_SIZE)
    assert.notStrictEqual(other.buffer, chunk.buffer)
    chunk.release()
    assert.strictEqual(new Chunk(CHUNK_SIZE).buffer, chunk.buffer)
  })
})

describe("Message", () => {
  it("gets a new header for each session without touching its records", () => {
    const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    writer.begin(HEAD_ROOM)
    write(writer, [0x0a, 2, 65, 66, 0x0a, 1, 67])
    const message = new Message({
      chunk: writer.chunk,
      start: writer.mark,
      end: writer.position,
      offset: 7,
      records: 2,
      atomic: false,
      acceptedAt: 0
    })
    message.offsets = 2
    const records = [Uint8Array.of(65, 66), Uint8Array.of(67)]
    for (const wireOffset of [0, 300, Number.MAX_SAFE_INTEGER, 1]) {
      assert.deepStrictEqual(readRequest(message.request(wireOffset, "proto")), {
        wireOffset,
        batch: true,
        records
      })
    }
    assert.deepStrictEqual(message.payloads(), records)
    assert.deepStrictEqual([message.lastOffset, message.charge], [8, HEAD_ROOM + 7])
  })
})
