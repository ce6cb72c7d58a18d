import { assert, describe, it } from "@effect/vitest"
import { calls, sweep } from "./interruptions.ts"

describe("interruption at every point", () => {
  for (const name of calls) {
    it(`${name} leaves nothing undone`, { timeout: 60_000 }, () => {
      const { points, violations } = sweep(0, name)
      assert.deepStrictEqual(violations, [])
      assert.isAbove(points, 3)
    })
    it(`${name} leaves nothing undone, with lanes`, { timeout: 60_000 }, () => {
      const { points, violations } = sweep(0, name, 3)
      assert.deepStrictEqual(violations, [])
      assert.isAbove(points, 3)
    })
  }
})
