/**
 * The bitmaps of deletion vectors, built here byte by byte from the Roaring specification.
 * `deletionVectors.test.ts` has vectors of a real writer.
 */
import { assert, describe, it } from "@effect/vitest"
import { DamagedBitmap, hasRow, readRoaringArray } from "../../../src/local/delta/roaringBitmap.ts"

const u16 = (...values: ReadonlyArray<number>) =>
  values.flatMap((value) => [value & 255, value >> 8])
const u32 = (value: number) => [
  value & 255,
  (value >>> 8) & 255,
  (value >>> 16) & 255,
  value >>> 24
]
const u64 = (value: number) => [...u32(value), 0, 0, 0, 0]

interface Container {
  readonly key: number
  readonly count: number
  readonly run?: boolean
  readonly bytes: ReadonlyArray<number>
}

const array = (key: number, ...values: ReadonlyArray<number>): Container => ({
  key,
  count: values.length,
  bytes: u16(...values)
})
const runs = (
  key: number,
  ...pairs: ReadonlyArray<readonly [from: number, length: number]>
): Container => ({
  key,
  run: true,
  count: pairs.reduce((sum, [, length]) => sum + length, 0),
  bytes: u16(pairs.length, ...pairs.flatMap(([from, length]) => [from, length - 1]))
})
const bitset = (key: number, values: ReadonlyArray<number>): Container => {
  const bytes = Array.from({ length: 8192 }, () => 0)
  for (const value of values) bytes[value >> 3]! |= 1 << (value & 7)
  return { key, count: values.length, bytes }
}

const bitmap = (...containers: ReadonlyArray<Container>): ReadonlyArray<number> => {
  const withRuns = containers.some(({ run }) => run)
  const headers = containers.flatMap(({ count, key }) => u16(key, count - 1))
  const flags = Array.from({ length: Math.ceil(containers.length / 8) }, () => 0)
  containers.forEach(({ run = false }, index) => {
    if (run) flags[index >> 3]! |= 1 << (index & 7)
  })
  const start = withRuns
    ? [...u16(12347, containers.length - 1), ...flags]
    : [...u32(12346), ...u32(containers.length)]
  const offsets = !withRuns || containers.length >= 4 ? containers.flatMap(() => u32(0)) : []
  return [...start, ...headers, ...offsets, ...containers.flatMap(({ bytes }) => bytes)]
}

const arrayOf = (...bitmaps: ReadonlyArray<readonly [key: number, bytes: ReadonlyArray<number>]>) =>
  Uint8Array.from([
    ...u32(1681511377),
    ...u64(bitmaps.length),
    ...bitmaps.flatMap(([key, bytes]) => [...u32(key), ...bytes])
  ])

const rowsIn = (bytes: Uint8Array, rows: number): ReadonlyArray<number> => {
  const found = readRoaringArray(bytes, rows)
  const set = Array.from({ length: rows }, (_, row) => row).filter((row) => hasRow(found, row))
  assert.lengthOf(set, found.count)
  return set
}

const every = (step: number, count: number) => Array.from({ length: count }, (_, n) => n * step)

describe("a bitmap", () => {
  it("of arrays, of runs and of bits, with and without offsets", () => {
    assert.deepStrictEqual(rowsIn(arrayOf([0, bitmap(array(0, 0, 7, 8, 99))]), 100), [0, 7, 8, 99])
    assert.deepStrictEqual(rowsIn(arrayOf([0, bitmap(runs(0, [3, 2], [10, 1]))]), 11), [3, 4, 10])
    const many = every(3, 5000)
    assert.deepStrictEqual(rowsIn(arrayOf([0, bitmap(bitset(0, many))]), 65_536), many)
    const all = arrayOf([
      0,
      bitmap(array(0, 1), runs(1, [0, 65_536]), bitset(3, many), array(4, 5), runs(5, [1, 2]))
    ])
    assert.deepStrictEqual(rowsIn(all, 6 * 65_536), [
      1,
      ...every(1, 65_536).map((n) => n + 65_536),
      ...many.map((n) => n + 3 * 65_536),
      4 * 65_536 + 5,
      5 * 65_536 + 1,
      5 * 65_536 + 2
    ])
  })

  it("of no rows", () => {
    assert.deepStrictEqual(rowsIn(arrayOf(), 10), [])
    assert.deepStrictEqual(rowsIn(arrayOf([0, bitmap()]), 10), [])
  })

  const ok = bitmap(array(0, 1, 2))
  const refused: ReadonlyArray<readonly [what: string, bytes: Uint8Array, why: RegExp]> = [
    ["another magic number", Uint8Array.from([1, 2, 3, 4, ...u64(0)]), /not an array of Roaring/],
    ["no bytes", new Uint8Array(0), /ends within/],
    ["an end within a container", arrayOf([0, ok]).subarray(0, -1), /ends within/],
    ["bytes behind its end", Uint8Array.from([...arrayOf([0, ok]), 0]), /bytes follow/],
    [
      "more bitmaps than bytes",
      Uint8Array.from([...u32(1681511377), ...u32(0), ...u32(1)]),
      /ends within/
    ],
    ["an unknown form", arrayOf([0, u32(12345)]), /unknown form/],
    [
      "a row outside the file",
      arrayOf([0, bitmap(array(0, 100))]),
      /names row 100, and the file has 100 rows/
    ],
    ["rows beyond 32 bits", arrayOf([1, ok]), /names row 4294967297/],
    ["a row twice", arrayOf([0, bitmap(array(0, 5, 5))]), /names row 5 twice/],
    [
      "a run that leaves its container",
      arrayOf([0, bitmap(runs(0, [65_535, 2]))]),
      /leaves its container/
    ],
    [
      "a wrong number of rows",
      arrayOf([0, bitmap({ ...runs(0, [1, 2]), count: 3 })]),
      /number of rows in a container differs/
    ],
    [
      "containers out of order",
      arrayOf([0, bitmap(array(0, 1), array(0, 2))]),
      /containers are not in order/
    ],
    ["bitmaps out of order", arrayOf([0, ok], [0, ok]), /bitmaps are not in order/],
    ["too many containers", arrayOf([0, [...u32(12346), ...u32(65_537)]]), /more containers/]
  ]
  it.each(refused)("with %s is refused", (_, bytes, why) => {
    assert.throws(() => readRoaringArray(bytes, 100), DamagedBitmap, why)
  })
})
