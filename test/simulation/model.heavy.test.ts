import { assert, describe, it } from "@effect/vitest"
import { firstDifference } from "./model.ts"

describe("the stream against its model, at length", () => {
  it("answers 5,000 random sequences of calls as the model does", { timeout: 900_000 }, () => {
    assert.isUndefined(firstDifference(200, 5_000))
  })
})
