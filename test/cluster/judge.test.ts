/** The checks of the cluster suite in isolation: they find each planted fault. */
import { assert, describe, it } from "@effect/vitest"
import { type Evidence, judge } from "./judge.ts"

/**
 * Ten records of two keys, each passed on at its number and acknowledged five later, while shards
 * moved at 3.
 */
const evidence = (rows: ReadonlyArray<number>): Evidence => {
  const numbers = Array.from({ length: 10 }, (_, n) => n)
  return {
    records: 10,
    keyOf: (record) => record % 2,
    rows,
    runners: [
      {
        notes: {
          handedOver: new Map(numbers.map((n) => [n, n])),
          acknowledged: new Map(numbers.slice(0, 8).map((n) => [n, n + 5]))
        },
        ended: 20
      }
    ],
    disturbances: [{ name: "move", from: 3, to: 3 }]
  }
}
const clean = { missing: [], outOfOrder: [], unexplained: [], again: { move: 0 } }

describe("the checks of a cluster", () => {
  it("accept order per key, and unacknowledged records, in the table or not", () => {
    assert.deepInclude(judge(evidence([1, 0, 2, 3, 5, 4, 6, 7, 8])), {
      ...clean,
      rows: 9,
      acknowledged: 8
    })
  })

  it("accept records in flight when shards moved", () => {
    const verdict = judge(evidence([0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7]))
    assert.deepInclude(verdict, { ...clean, again: { move: 4 }, onTheirWay: { move: 4 } })
  })

  it("find a lost record", () => {
    assert.deepStrictEqual(judge(evidence([0, 1, 2, 4, 5, 6, 7])).missing, [3])
  })

  it("find a record after a later one of its key, also after an earlier fault", () => {
    assert.deepStrictEqual(judge(evidence([0, 1, 4, 3, 2, 5, 6, 7])).outOfOrder, [2])
    assert.deepStrictEqual(judge(evidence([6, 0, 2, 1, 3, 4, 5, 7])).outOfOrder, [0, 2, 4])
  })

  it("find a record that is there twice without a reason", () => {
    assert.deepStrictEqual(judge(evidence([0, 1, 2, 3, 4, 5, 6, 7, 7])).unexplained, [7])
  })
})
