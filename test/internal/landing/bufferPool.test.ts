/**
 * The memory behind messages: how much of it a message holds, and the reuse of buffers.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  giveBuffer,
  joinPool,
  leavePool,
  sizeClass,
  takeBuffer
} from "../../../src/internal/landing/bufferPool.ts"
import { LandingZone } from "../../../src/internal/landing/landingZone.ts"
import { bytesCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import { Turns } from "../../../src/internal/landing/turns.ts"

const limits = {
  maxInflightRecords: 100_000,
  maxInflightBytes: 512 * 1024 * 1024,
  maxPayloadBytes: 10 * 1024 * 1024,
  maxBatchRecords: 100_000,
  coalesceBytes: 256 * 1024,
  coalesceRecords: 100_000
}

const makeZone = Effect.sync(
  () => new LandingZone<Uint8Array>({ turns: new Turns(), codec: bytesCodec, limits, now: () => 0 })
)

const batchOf = (bytes: number, records: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: records }, (_, n) => new Uint8Array(Math.floor(bytes / records)).fill(n))

describe("buffers", () => {
  it("come in sizes that waste an eighth at most", () => {
    for (let bytes = 4096; bytes < 20 * 1024 * 1024; bytes = Math.ceil(bytes * 1.037)) {
      const size = sizeClass(bytes)
      assert.isAtLeast(size, bytes)
      assert.isAtMost(size, bytes * 1.125 + 1)
      assert.strictEqual(sizeClass(size), size)
    }
    assert.strictEqual(sizeClass(256 * 1024), 256 * 1024)
  })

  it("are used again, up to a bound", () => {
    const size = sizeClass(3 * 1024 * 1024)
    const buffers = Array.from({ length: 40 }, () => takeBuffer(size))
    for (const buffer of buffers) giveBuffer(buffer)
    const again = Array.from({ length: 40 }, () => takeBuffer(size))
    const kept = again.filter((buffer) => buffers.includes(buffer)).length
    // 64 MiB are kept, minus what other streams of this process returned before.
    assert.isAbove(kept, 0)
    assert.isAtMost(kept * size, 64 * 1024 * 1024)
    for (const buffer of again) giveBuffer(buffer)
    joinPool()
    leavePool()
    const trimmed = Array.from({ length: 40 }, () => takeBuffer(size)).filter((buffer) =>
      again.includes(buffer)
    ).length
    assert.isAtMost(trimmed * size, 16 * 1024 * 1024)
  })
})

describe("the memory of batches", () => {
  for (const sizes of [
    [10_000],
    [100_000],
    [140_000],
    [300_000],
    [2_000_000],
    [400_000, 40_000],
    [2_000, 90_000, 700_000]
  ]) {
    it.effect(
      `stays within a quarter of what is charged, batches of ${sizes.join(", ")} bytes`,
      () =>
        Effect.gen(function* () {
          const zone = yield* makeZone
          for (let n = 0; n < 200 && zone.usedBytes < 128 * 1024 * 1024; n++) {
            assert.strictEqual(zone.offerBatchUnsafe(batchOf(sizes[n % sizes.length]!, 50)), n)
          }
          const buffers = new Set<Buffer>()
          for (
            let message = zone.nextUnsafe();
            message !== undefined;
            message = zone.nextUnsafe()
          ) {
            buffers.add(message.chunk.buffer)
          }
          const held = [...buffers].reduce((total, buffer) => total + buffer.length, 0)
          // A chunk that is not full yet is not charged.
          assert.isAtMost(held, zone.usedBytes * 1.25 + 256 * 1024)
        })
    )
  }

  it.effect("keeps what is in a batch while it grows and shrinks", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone
      const batches = [1_000, 500_000, 3_000, 40_000, 41_000, 2_000_000, 10, 90_000].map((size) =>
        batchOf(size, 7)
      )
      for (const batch of batches) assert.isNumber(zone.offerBatchUnsafe(batch))
      for (const batch of batches) {
        assert.deepStrictEqual(
          zone
            .nextUnsafe()!
            .payloads()
            .map((payload) => Buffer.from(payload).toString("base64")),
          batch.map((record) => Buffer.from(record).toString("base64"))
        )
      }
    })
  )
})
