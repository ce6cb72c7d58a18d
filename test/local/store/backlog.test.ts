/** The limits for the waiting rows of all tables. */
import { assert, describe, it } from "@effect/vitest"
import { Backlog } from "../../../src/local/store/backlog.ts"
import { defaultLimits } from "../../../src/local/store/engineLimits.ts"

const limits = { ...defaultLimits, maxTotalRows: 10, maxTotalBytes: 1000, maxWaitMillis: 500 }
const one = {}
const other = {}

describe("the backlog of a store", () => {
  it("is full by the rows and bytes of all tables, and reports when it has room again", () => {
    const backlog = new Backlog(limits, () => 0)
    let told = 0
    backlog.set(one, { rows: 6, bytes: 100, since: 0 })
    assert.isFalse(backlog.isFull)
    backlog.set(other, { rows: 5, bytes: 100, since: 0 })
    assert.isTrue(backlog.isFull)
    backlog.onRoom(() => told++)
    backlog.set(other, { rows: 6, bytes: 100, since: 0 })
    assert.strictEqual(told, 0)
    backlog.set(one, { rows: 4, bytes: 100, since: 0 })
    assert.strictEqual(told, 1)
    backlog.set(one, { rows: 1, bytes: 901, since: 0 })
    assert.isTrue(backlog.isFull)
    backlog.set(one, { rows: 0, bytes: 0, since: Infinity })
    assert.isFalse(backlog.isFull)
    assert.strictEqual(told, 1)
  })

  it("is full by the age of the oldest row, also where nothing else happens", () => {
    let now = 0
    const backlog = new Backlog(limits, () => now)
    backlog.set(one, { rows: 1, bytes: 1, since: 0 })
    backlog.set(other, { rows: 1, bytes: 1, since: 400 })
    backlog.lookAtAge()
    now = 501
    assert.isTrue(backlog.isFull)
    let told = 0
    backlog.onRoom(() => told++)
    backlog.set(one, { rows: 1, bytes: 1, since: 450 })
    assert.strictEqual(told, 1)
    assert.isFalse(backlog.isFull)
    now = 901
    assert.isTrue(backlog.isFull)
    backlog.set(other, { rows: 0, bytes: 0, since: Infinity })
    assert.isFalse(backlog.isFull)
  })
})
