/** Texts that the console draws on a canvas, where page tests cannot read them. */
import { assert, describe, it } from "@effect/vitest"
import { countMarks, latencyMarks } from "../../console/format.ts"

describe("the marks of an axis", () => {
  it.each<readonly [marks: ReadonlyArray<number>, texts: ReadonlyArray<string>]>([
    [
      [0, 2.5, 5, 7.5, 10],
      ["0", "2.5", "5", "7.5", "10"]
    ],
    [
      [0, 25_000, 50_000],
      ["0", "25,000", "50,000"]
    ],
    [
      [0, 50_000, 100_000, 150_000],
      ["0", "50K", "100K", "150K"]
    ],
    [
      [0, 500_000, 1_000_000, 1_500_000],
      ["0", "0.5M", "1M", "1.5M"]
    ],
    [[], []]
  ])("have one unit for counts, and no rounding: %j", (marks, texts) => {
    assert.deepStrictEqual(countMarks(marks), texts)
  })

  it.each<readonly [marks: ReadonlyArray<number>, texts: ReadonlyArray<string>]>([
    [
      [0, 2.5, 5],
      ["0", "2.5 ms", "5 ms"]
    ],
    [
      [0, 2_500, 5_000],
      ["0", "2,500 ms", "5,000 ms"]
    ],
    [
      [0, 5_000, 10_000],
      ["0", "5 s", "10 s"]
    ],
    [
      [0, 2_500, 10_000],
      ["0", "2.5 s", "10 s"]
    ]
  ])("have one unit for latencies: %j", (marks, texts) => {
    assert.deepStrictEqual(latencyMarks(marks), texts)
  })
})
