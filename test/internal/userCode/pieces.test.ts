/**
 * Resuming in pieces, with any scheduler of the program.
 */
import { assert, describe, it } from "@effect/vitest"
import { MixedScheduler, type Scheduler } from "effect/Scheduler"
import { PIECE, Pieces } from "../../../src/internal/userCode/pieces.ts"

/** A scheduler that passes every task to `schedule`. */
const schedulerOf = (schedule: (task: () => void) => void): Scheduler => {
  const own = new MixedScheduler()
  return {
    executionMode: "async",
    shouldYield: (fiber) => own.shouldYield(fiber),
    makeDispatcher: () => ({ scheduleTask: schedule, flush: () => {} })
  }
}

describe("pieces", () => {
  it("of an immediate scheduler are unlimited in number, on one level of the stack", () => {
    const all = 20_000 * PIECE
    let answered = 0
    const pieces = new Pieces(
      schedulerOf((task) => task()),
      () => answered < all && ++answered > 0
    )
    pieces.runUnsafe()
    assert.strictEqual(answered, all)
  })

  it("of a scheduler that delays tasks wait for it, and new waiters start no further piece", () => {
    const tasks: Array<() => void> = []
    let left = 3 * PIECE
    const pieces = new Pieces(
      schedulerOf((task) => void tasks.push(task)),
      () => left > 0 && left-- > 0
    )
    pieces.runUnsafe()
    pieces.runUnsafe()
    assert.deepStrictEqual([left, tasks.length], [2 * PIECE, 1])
    tasks.shift()!()
    assert.deepStrictEqual([left, tasks.length], [PIECE, 1])
    while (tasks.length > 0) tasks.shift()!()
    assert.strictEqual(left, 0)
    left = 1
    pieces.runUnsafe()
    assert.strictEqual(left, 0)
  })

  it("go on after an answer that threw", () => {
    let left = 2
    const pieces = new Pieces(
      schedulerOf((task) => task()),
      () => {
        if (left === 0) return false
        left--
        if (left === 1) throw new Error("an answer")
        return true
      }
    )
    assert.throws(() => pieces.runUnsafe(), "an answer")
    pieces.runUnsafe()
    assert.strictEqual(left, 0)
  })
})
