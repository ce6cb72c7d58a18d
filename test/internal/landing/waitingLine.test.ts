/**
 * The line of callers that wait for room.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Admission, Full, type Waiter, WaitingLine } from "../../../src/internal/landing/waitingLine.ts"

/** A caller that reports its answer, and may do something more when it is admitted. */
const caller = (answers: Array<readonly [number, Admission]>, records: number, then = () => {}): Waiter => ({
  content: Buffer.alloc(0),
  records,
  atomic: false,
  admit: (admission) => {
    answers.push([records, admission])
    then()
  }
})

describe("callers in line", () => {
  it("are admitted in order, up to the first that finds no room", () => {
    const answers: Array<readonly [number, Admission]> = []
    const line = new WaitingLine()
    for (const records of [1, 2, 3, 4]) line.join(caller(answers, records))
    // The fourth would fit, but it does not overtake.
    line.admit(({ records }) => (records === 3 ? Full : records * 10))
    assert.deepStrictEqual(answers, [
      [1, 10],
      [2, 20]
    ])
    assert.strictEqual(line.size, 2)
    line.admit(() => undefined)
    assert.deepStrictEqual(answers.slice(2), [
      [3, undefined],
      [4, undefined]
    ])
    assert.strictEqual(line.size, 0)
  })

  it("leave when they give up, once", () => {
    const answers: Array<readonly [number, Admission]> = []
    const line = new WaitingLine()
    const [first, second] = [caller(answers, 1), caller(answers, 2)]
    line.join(first)
    line.join(second)
    assert.isTrue(line.leave(first))
    assert.isFalse(line.leave(first))
    line.admit(() => 0)
    assert.deepStrictEqual(answers, [[2, 0]])
    assert.isFalse(line.leave(second))
  })

  it("may join or leave while one is admitted, and are served by the same loop", () => {
    const answers: Array<readonly [number, Admission]> = []
    const line = new WaitingLine()
    const place = ({ records }: Waiter) => records
    const leaving = caller(answers, 3)
    line.join(
      caller(answers, 1, () => {
        line.leave(leaving)
        line.join(caller(answers, 4))
        line.admit(place)
        assert.deepStrictEqual(answers, [[1, 1]], "a call from within an admission admits nobody")
      })
    )
    line.join(caller(answers, 2))
    line.join(leaving)
    line.admit(place)
    assert.deepStrictEqual(answers, [
      [1, 1],
      [2, 2],
      [4, 4]
    ])
  })
})
