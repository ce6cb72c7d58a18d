/** Percentiles of latencies: never below the true value, and at most a tenth above it. */
import { assert, describe, it } from "@effect/vitest"
import { Latencies } from "../../../src/local/console/latencies.ts"

describe("latencies", () => {
  it("have percentiles within a tenth of the true ones", () => {
    const latencies = new Latencies()
    const values = Array.from({ length: 2000 }, (_, n) => 1 + ((n * 7919) % 5000))
    for (const value of values) latencies.add(value)
    const sorted = values.toSorted((one, other) => one - other)
    for (const share of [0.01, 0.5, 0.9, 0.99, 1]) {
      const exact = sorted[Math.ceil(sorted.length * share) - 1]!
      const found = latencies.percentile(share)
      assert.isAtLeast(found, exact, `share ${share}`)
      assert.isAtMost(found, exact * 1.1, `share ${share}`)
    }
  })

  it.each([
    [0, 0],
    [0.4, 0],
    [1, 1],
    [2, 2],
    [5, 5]
  ])("of %d ms are shown as %d ms", (millis, shown) => {
    const latencies = new Latencies()
    latencies.add(millis)
    assert.strictEqual(latencies.percentile(0.5), shown)
  })

  it("take any value, and none once cleared", () => {
    const latencies = new Latencies()
    assert.strictEqual(latencies.percentile(0.99), 0)
    for (const value of [0, Number.MAX_SAFE_INTEGER, Infinity]) latencies.add(value)
    assert.strictEqual(latencies.count, 3)
    assert.isAbove(latencies.percentile(1), 500_000)
    latencies.clear()
    assert.strictEqual(latencies.count, 0)
    assert.strictEqual(latencies.percentile(1), 0)
  })
})
