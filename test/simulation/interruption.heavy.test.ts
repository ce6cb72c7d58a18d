import { assert, describe, it } from "@effect/vitest"
import { calls, sweep } from "./interruptions.ts"

describe("interruption at 5,000 points", () => {
  it(
    "leaves nothing undone, in twenty worlds that also lose a connection",
    { timeout: 600_000 },
    () => {
      let total = 0
      for (let variant = 2; variant < 22; variant++) {
        for (const name of calls) {
          for (const lanes of [1, 2]) {
            const { points, violations } = sweep(variant, name, lanes)
            assert.deepStrictEqual(violations, [], name)
            total += points
          }
        }
      }
      process.stdout.write(`${total} interruption points\n`)
      assert.isAtLeast(total, 5_000)
    }
  )
})
