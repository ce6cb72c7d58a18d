/**
 * The conventions that runners of different versions must share: the shard of a key, the name of an
 * entity, the bytes of a batch.
 */
import { assert, describe, it } from "@effect/vitest"
import { payloadsOf, shardEntity, shardOf } from "../../src/cluster/shardProtocol.ts"

describe("the shard of a key", () => {
  it("is the same in every version", () => {
    const keys = ["", "sensor-1", "sensor-2", "größe", 0, 42, -1.5]
    assert.deepStrictEqual(
      keys.map((key) => shardOf(key, 64)),
      [11, 5, 41, 31, 33, 61, 25]
    )
    assert.strictEqual(shardOf(42, 64), shardOf("42", 64))
  })

  it.each([1, 7, 64, 1000])("spreads keys evenly over %i shards", (shards) => {
    const perShard = 200
    const counts = Array.from({ length: shards }, () => 0)
    for (let n = 0; n < shards * perShard; n++) counts[shardOf(`sensor-${n}`, shards)]!++
    // Six standard deviations of an even distribution.
    const slack = 6 * Math.sqrt(perShard)
    for (const count of counts) assert.closeTo(count, perShard, slack)
  })
})

describe("the entity of a table's shards", () => {
  it("differs by table and by number of shards, and fits the cluster's tables", () => {
    const long = `${"c".repeat(255)}.${"s".repeat(255)}.t`
    const names = [
      shardEntity("main.default.t", 64),
      shardEntity("main.default.t", 65),
      shardEntity("main.default.u", 64),
      shardEntity(long, 64),
      shardEntity(`${long}2`, 64)
    ].map(({ type }) => String(type))
    assert.strictEqual(new Set(names).size, names.length)
    assert.strictEqual(names[0], "zerobus/64/main.default.t")
    for (const name of names) assert.isAtMost(name.length, 150)
  })
})

describe("the payloads of a batch", () => {
  it("are those that were written", () => {
    const payloads = payloadsOf(Uint8Array.of(0x0a, 2, 7, 8, 0x0a, 0, 0x0a, 1, 9))!
    assert.deepStrictEqual(
      payloads.map((payload) => [...payload]),
      [[7, 8], [], [9]]
    )
  })

  it.each([[[0x0a]], [[0x0a, 5, 1]], [[0xff, 0xff, 0xff]]])(
    "are not read from other bytes: %j",
    (bytes) => {
      assert.isUndefined(payloadsOf(Uint8Array.from(bytes)))
    }
  )
})
