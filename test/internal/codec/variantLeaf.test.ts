/**
 * Values of VARIANT columns: the local server can store what the client accepts.
 */
import { assert, describe, it } from "@effect/vitest"
import { isVariant } from "../../../src/internal/codec/variantLeaf.ts"
import { encodeVariant } from "../../../src/local/parquet/variantEncoder.ts"

const nested = (levels: number, wrap: (inner: unknown) => unknown): unknown => {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = wrap(value)
  return value
}

describe("a VARIANT", () => {
  it("is nested as deep as the server's encoder takes it, and no deeper", () => {
    for (const wrap of [(inner: unknown) => [inner], (inner: unknown) => ({ a: inner })]) {
      for (const [levels, taken] of [
        [0, true],
        [500, true],
        [501, false]
      ] as const) {
        const value = nested(levels, wrap)
        assert.strictEqual(isVariant(value), taken, `${levels} levels in the client`)
        assert.strictEqual(
          typeof encodeVariant(JSON.stringify(value)) !== "string",
          taken,
          `${levels} on the server`
        )
      }
    }
  })
})
