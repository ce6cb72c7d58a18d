import { assert, describe, it } from "@effect/vitest"
import { LaneOffsets } from "../../../src/internal/lanes/laneOffsets.ts"
import { seeded } from "../../support/zones.ts"

describe("the offsets of a lane", () => {
  it("lead from lane offsets to those of the stream, whatever is settled in between", () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = seeded(seed)
      const offsets = new LaneOffsets()
      const given: Array<number> = []
      let settled = 0
      for (let step = 0, next = 0; step < 2000; step++) {
        if (random.below(3) > 0 || settled === given.length) {
          next += 1 + random.below(5)
          given.push(next)
          offsets.push(next)
        } else {
          const upTo = settled + random.below(given.length - settled)
          assert.strictEqual(offsets.settle(upTo), given[upTo])
          settled = upTo + 1
        }
        assert.strictEqual(offsets.size, given.length - settled)
        assert.strictEqual(offsets.oldest, given[settled] ?? Infinity)
      }
      assert.deepStrictEqual([...offsets.toArray()], given.slice(settled))
      for (let lane = settled; lane < given.length; lane++)
        assert.strictEqual(offsets.at(lane), given[lane])
    }
  })

  it("hold no memory when all are settled", () => {
    const offsets = new LaneOffsets()
    for (let n = 0; n < 10_000; n++) offsets.push(n)
    offsets.settle(9_999)
    assert.lengthOf((offsets as unknown as { readonly ring: Float64Array }).ring, 0)
  })
})
