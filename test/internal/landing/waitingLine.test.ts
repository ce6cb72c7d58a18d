/**
 * The line of callers that wait for room.
 */
import { assert, describe, it } from "@effect/vitest"
import { PIECE } from "../../../src/internal/userCode/pieces.ts"
import {
  type Admission,
  Full,
  type Waiter,
  WaitingLine
} from "../../../src/internal/landing/waitingLine.ts"
import { handLoop } from "../../support/handLoop.ts"

/** A caller that reports its result, and may do something more when it is admitted. */
const caller = (
  answers: Array<readonly [number, Admission]>,
  records: number,
  then = () => {}
): Waiter => ({
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
    let place = ({ records }: Waiter): Admission => (records === 3 ? Full : records * 10)
    const line = new WaitingLine((waiter) => place(waiter))
    for (const records of [1, 2, 3, 4]) line.join(caller(answers, records))
    // The fourth would fit, but it does not overtake.
    line.admit()
    assert.deepStrictEqual(answers, [
      [1, 10],
      [2, 20]
    ])
    assert.strictEqual(line.size, 2)
    place = () => undefined
    line.admit()
    assert.deepStrictEqual(answers.slice(2), [
      [3, undefined],
      [4, undefined]
    ])
    assert.strictEqual(line.size, 0)
  })

  it("leave when they give up, once", () => {
    const answers: Array<readonly [number, Admission]> = []
    const line = new WaitingLine(() => 0)
    const [leaveFirst, leaveSecond] = [1, 2].map((records) => line.join(caller(answers, records)))
    assert.isTrue(leaveFirst!())
    assert.isFalse(leaveFirst!())
    line.admit()
    assert.deepStrictEqual(answers, [[2, 0]])
    assert.isFalse(leaveSecond!())
  })

  it("may join or leave while one is admitted, and are served by the same loop", () => {
    const answers: Array<readonly [number, Admission]> = []
    const line = new WaitingLine(({ records }) => records)
    let leave = (): boolean => false
    line.join(
      caller(answers, 1, () => {
        assert.isTrue(leave())
        line.join(caller(answers, 4))
        line.admit()
        assert.deepStrictEqual(answers, [[1, 1]], "a call from within an admission admits nobody")
      })
    )
    line.join(caller(answers, 2))
    leave = line.join(caller(answers, 3))
    line.admit()
    assert.deepStrictEqual(answers, [
      [1, 1],
      [2, 2],
      [4, 4]
    ])
  })

  it("leave from any place, and the others keep their order", () => {
    const answers: Array<readonly [number, Admission]> = []
    const line = new WaitingLine(({ records }) => records)
    const leave = [1, 2, 3, 4, 5].map((records) => line.join(caller(answers, records)))
    for (const place of [4, 0, 2]) assert.isTrue(leave[place]!())
    line.join(caller(answers, 6))
    assert.strictEqual(line.size, 3)
    line.admit()
    assert.deepStrictEqual(
      answers.map(([records]) => records),
      [2, 4, 6]
    )
    assert.strictEqual(line.size, 0)
  })

  it("are admitted in pieces when they are many, and are not overtaken in between", () => {
    const loop = handLoop()
    const answers: Array<readonly [number, Admission]> = []
    const line = new WaitingLine(({ records }) => records, loop.scheduler)
    const count = 3 * PIECE
    for (let n = 0; n < count; n++) line.join(caller(answers, n))
    line.admit()
    assert.strictEqual(answers.length, PIECE)
    // More room, and another caller, while the next turn is due.
    line.join(caller(answers, count))
    line.admit()
    assert.strictEqual(answers.length, PIECE)
    for (let turn = 2; !loop.isIdle(); turn++) {
      loop.turn()
      assert.isAtMost(answers.length, turn * PIECE)
    }
    assert.deepStrictEqual(
      answers.map(([records]) => records),
      Array.from({ length: count + 1 }, (_, n) => n)
    )
  })
})
