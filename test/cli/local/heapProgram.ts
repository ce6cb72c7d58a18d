/**
 * Allocates in short turns; most objects live for a few of them. Prints, in bytes, the largest
 * young generation, and the old one relative to its live size: `heapProgram.ts bound` or
 * `heapProgram.ts free`.
 */
import * as Effect from "effect/Effect"
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { boundHeap } from "../../../src/cli/local/heapBounds.ts"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

const used = (space: string): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === space)!.space_used_size
const youngSize = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")!.space_size

const allocate = Effect.gen(function* () {
  let kept: Array<unknown> = []
  let young = 0
  let old = 0
  for (let round = 0; round < 500; round++) {
    for (let n = 0; n < 10_000; n++) kept.push({ n, more: [n] })
    kept = kept.slice(-300_000)
    young = Math.max(young, youngSize())
    if (round > 100) old = Math.max(old, used("old_space"))
    yield* Effect.promise(() => new Promise(setImmediate))
  }
  collect()
  return { young, grown: old / used("old_space"), kept: kept.length }
})

const program = process.argv[2] === "bound" ? Effect.andThen(boundHeap, allocate) : allocate
console.log(JSON.stringify(await Effect.runPromise(Effect.scoped(program))))
