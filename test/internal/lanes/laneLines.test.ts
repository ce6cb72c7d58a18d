import { assert, describe, it } from "@effect/vitest"
import { MixedScheduler } from "effect/Scheduler"
import { LaneLines, type LaneWaiter } from "../../../src/internal/lanes/laneLines.ts"
import { Full } from "../../../src/internal/landing/waitingLine.ts"

/** Lines of two lanes with room for some callers. Lanes in `capped` get none of it. */
const makeLines = () => {
  const world = { room: 0, capped: new Set<number>(), admitted: [] as Array<string>, closed: false }
  const lines = new LaneLines(
    2,
    () => {
      if (world.closed) return undefined
      if (world.room === 0) return Full
      world.room--
      return 7
    },
    ({ lane }) => !world.closed && world.capped.has(lane),
    new MixedScheduler(),
    () => 0
  )
  const join = (name: string, lane: number) =>
    lines.join({
      content: Buffer.alloc(1),
      records: 1,
      atomic: false,
      lane,
      admit: (admission) => world.admitted.push(admission === undefined ? `${name} refused` : name)
    } satisfies LaneWaiter)
  return { world, lines, join }
}

describe("callers that wait for lanes", () => {
  it("are admitted in the order of their arrival, over all lines", () => {
    const { join, lines, world } = makeLines()
    join("a", 1)
    join("b", 2)
    join("c", 0)
    join("d", 1)
    world.room = 3
    lines.admit()
    assert.deepStrictEqual(world.admitted, ["a", "b", "c"])
    assert.strictEqual(lines.size, 1)
  })

  it("are passed by while they wait for their lane alone", () => {
    const { join, lines, world } = makeLines()
    world.capped.add(0)
    join("a", 0)
    assert.isTrue(lines.holdsBack(0))
    assert.isFalse(lines.holdsBack(1))
    join("b", 1)
    assert.isTrue(lines.holdsBack(1))
    world.room = 5
    lines.admit()
    assert.deepStrictEqual(world.admitted, ["b"])
    world.capped.clear()
    lines.admit()
    assert.deepStrictEqual(world.admitted, ["b", "a"])
  })

  it("leave once, and are all answered when the zone closes", () => {
    const { join, lines, world } = makeLines()
    const leave = join("a", 0)
    join("b", 0)
    world.capped.add(1)
    join("c", 1)
    assert.isTrue(leave())
    assert.isFalse(leave())
    assert.strictEqual(lines.size, 2)
    world.closed = true
    lines.admit()
    assert.deepStrictEqual(world.admitted, ["b refused", "c refused"])
  })
})
