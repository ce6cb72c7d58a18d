import { assert, describe, it } from "@effect/vitest"
import { firstDifference } from "./model.ts"

describe("the stream against its model, at length", () => {
  it("gives the model's results for 5,000 random sequences of calls", { timeout: 900_000 }, () => {
    assert.isUndefined(firstDifference(200, 5_000))
  })
})
