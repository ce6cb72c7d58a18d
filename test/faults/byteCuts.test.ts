/** A small sweep of byte cuts; `npm run faults:bytes` runs the full one. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { cutsOf, sweep } from "./byteCuts.ts"

it.live(
  "loses nothing when connections are cut at byte positions in both directions",
  () =>
    Effect.gen(function* () {
      const result = yield* sweep(400, 7, 8)
      assert.deepStrictEqual(result.problems, [])
      assert.isAtLeast(result.connections, 400)
    }),
  60_000
)

it.live(
  "loses no row of an Arrow batch when connections are cut at byte positions",
  () =>
    Effect.gen(function* () {
      const result = yield* sweep(200, 7, 8, "arrow")
      assert.deepStrictEqual(result.problems, [])
      assert.isAtLeast(result.connections, 200)
    }),
  60_000
)

it("covers every position of both directions when there are enough cuts", () => {
  const cuts = cutsOf(50_000, 1)
  const positions = (direction: "up" | "down") =>
    new Set(cuts.filter((cut) => cut.direction === direction).map((cut) => cut.afterBytes))
  assert.strictEqual(positions("up").size, 20_480)
  assert.strictEqual(positions("down").size, 640)
  assert.deepStrictEqual([...new Set(cuts.map((cut) => cut.how))].sort(), [
    "blackhole",
    "fin",
    "rst"
  ])
})
