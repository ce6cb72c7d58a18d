/**
 * Where the writer puts data: which buffer, which position, and when a buffer returns to the pool.
 * Each rule at its limits.
 */
import { assert, describe, it, vi } from "@effect/vitest"
import { sizeClass, takeBuffer, giveBuffer } from "../../../src/internal/landing/bufferPool.ts"
import {
  type Chunk,
  CHUNK_SIZE,
  ChunkWriter,
  LEAST_CHUNK_SIZE,
  Message
} from "../../../src/internal/landing/chunk.ts"
import { HEAD_ROOM } from "../../../src/internal/protobuf/envelope.ts"
import { readRequest } from "../../support/zones.ts"

/** From this size on a write gets a separate buffer. */
const OWN = CHUNK_SIZE / 8
const SLACK = 8

/** Writes this many bytes of a pattern. */
const put = (writer: ChunkWriter, length: number, first = 1) => {
  writer.ensure(length)
  for (let n = 0; n < length; n++) writer.buffer[writer.position + n] = (first + n) & 0xff
  writer.position += length
}
const written = (writer: ChunkWriter) => [...writer.buffer.subarray(writer.mark, writer.position)]
const pattern = (length: number, first = 1) => Array.from({ length }, (_, n) => (first + n) & 0xff)

/** A writer whose current chunk is committed up to this position. */
const filledTo = (position: number) => {
  const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
  for (let at = HEAD_ROOM, first = true; at < position; first = false) {
    const size = Math.min(20_000, position - at)
    writer.begin(first ? HEAD_ROOM : 0)
    put(writer, size)
    assert.isTrue(writer.commit())
    at += size
  }
  return writer
}
/** Whether this buffer is the next free one of its size. */
const isNextFree = (buffer: Buffer) => {
  const taken = takeBuffer(buffer.length)
  const same = taken === buffer
  giveBuffer(taken)
  return same
}

describe("where a write goes", () => {
  it("behind head room in a fresh chunk; from an eighth of a chunk in a separate buffer", () => {
    for (const [size, expected] of [
      [1, CHUNK_SIZE],
      [OWN - 1, CHUNK_SIZE],
      [OWN, sizeClass(HEAD_ROOM + OWN + SLACK)],
      // Without the slack it would be one size smaller.
      [40_921, 45_056],
      [500_000, sizeClass(HEAD_ROOM + 500_000 + SLACK)]
    ] as const) {
      const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
      writer.begin(HEAD_ROOM)
      assert.deepStrictEqual(
        [writer.mark, writer.position, writer.moved, writer.buffer.length],
        [0, 0, true, 0]
      )
      writer.ensure(size)
      assert.deepStrictEqual(
        [writer.mark, writer.position, writer.moved],
        [HEAD_ROOM, HEAD_ROOM, true]
      )
      assert.strictEqual(writer.buffer.length, expected)
    }
  })

  it("right behind what is committed, up to the last byte of the chunk", () => {
    const writer = filledTo(CHUNK_SIZE - 100)
    const { buffer } = writer
    writer.begin(10)
    assert.deepStrictEqual(
      [writer.mark, writer.position, writer.moved],
      [CHUNK_SIZE - 90, CHUNK_SIZE - 90, false]
    )
    writer.ensure(90)
    assert.isFalse(writer.moved)
    assert.strictEqual(writer.buffer, buffer)
    writer.ensure(91)
    assert.isTrue(writer.moved)
    assert.notStrictEqual(writer.buffer, buffer)
    // Head room that just fits leaves no room for more, but it fits.
    writer.begin(100)
    assert.deepStrictEqual(
      [writer.mark, writer.moved, writer.buffer === buffer],
      [CHUNK_SIZE, false, true]
    )
    writer.begin(101)
    assert.deepStrictEqual([writer.mark, writer.moved, writer.buffer.length], [0, true, 0])
  })

  it("along with what was begun, when the rest of the chunk is too short", () => {
    const writer = filledTo(200_000)
    writer.begin(0)
    put(writer, 50_000, 7)
    writer.ensure(20_000)
    // Exactly the requested size: nothing indicates that more will follow.
    assert.strictEqual(writer.buffer.length, sizeClass(HEAD_ROOM + 70_000 + SLACK))
    assert.deepStrictEqual(
      [writer.mark, writer.position, writer.moved],
      [HEAD_ROOM, HEAD_ROOM + 50_000, true]
    )
    assert.deepStrictEqual(written(writer), pattern(50_000, 7))
  })

  it("into twice the room when it grows piece by piece", () => {
    const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    writer.begin(HEAD_ROOM)
    put(writer, 40_000, 3)
    const { buffer } = writer
    writer.ensure(buffer.length - writer.position)
    assert.strictEqual(writer.buffer, buffer)
    writer.ensure(buffer.length - writer.position + 1)
    assert.strictEqual(writer.buffer.length, sizeClass(HEAD_ROOM + 80_000 + SLACK))
    assert.deepStrictEqual(written(writer), pattern(40_000, 3))
    writer.ensure(200_000)
    assert.strictEqual(writer.buffer.length, sizeClass(HEAD_ROOM + 240_000 + SLACK))
    assert.deepStrictEqual(written(writer), pattern(40_000, 3))
  })
})

describe("a buffer that turned out too large", () => {
  const fitted = (guess: number, used: number) => {
    const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    writer.begin(HEAD_ROOM)
    writer.ensure(guess)
    put(writer, used, 9)
    const before = writer.buffer
    writer.fit()
    assert.deepStrictEqual(written(writer), pattern(used, 9))
    assert.strictEqual(writer.mark, HEAD_ROOM)
    return { before, after: writer.buffer }
  }

  it("is exchanged above a quarter of waste, and not at a quarter", () => {
    const { after, before } = fitted(40_920, 32_768 - HEAD_ROOM)
    assert.strictEqual(before.length, 40_960)
    assert.strictEqual(after, before)
    const smaller = fitted(40_920, 28_672 - HEAD_ROOM)
    assert.strictEqual(smaller.after.length, 28_672)
    assert.isTrue(isNextFree(smaller.before))
    const tiny = fitted(1_000_000, 100)
    assert.strictEqual(tiny.after.length, sizeClass(HEAD_ROOM + 100))
  })

  it("is kept when it is a chunk, which the next write continues", () => {
    const { after, before } = fitted(10, 10)
    assert.strictEqual(after, before)
    assert.strictEqual(after.length, CHUNK_SIZE)
    const writer = filledTo(1000)
    const { buffer } = writer
    writer.begin(0)
    put(writer, 10)
    writer.fit()
    assert.strictEqual(writer.buffer, buffer)
    const fresh = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    fresh.begin(HEAD_ROOM)
    fresh.fit()
    const full = filledTo(CHUNK_SIZE)
    full.begin(HEAD_ROOM)
    full.fit()
    assert.deepStrictEqual([full.buffer.length, full.moved], [0, true])
    assert.strictEqual(fresh.buffer.length, 0)
  })
})

describe("keeping a write", () => {
  it("lets the next one continue in a chunk, but not in a separate buffer", () => {
    const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    writer.begin(HEAD_ROOM)
    put(writer, 10)
    const chunk = writer.chunk
    assert.isTrue(writer.commit())
    assert.strictEqual(chunk.references, 1)
    writer.begin(0)
    assert.deepStrictEqual([writer.mark, writer.chunk === chunk], [HEAD_ROOM + 10, true])
    put(writer, 5)
    assert.isTrue(writer.commit())
    assert.strictEqual(chunk.references, 1)
    writer.begin(HEAD_ROOM)
    put(writer, CHUNK_SIZE)
    const own = writer.chunk
    assert.notStrictEqual(own, chunk)
    assert.isFalse(writer.commit())
    assert.deepStrictEqual([own.references, chunk.references], [0, 1])
    writer.begin(0)
    assert.deepStrictEqual([writer.mark, writer.chunk === chunk], [HEAD_ROOM + 15, true])
  })

  it("lets go of the chunk before, when the write moved to another", () => {
    const writer = filledTo(CHUNK_SIZE - 10)
    writer.begin(0)
    const before = writer.chunk
    put(writer, 11)
    const after = writer.chunk
    assert.strictEqual(before.references, 1)
    assert.isTrue(writer.commit())
    assert.deepStrictEqual([before.references, after.references], [0, 1])
    assert.isTrue(isNextFree(before.buffer))
  })

  it("makes a chunk for a write of nothing", () => {
    const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    writer.begin(HEAD_ROOM)
    assert.strictEqual(writer.chunk.buffer.length, CHUNK_SIZE)
    assert.strictEqual(writer.mark, HEAD_ROOM)
    assert.isTrue(writer.commit())
  })
})

describe("giving a write up", () => {
  it("gives a fresh buffer back, and not the one with committed writes", () => {
    const writer = new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    writer.begin(HEAD_ROOM)
    put(writer, 10)
    const fresh = writer.buffer
    writer.begin(HEAD_ROOM)
    assert.isTrue(isNextFree(fresh))
    put(writer, 10)
    const { chunk } = writer
    writer.commit()
    writer.begin(0)
    put(writer, 10)
    writer.begin(0)
    assert.isFalse(isNextFree(chunk.buffer))
    assert.deepStrictEqual(
      [writer.chunk === chunk, chunk.references, writer.mark],
      [true, 1, HEAD_ROOM + 10]
    )
  })
})

describe("an idle writer", () => {
  it("gives its chunk back when no message is left in it, and starts another one later", () => {
    const writer = filledTo(1000)
    writer.begin(0)
    const { chunk } = writer
    chunk.retain()
    writer.releaseIdle()
    assert.strictEqual(chunk.references, 2)
    writer.begin(0)
    assert.strictEqual(writer.mark, 1000)
    chunk.release()
    writer.releaseIdle()
    assert.isTrue(isNextFree(chunk.buffer))
    writer.releaseIdle()
    assert.strictEqual(chunk.references, 0)
    writer.begin(HEAD_ROOM)
    assert.isTrue(writer.moved)
    // The chunk was returned once, however often it was released.
    const two = [takeBuffer(CHUNK_SIZE), takeBuffer(CHUNK_SIZE)] as const
    assert.notStrictEqual(two[0], two[1])
    for (const buffer of two) giveBuffer(buffer)
    put(writer, 1)
    assert.strictEqual(writer.mark, HEAD_ROOM)
    // A dropped write returns its buffer as well.
    const { buffer } = writer
    writer.releaseIdle()
    assert.isTrue(isNextFree(buffer))
  })

  it("leaves little in the pool, unless others still write", async () => {
    // A separate pool, since writers of other tests count as well.
    vi.resetModules()
    const pool = await import("../../../src/internal/landing/bufferPool.ts")
    const { ChunkWriter } = await import("../../../src/internal/landing/chunk.ts")
    const size = 1024 * 1024
    const buffers = Array.from({ length: 40 }, () => pool.takeBuffer(size))
    for (const buffer of buffers) pool.giveBuffer(buffer)
    const writers = [
      new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE),
      new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE),
      new ChunkWriter(CHUNK_SIZE, CHUNK_SIZE)
    ] as const
    const free = () => {
      const taken = Array.from({ length: 40 }, () => pool.takeBuffer(size)).filter((buffer) =>
        buffers.includes(buffer)
      )
      for (const buffer of taken) pool.giveBuffer(buffer)
      return taken.length
    }
    const keepOne = (writer: (typeof writers)[number]) => {
      writer.begin(HEAD_ROOM)
      put(writer, 10)
      writer.commit()
    }
    for (const writer of writers) keepOne(writer)
    writers[0].releaseIdle()
    writers[0].releaseIdle()
    writers[1].leave()
    assert.strictEqual(free(), 40)
    // A writer that starts again counts again; a dropped write does not.
    keepOne(writers[0])
    writers[2].releaseIdle()
    writers[2].begin(HEAD_ROOM)
    put(writers[2], 10)
    assert.strictEqual(free(), 40)
    writers[0].releaseIdle()
    assert.isAtMost(free(), 16)
  })
})

describe("detaching a write", () => {
  it("moves it behind head room in place, or to another chunk, or not when it has moved", () => {
    const writer = filledTo(1000)
    writer.begin(0)
    put(writer, 50, 4)
    writer.detach()
    assert.deepStrictEqual([writer.mark, writer.position], [1000 + HEAD_ROOM, 1050 + HEAD_ROOM])
    assert.deepStrictEqual([writer.moved, written(writer)], [false, pattern(50, 4)])
    const full = filledTo(CHUNK_SIZE - 50 - HEAD_ROOM + 1)
    full.begin(0)
    put(full, 50, 5)
    full.detach()
    assert.deepStrictEqual(
      [full.mark, full.position, full.moved],
      [HEAD_ROOM, HEAD_ROOM + 50, true]
    )
    assert.deepStrictEqual(written(full), pattern(50, 5))
    const justFits = filledTo(CHUNK_SIZE - 50 - HEAD_ROOM)
    justFits.begin(0)
    put(justFits, 50, 6)
    justFits.detach()
    assert.deepStrictEqual(
      [justFits.moved, justFits.position, written(justFits)],
      [false, CHUNK_SIZE, pattern(50, 6)]
    )
  })
})

describe("a message", () => {
  const of = (content: ReadonlyArray<number>, records: number, atomic: boolean) => {
    const writer = filledTo(500)
    writer.begin(HEAD_ROOM)
    writer.ensure(content.length)
    writer.buffer.set(content, writer.position)
    writer.position += content.length
    const { chunk, mark, position } = writer
    return new Message({
      chunk,
      start: mark,
      end: position,
      offset: 10,
      records,
      atomic,
      acceptedAt: 5
    })
  }

  it("holds its chunk, and counts an offset, framing and no sends at first", () => {
    const message = of([0x0a, 1, 65], 1, false)
    assert.strictEqual(message.chunk.references, 2)
    assert.deepStrictEqual(
      [
        message.offset,
        message.offsets,
        message.lastOffset,
        message.charge,
        message.sends,
        message.acceptedAt
      ],
      [10, 1, 10, HEAD_ROOM + 3, 0, 5]
    )
    message.offsets = 4
    assert.strictEqual(message.lastOffset, 13)
  })

  it("travels as a single record, unless it is a batch or has more than one", () => {
    const one = Uint8Array.of(65)
    for (const [content, records, atomic, batch] of [
      [[0x0a, 1, 65], 1, false, false],
      [[0x0a, 1, 65], 1, true, true],
      [[0x0a, 1, 65, 0x0a, 1, 65], 2, false, true]
    ] as const) {
      const message = of(content, records, atomic)
      assert.deepStrictEqual(readRequest(message.request(9, "proto")), {
        wireOffset: 9,
        batch,
        records: Array.from({ length: records }, () => one)
      })
      const payloads = message.payloads()
      assert.strictEqual(payloads.length, records)
      // Copies: the chunk may be reused.
      message.chunk.buffer.fill(0)
      assert.deepStrictEqual(payloads[0], one)
    }
  })
})

describe("the chunks of a stream", () => {
  /** Writes and commits this many bytes as one record. Returns its chunk. */
  const keep = (writer: ChunkWriter, bytes: number): Chunk => {
    writer.begin(HEAD_ROOM)
    writer.ensure(bytes)
    writer.position += bytes
    const { chunk } = writer
    writer.commit()
    return chunk.retain()
  }

  it("grow from 4 KiB by eight while records flow, and start over when nothing is left", () => {
    const writer = new ChunkWriter()
    const sizes = new Set<number>()
    let kept = new Set<Chunk>()
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 1000; n++) {
        const chunk = keep(writer, 1000)
        sizes.add(chunk.buffer.length)
        kept.add(chunk)
      }
      assert.deepStrictEqual([...sizes], [LEAST_CHUNK_SIZE, 8 * LEAST_CHUNK_SIZE, CHUNK_SIZE])
      for (const chunk of kept) while (chunk.references > 1) chunk.release()
      kept = new Set()
      writer.releaseIdle()
      sizes.clear()
    }
  })

  it("are as large as the first record needs", () => {
    for (const [bytes, size] of [
      [100, LEAST_CHUNK_SIZE],
      [LEAST_CHUNK_SIZE, 8 * LEAST_CHUNK_SIZE],
      [20_000, 8 * LEAST_CHUNK_SIZE]
    ] as const) {
      assert.strictEqual(keep(new ChunkWriter(), bytes).buffer.length, size)
    }
    // Smaller bounds of a zone limit its chunks.
    assert.strictEqual(keep(new ChunkWriter(LEAST_CHUNK_SIZE), 400).buffer.length, LEAST_CHUNK_SIZE)
  })
})
