/** Packed tombstones: the same content as a `Map`, in a fraction of its memory. */
import { assert, describe, it } from "@effect/vitest"
import { fileKey, type Remove } from "../../../src/local/delta/deltaActions.ts"
import { Tombstones } from "../../../src/local/delta/tombstones.ts"
import { collect } from "../../support/garbage.ts"
import { seeded } from "../../support/randomTables.ts"

/** A tombstone with fields of all kinds, present and absent; `n` is in its path. */
const randomRemove = (random: () => number, n: number): Remove => {
  const maybe = (fields: object): object => (random() < 0.5 ? fields : {})
  const vector = {
    storageType: "u",
    pathOrInlineDv: String(Math.floor(random() * 3)),
    sizeInBytes: 5,
    cardinality: 1
  }
  return {
    path: `p=${"ž🐎".repeat(n % 4)}/f${n}${"x".repeat(n % 7 === 0 ? 500 : 0)}`,
    dataChange: random() < 0.5,
    ...maybe({ deletionTimestamp: Math.floor(random() * 1e13) }),
    ...maybe({ size: Math.floor(random() * 2 ** 50) }),
    ...maybe({ partitionValues: { p: random() < 0.5 ? null : String(n) } }),
    ...maybe({ tags: { tag: String(n % 3) } }),
    ...maybe({ deletionVector: vector, stats: `{"numRecords":${n}}` })
  }
}

describe("tombstones", () => {
  it("are those of a Map after any changes", () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = seeded(seed)
      const packed = new Tombstones()
      const plain = new Map<string, Remove>()
      const paths = 1 + Math.floor(random() * 200)
      for (let step = 0; step < 2000; step++) {
        const remove = randomRemove(random, Math.floor(random() * paths))
        const key = fileKey(remove)
        // Long runs of sets and deletes, so that buffers grow and shrink and sometimes all entries
        // are deleted.
        if (Math.sin(step / 150) + random() > 0.5) {
          packed.set(key, remove)
          plain.delete(key)
          plain.set(key, remove)
        } else assert.strictEqual(packed.delete(key), plain.delete(key))
        const other = fileKey(randomRemove(random, Math.floor(random() * paths)))
        assert.strictEqual(packed.has(other), plain.has(other))
        assert.deepStrictEqual(packed.get(other), plain.get(other))
        assert.strictEqual(packed.size, plain.size)
        if (step % 100 !== 99) continue
        assert.deepStrictEqual([...packed], [...plain])
        assert.deepStrictEqual([...packed.keys()], [...plain.keys()])
        assert.deepStrictEqual([...packed.values()], [...plain.values()])
        const shared = [...packed.shared()].map((fields) => JSON.stringify(fields))
        assert.strictEqual(new Set(shared).size, shared.length)
        const rests = [...plain.values()].map(
          ({ deletionTimestamp: _, path: __, size: ___, ...rest }) => rest
        )
        assert.deepStrictEqual(
          shared.sort(),
          [...new Set(rests.map((rest) => JSON.stringify(rest)))].sort()
        )
      }
    }
  })

  it("keep a time and a size that are no numbers, as another writer may put them", () => {
    const packed = new Tombstones()
    const odd = {
      path: "a",
      dataChange: true,
      deletionTimestamp: "5",
      size: true
    } as unknown as Remove
    packed.set("a", odd)
    assert.deepStrictEqual(packed.get("a"), odd)
  })

  it("may be deleted while they are iterated", () => {
    const packed = new Tombstones()
    for (let n = 0; n < 100; n++) packed.set(`f${n}`, { path: `f${n}`, dataChange: false })
    const seen: Array<string> = []
    for (const [key] of packed) {
      seen.push(key)
      packed.delete(key)
    }
    assert.strictEqual(seen.length, 100)
    assert.strictEqual(packed.size, 0)
    assert.deepStrictEqual([...packed], [])
  })

  it("of files that this server merged take at most 200 bytes each", () => {
    const count = 50_000
    const line = (n: number): string =>
      JSON.stringify({
        path: `zerobus-${String(n).padStart(8, "0")}-0000-4000-8000-000000000000.zstd.parquet`,
        deletionTimestamp: 1_700_000_000_000 + n,
        dataChange: false,
        extendedFileMetadata: true,
        partitionValues: {},
        size: 3000 + (n % 100),
        tags: { "effect-zerobus.merged": "true" }
      })
    const used = (): number => {
      collect()
      const { arrayBuffers, heapUsed } = process.memoryUsage()
      return arrayBuffers + heapUsed
    }
    const packed = new Tombstones()
    const before = used()
    for (let n = 0; n < count; n++) {
      const remove = JSON.parse(line(n)) as Remove
      packed.set(remove.path, remove)
    }
    const each = (used() - before) / count
    assert.strictEqual(packed.size, count)
    assert.isAtMost(each, 200)
  })
})
