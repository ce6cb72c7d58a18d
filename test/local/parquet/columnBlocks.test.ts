/** Blocks of column memory, and leaves that use them. */
import { assert, describe, it } from "@effect/vitest"
import { giveBlock, isBlock, takeBlock } from "../../../src/local/parquet/columnBlocks.ts"
import { buffersOf, Leaf, sealAll } from "../../../src/local/parquet/columnBuffer.ts"

const shape = {
  path: ["text"],
  physical: "BYTE_ARRAY",
  width: 0,
  maxDefinition: 1,
  maxRepetition: 0
} as const
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const filled = (value: string, times: number): Leaf => {
  const leaf = new Leaf(shape)
  const bytes = text(value)
  for (let n = 0; n < times; n++) leaf.addBytes(0, bytes, 0, bytes.length)
  return leaf
}

/** The texts of a sealed column without nulls. */
const textsOf = ({ entries, size, values }: ReturnType<Leaf["seal"]>): ReadonlyArray<string> => {
  const view = new DataView(values.buffer, values.byteOffset, size)
  const texts: Array<string> = []
  for (let at = 0; texts.length < entries; at += 4 + view.getUint32(at, true)) {
    const start = at + 4
    texts.push(new TextDecoder().decode(values.subarray(start, start + view.getUint32(at, true))))
  }
  return texts
}

describe("Blocks", () => {
  it("have the next power of two from 64 bytes on, and share a buffer up to 4 KiB", () => {
    const sizes = [0, 1, 64, 65, 128, 129, 4095, 4096].map((bytes) => takeBlock(bytes))
    assert.deepStrictEqual(
      sizes.map(({ length }) => length),
      [64, 64, 64, 128, 128, 256, 4096, 4096]
    )
    assert.isTrue(sizes.every(isBlock))
    assert.strictEqual(sizes[0]!.buffer, sizes[1]!.buffer)
    assert.isFalse(isBlock(takeBlock(4097)))
    for (const block of sizes) giveBlock(block)
  })

  it("never overlap while they are taken, in any order of taking and giving", () => {
    // A multiplicative sequence: the same on every run.
    let state = 1
    const next = (below: number): number => (state = (state * 48271) % 2147483647) % below
    const taken: Array<{ readonly block: Uint8Array; readonly mark: number }> = []
    for (let step = 0; step < 20_000; step++) {
      if (taken.length < 400 && next(3) > 0) {
        const block = takeBlock(next(300))
        const mark = step & 255
        block.fill(mark)
        taken.push({ block, mark })
      } else if (taken.length > 0) {
        const [one] = taken.splice(next(taken.length), 1)
        assert.isTrue(one!.block.every((byte) => byte === one!.mark))
        giveBlock(one!.block)
      }
    }
    for (const { block, mark } of taken) assert.isTrue(block.every((byte) => byte === mark))
    for (const { block } of taken) giveBlock(block)
  })

  it("serve thousands of columns in turn from the buffers of the first ones", () => {
    const buffers = new Set<ArrayBufferLike>()
    for (let table = 0; table < 5000; table++) {
      const blocks = [takeBlock(100), takeBlock(100)]
      for (const block of blocks) buffers.add(block.buffer)
      for (const block of blocks) giveBlock(block)
    }
    assert.strictEqual(buffers.size, 1)
  })
})

describe("A leaf with blocks", () => {
  it("seals rows that later rows of others do not change", () => {
    const sealed = Array.from({ length: 100 }, (_, n) => sealAll([filled(`row ${n}`, 1 + n)])[0]!)
    for (const [n, chunk] of sealed.entries()) {
      assert.deepStrictEqual(
        textsOf(chunk),
        Array.from({ length: 1 + n }, () => `row ${n}`)
      )
    }
  })

  it("hands out no memory of a block, alone or beside a large column", () => {
    const small = filled("few", 3)
    const chunks = [...sealAll([filled("many of these", 20_000), small]), filled("alone", 2).seal()]
    assert.deepStrictEqual(textsOf(chunks[1]!), ["few", "few", "few"])
    assert.deepStrictEqual(textsOf(chunks[2]!), ["alone", "alone"])
    for (const buffer of buffersOf(chunks)) assert.isFalse(isBlock(new Uint8Array(buffer)))
  })
})
