/**
 * The number of lanes of a stream: it grows while the server's pace per lane is the limit, and
 * gives up lanes that bring nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import { LanePace } from "../../../src/internal/lanes/lanePace.ts"

/**
 * The numbers of lanes in this many periods, for a load and a capacity per lane in bytes per
 * second.
 */
const follow = (
  pace: LanePace,
  periods: number,
  load: number,
  carries: (lanes: number) => number
) =>
  Array.from({ length: periods }, () => {
    const limit = carries(pace.lanes)
    return pace.next({ waited: load > limit ? 1 : 0, bytes: Math.min(load, limit), open: true })
  })

const perLane = (rate: number) => (lanes: number) => lanes * rate

describe("the number of lanes", () => {
  it("doubles until the load is carried, or there are no more", () => {
    assert.deepStrictEqual(
      follow(new LanePace(1, 64), 9, 1000, perLane(100)),
      [2, 2, 4, 4, 8, 8, 16, 16, 16]
    )
    assert.deepStrictEqual(follow(new LanePace(1, 6), 7, 1000, perLane(100)), [2, 2, 4, 4, 6, 6, 6])
    assert.deepStrictEqual(follow(new LanePace(1, 64), 5, 50, perLane(100)), [1, 1, 1, 1, 1])
  })

  it("is taken back when a growth brought nothing, and then rests twice as long each time", () => {
    const pace = new LanePace(4, 64)
    const numbers = follow(pace, 200, 1000, () => 300)
    const growths = numbers.flatMap((lanes, period) =>
      lanes === 8 && numbers[period - 1] !== 8 ? [period] : []
    )
    assert.deepStrictEqual(growths, [0, 33, 96])
    assert.strictEqual(numbers.filter((lanes) => lanes === 8).length, 2 * growths.length)
    assert.deepStrictEqual(new Set(numbers), new Set([4, 8]))
  })

  it(
    "halves after half a minute without waiting when half of the lanes would have carried the " +
      "load",
    () => {
      const pace = new LanePace(1, 64)
      follow(pace, 20, 700, perLane(100))
      assert.strictEqual(pace.lanes, 8)
      const quiet = follow(pace, 120, 100, perLane(100))
      assert.deepStrictEqual([...new Set(quiet)], [8, 4, 2])
      assert.strictEqual(quiet.indexOf(4), 15)
      // One lane would be as full as allowed.
      assert.strictEqual(pace.lanes, 2)
      assert.strictEqual(follow(pace, 40, 70, perLane(100)).at(-1), 1)
    }
  )

  it(
    "stays while a lane has no session, while nothing is acknowledged, and where nobody knows " +
      "what a lane carries",
    () => {
      const pace = new LanePace(2, 64)
      for (let n = 0; n < 29; n++)
        assert.strictEqual(pace.next({ waited: 1, bytes: 500, open: false }), 2)
      for (let n = 0; n < 50; n++)
        assert.strictEqual(pace.next({ waited: 1, bytes: 0, open: true }), 2)
      assert.strictEqual(pace.next({ waited: 1, bytes: 500, open: true }), 4)
    }
  )

  it("halves when a lane is without a session for long, and rests then", () => {
    const pace = new LanePace(8, 64)
    const shut = Array.from({ length: 30 }, () => pace.next({ waited: 0, bytes: 0, open: false }))
    assert.deepStrictEqual([shut[28], shut[29]], [8, 4])
    const numbers = follow(pace, 40, 1000, perLane(100))
    assert.deepStrictEqual([numbers[29], numbers[30]], [4, 8])
  })
})
