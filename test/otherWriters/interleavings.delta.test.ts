/**
 * The server and delta-rs writing to the same tables. `npm run test:delta` provides delta-rs; `--
 * --full` runs the long form.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type DeltaRs, startDeltaRs } from "./deltaRs.ts"
import { runInterleavings } from "./interleavings.ts"

const longForm = process.env["DELTA_FULL"] === "1"

describe("interleavings with delta-rs", () => {
  let deltaRs: DeltaRs
  beforeAll(async () => {
    deltaRs = await startDeltaRs()
  }, 60_000)
  afterAll(() => deltaRs?.stop())

  for (const [turns, count] of [
    ["in turn", longForm ? 150 : 10],
    ["at the same time", longForm ? 150 : 10]
  ] as const) {
    it.live(
      `${count} ${turns}: every acknowledged record and every row of delta-rs once`,
      () =>
        Effect.gen(function* () {
          const seeds = Array.from({ length: count }, (_, n) => n + 1)
          const { wrong, ...found } = yield* runInterleavings(deltaRs, turns, seeds, 8)
          console.log(
            `delta-rs ${deltaRs.version} ${turns}: ${count} interleavings, ${JSON.stringify(found)}`
          )
          assert.deepStrictEqual(wrong.slice(0, 10), [])
          assert.isAbove(found.acknowledged, count * 20)
          assert.isAbove(found.foreign, count * 3)
        }),
      longForm ? 3_600_000 : 200_000
    )
  }
})
