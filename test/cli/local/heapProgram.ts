/**
 * Allocates in short turns, most of which lives for some of them, and prints how large the young
 * generation became, in bytes: `youngProgram.ts bound` or `youngProgram.ts free`.
 */
import * as Effect from "effect/Effect"
import { getHeapSpaceStatistics } from "node:v8"
import { boundYoungGeneration } from "../../../src/cli/local/youngGeneration.ts"

const size = (): number => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")!.space_size

const allocate = Effect.gen(function* () {
  let kept: Array<unknown> = []
  let most = 0
  for (let round = 0; round < 800; round++) {
    for (let n = 0; n < 10_000; n++) kept.push({ n, more: [n] })
    kept = kept.slice(-100_000)
    most = Math.max(most, size())
    yield* Effect.promise(() => new Promise(setImmediate))
  }
  return most
})

const program = process.argv[2] === "bound" ? Effect.andThen(boundYoungGeneration, allocate) : allocate
console.log(await Effect.runPromise(Effect.scoped(program)))
