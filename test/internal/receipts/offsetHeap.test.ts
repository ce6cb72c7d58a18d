/**
 * The heap of waiters for offsets: its order, and how many comparisons it needs.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Entry, OffsetHeap } from "../../../src/internal/receipts/offsetHeap.ts"
import { seeded } from "../../support/zones.ts"

let arrivals = 0
const entry = (offset: number): Entry => ({ offset, arrival: arrivals++, index: -1 })

const drain = (heap: OffsetHeap<Entry>): ReadonlyArray<Entry> => {
  const drained: Array<Entry> = []
  for (let { first } = heap; first !== undefined; { first } = heap) {
    drained.push(first)
    heap.remove(first)
  }
  return drained
}

const sorted = (entries: Iterable<Entry>): ReadonlyArray<Entry> =>
  [...entries].sort((a, b) => a.offset - b.offset || a.arrival - b.arrival)

describe("the heap of offsets", () => {
  it("returns the lowest first, equal offsets by arrival, under removals too", () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = seeded(seed)
      const heap = new OffsetHeap<Entry>()
      const inIt = new Set<Entry>()
      for (let n = 0; n < 200; n++) {
        const choice = random.below(5)
        if (choice < 3) {
          const added = entry(random.below(40))
          heap.add(added)
          inIt.add(added)
        } else if (choice === 3 && inIt.size > 0) {
          const gone = [...inIt][random.below(inIt.size)]!
          heap.remove(gone)
          // A second removal changes nothing.
          heap.remove(gone)
          inIt.delete(gone)
        } else if (heap.first !== undefined) {
          assert.strictEqual(heap.first, sorted(inIt)[0])
          inIt.delete(heap.first)
          heap.remove(heap.first)
        }
        assert.strictEqual(heap.size, inIt.size)
      }
      assert.deepStrictEqual(drain(heap), sorted(inIt))
    }
  })

  const count = 100_000
  const orders: Readonly<Record<string, (n: number) => number>> = {
    forward: (n) => n,
    backward: (n) => count - n,
    // A stride without a common factor with the count produces every offset once.
    shuffled: (n) => (n * 38_431) % count,
    equal: () => 7
  }
  for (const [name, offsetOf] of Object.entries(orders)) {
    for (const leaving of ["the lowest first", "in the order of joining"] as const) {
      it(`takes O(log n) steps each for 100,000 that come ${name} and leave ${leaving}`, () => {
        let steps = 0
        const entries = Array.from({ length: count }, (_, n) => {
          const offset = offsetOf(n)
          return {
            get offset() {
              steps++
              return offset
            },
            arrival: n,
            index: -1
          }
        })
        const heap = new OffsetHeap<Entry>()
        for (const one of entries) heap.add(one)
        if (leaving === "the lowest first") drain(heap)
        else for (const one of entries) heap.remove(one)
        assert.strictEqual(heap.size, 0)
        // Joining and leaving make at most two comparisons per level, with up to four reads each.
        assert.isBelow(steps, count * 2 * 8 * Math.ceil(Math.log2(count)))
      })
    }
  }
})
