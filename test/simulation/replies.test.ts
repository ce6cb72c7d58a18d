import { assert, describe, it } from "@effect/vitest"
import { runReplies } from "./replies.ts"

describe("the engine against random replies", () => {
  it("agrees with the reference on 20,000 replies", { timeout: 120_000 }, () => {
    let replies = 0
    for (let index = 0; replies < 20_000; index++) {
      const run = runReplies(`suite/${index}`)
      replies += run.replies
      assert.isUndefined(
        run.difference,
        `npm run sim -- --replies 1 --seed suite --from ${index} --seeds 1 --trace`
      )
    }
  })

  it("takes the same steps for the same seed, and different ones for another seed", () => {
    const hashes = [1, 2, 1].map((index) => runReplies(`suite/${index}`, true).hash)
    assert.strictEqual(hashes[0], hashes[2])
    assert.notStrictEqual(hashes[0], hashes[1])
  })
})
