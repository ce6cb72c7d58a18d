/**
 * How much the buffer pool keeps, to the byte. Each test loads a separate pool, which contains
 * nothing else.
 */
import { assert, beforeEach, describe, it, vi } from "@effect/vitest"
import type * as BufferPool from "../../../src/internal/landing/bufferPool.ts"

const MiB = 1024 * 1024

let pool: typeof BufferPool
beforeEach(async () => {
  vi.resetModules()
  pool = await import("../../../src/internal/landing/bufferPool.ts")
})

const give = (size: number, count = 1): ReadonlyArray<Buffer> => {
  const buffers = Array.from({ length: count }, () => Buffer.allocUnsafeSlow(size))
  for (const buffer of buffers) pool.giveBuffer(buffer)
  return buffers
}

/** How many of these buffers the pool returns again, each at most once. */
const kept = (buffers: ReadonlyArray<Buffer>): number => {
  const size = buffers[0]!.length
  const again = new Set<Buffer>()
  for (;;) {
    const buffer = pool.takeBuffer(size)
    assert.strictEqual(buffer.length, size)
    if (!buffers.includes(buffer)) return again.size
    assert.isFalse(again.has(buffer), "a buffer came twice")
    again.add(buffer)
  }
}

/** A stream that starts to send and then has nothing to send. */
const trim = () => {
  pool.joinPool()
  pool.leavePool()
}

describe("the pool", () => {
  it("hands out what was given back, the newest first, and by its size only", () => {
    const [first, second] = give(MiB, 2)
    const [other] = give(2 * MiB)
    assert.notStrictEqual(pool.takeBuffer(512), first)
    assert.strictEqual(pool.takeBuffer(MiB), second)
    assert.strictEqual(pool.takeBuffer(2 * MiB), other)
    assert.strictEqual(pool.takeBuffer(MiB), first)
    const fresh = pool.takeBuffer(MiB)
    assert.isFalse([first, second, other].includes(fresh))
    assert.strictEqual(fresh.length, MiB)
  })

  it("keeps 64 MiB and not a byte more", () => {
    const filling = give(MiB, 64)
    const over = give(512)
    assert.strictEqual(kept(over), 0)
    assert.strictEqual(kept(filling), 64)
  })

  it("does not keep what would go beyond, but keeps what still fits", () => {
    const most = give(MiB, 63)
    const large = give(2 * MiB)
    const small = give(MiB / 2, 3)
    assert.strictEqual(kept(large), 0)
    assert.strictEqual(kept(small), 2)
    assert.strictEqual(kept(most), 63)
  })

  it("has room again for what was taken out", () => {
    const filling = give(MiB, 64)
    for (let n = 0; n < 10; n++) assert.isTrue(filling.includes(pool.takeBuffer(MiB)))
    assert.strictEqual(kept(give(512 * 1024, 30)), 20)
    // Only the 54 remain, so ten more fit.
    assert.strictEqual(kept(give(2 * MiB, 30)), 5)
  })

  it("keeps 16 MiB and not a byte more when it is trimmed", () => {
    const buffers = give(MiB, 40)
    trim()
    assert.strictEqual(kept(buffers), 16)
    const exact = give(MiB, 16)
    trim()
    assert.strictEqual(kept(exact), 16)
    // One size class more: exactly one buffer is dropped.
    const rest = give(MiB, 16)
    const small = give(512)
    trim()
    assert.strictEqual(kept(rest) * MiB + kept(small) * 512, 15 * MiB + 512)
  })

  it("is trimmed by the last stream that has nothing left", () => {
    const buffers = give(MiB, 40)
    for (let n = 0; n < 3; n++) pool.joinPool()
    pool.leavePool()
    pool.leavePool()
    assert.strictEqual(kept(buffers), 40)
    for (const buffer of buffers) pool.giveBuffer(buffer)
    pool.leavePool()
    assert.strictEqual(kept(buffers), 16)
  })

  it("counts what it let go, so that as much fits afterwards", () => {
    give(MiB, 64)
    trim()
    assert.strictEqual(kept(give(2 * MiB, 40)), 24)
    trim()
    assert.strictEqual(kept(give(4 * MiB, 40)), 12)
  })
})

describe("sizes", () => {
  it("are whole steps of an eighth of the power of two below, 512 bytes at least", () => {
    const cases: ReadonlyArray<readonly [bytes: number, size: number]> = [
      [1, 512],
      [512, 512],
      [513, 1024],
      [4096, 4096],
      [4097, 4608],
      [8191, 8192],
      [8192, 8192],
      [8193, 9216],
      [262_143, 262_144],
      [262_144, 262_144],
      [262_145, 294_912],
      [10 * MiB, 10 * MiB],
      [10 * MiB + 1, 11 * MiB]
    ]
    for (const [bytes, size] of cases)
      assert.strictEqual(pool.sizeClass(bytes), size, String(bytes))
  })
})
