import { assert, describe, it } from "@effect/vitest"
import { hashKey, keyOf, keyOfBatch, laneOfKey } from "../../../src/internal/lanes/laneKey.ts"
import { InvalidArgument } from "../../../src/ZerobusError.ts"

const keysOf: ReadonlyArray<readonly [name: string, key: (n: number) => string | number]> = [
  ["texts", (n) => `sensor-${n}`],
  ["whole numbers", (n) => n],
  ["multiples", (n) => n * 64],
  ["times", (n) => 1_700_000_000_000 + n * 1000],
  ["multiples of 2^32", (n) => n * 2 ** 32],
  ["fractions", (n) => n + 0.5]
]

describe("the lane of a key", () => {
  it("is the same in every version: a spool and several processes rely on it", () => {
    assert.deepStrictEqual(
      ["", "a", "sensor-1", "sensor-2", "ключ", 0, 1, -1, 1.5, 2 ** 52].map((key) => hashKey(key)),
      [
        2872998923, 444641715, 597992005, 223839977, 3185335672, 0, 1364076727, 2980047484,
        327582077, 1156084943
      ]
    )
    assert.strictEqual(hashKey(-0), hashKey(0))
  })

  it("is about equally often each lane, also for keys that differ in their last digits", () => {
    for (const lanes of [2, 3, 4, 16, 64]) {
      for (const [name, key] of keysOf) {
        const counts = Array.from({ length: lanes }, () => 0)
        for (let n = 0; n < lanes * 1000; n++) counts[laneOfKey(key(n), lanes)]!++
        assert.isBelow(Math.max(...counts), 1200, name)
        assert.isAbove(Math.min(...counts), 800, name)
      }
    }
  })

  it("is refused for values other than texts and numbers", () => {
    for (const key of [undefined, null, 1n, Symbol("x"), {}, ["a"]]) {
      assert.instanceOf(
        keyOf(() => key as never, {}),
        InvalidArgument
      )
    }
  })

  it("is one for a batch", () => {
    const first = (text: string) => text[0]!
    assert.strictEqual(keyOfBatch(first, ["a1", "a2", "a3"]), "a")
    const refused = keyOfBatch(first, ["a1", "a2", "b3"])
    assert.instanceOf(refused, InvalidArgument)
    assert.deepStrictEqual((refused as InvalidArgument).path, [2])
    assert.isNaN(keyOfBatch(() => Number.NaN, ["a", "b"]))
  })
})
