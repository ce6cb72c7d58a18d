/**
 * LZ4 frames as the client writes them, and their size where a frame does not have it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Crypto from "node:crypto"
import { lz4Compress } from "../../../src/internal/arrow/lz4Compress.ts"
import { lz4Size } from "../../../src/internal/arrow/lz4Size.ts"
import { lz4Decompress } from "../../../src/internal/arrow/lz4Frame.ts"

const texts = Buffer.from(Array.from({ length: 9_000 }, (_, n) => `value-${n}-of-a-text`).join(""))
const numbers = new Uint8Array(Int32Array.from({ length: 50_000 }, (_, n) => n % 1_000).buffer)

const cases: ReadonlyArray<readonly [string, Uint8Array]> = [
  ["nothing", new Uint8Array(0)],
  ["a byte", Uint8Array.of(7)],
  ["twelve bytes", new Uint8Array(12)],
  ["thirteen equal bytes", new Uint8Array(13).fill(3)],
  ["zeros", new Uint8Array(100_000)],
  ["texts", texts],
  ["numbers", numbers],
  ["random bytes", Crypto.createHash("shake256", { outputLength: 70_000 }).update("a").digest()],
  ["repeats 65,535 bytes apart", repeats(65_535)],
  ["repeats 65,536 bytes apart", repeats(65_536)],
  ["9 MiB in three blocks", Buffer.concat(Array.from({ length: 47 }, () => numbers))]
]

/** The same frame without the size of its content, as other writers make it. */
function withoutSize(frame: Uint8Array): Uint8Array {
  return Buffer.concat([frame.subarray(0, 4), Uint8Array.of(0x60, 0x70, 0x73), frame.subarray(15)])
}

function repeats(distance: number): Uint8Array {
  const part = Crypto.createHash("shake256", { outputLength: distance }).update("b").digest()
  return Buffer.concat([part, part, part])
}

describe("LZ4 frames", () => {
  it.each(cases)("are read as they were: %s", (_, bytes) => {
    // Twice, since positions of the first time must not be found by the second.
    for (const frame of [lz4Compress(bytes), lz4Compress(bytes)]) {
      assert.strictEqual(lz4Size(frame), bytes.length)
      assert.strictEqual(lz4Size(withoutSize(frame)), bytes.length)
      assert.isTrue(Buffer.from(lz4Decompress(frame, bytes.length)).equals(bytes))
    }
  })

  it("are shorter where bytes repeat, and little longer where they do not", () => {
    assert.isBelow(lz4Compress(texts).length, texts.length * 0.6)
    assert.isBelow(lz4Compress(new Uint8Array(100_000)).length, 500)
    for (const [, bytes] of cases)
      assert.isAtMost(lz4Compress(bytes).length, bytes.length + 19 + 4 * 3)
  })
})
