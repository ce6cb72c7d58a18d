/**
 * Work of many streams for the next turn of the event loop: one task for all, and turns of a
 * bounded length.
 */
import { assert, describe, it } from "@effect/vitest"
import { MixedScheduler, type Scheduler } from "effect/Scheduler"
import { NextTurn, SERVED } from "../../../src/internal/landing/nextTurn.ts"

/** A scheduler whose tasks are run by hand. */
const byHand = () => {
  const tasks: Array<() => void> = []
  const scheduler: Scheduler = {
    executionMode: "async",
    shouldYield: () => false,
    makeDispatcher: () => ({ scheduleTask: (task) => void tasks.push(task), flush: () => {} })
  }
  return { scheduler, tasks, run: () => tasks.shift()!() }
}

describe("the next turn", () => {
  it("serves all that are due in one task, in order", () => {
    const { run, scheduler, tasks } = byHand()
    const next = new NextTurn(scheduler)
    const served: Array<number> = []
    for (let n = 0; n < 100; n++) next.add({ runUnsafe: () => void served.push(n) })
    assert.deepStrictEqual([tasks.length, served.length], [1, 0])
    run()
    assert.deepStrictEqual(
      served,
      Array.from({ length: 100 }, (_, n) => n)
    )
    assert.strictEqual(tasks.length, 0)
  })

  it("leaves those beyond a turn's share to later turns, before later arrivals", () => {
    const { run, scheduler, tasks } = byHand()
    const next = new NextTurn(scheduler)
    const served: Array<number> = []
    const add = (n: number): void => next.add({ runUnsafe: () => void served.push(n) })
    for (let n = 0; n < SERVED + 2; n++) add(n)
    run()
    assert.strictEqual(served.length, SERVED)
    add(SERVED + 2)
    assert.strictEqual(tasks.length, 1)
    run()
    assert.deepStrictEqual(served.slice(SERVED), [SERVED, SERVED + 1, SERVED + 2])
  })

  it("serves in a separate turn what is added while it serves", () => {
    const { run, scheduler, tasks } = byHand()
    const next = new NextTurn(scheduler)
    let served = 0
    const again = { runUnsafe: () => void (++served < 3 && next.add(again)) }
    next.add(again)
    for (let turns = 1; turns <= 3; turns++) {
      run()
      assert.strictEqual(served, turns)
    }
    assert.strictEqual(tasks.length, 0)
  })

  it("serves all with a scheduler that runs tasks at once", () => {
    const at = new MixedScheduler()
    const scheduler: Scheduler = {
      executionMode: "async",
      shouldYield: (fiber) => at.shouldYield(fiber),
      makeDispatcher: () => ({ scheduleTask: (task) => task(), flush: () => {} })
    }
    const next = new NextTurn(scheduler)
    let served = 0
    for (let n = 0; n < SERVED * 2; n++) next.add({ runUnsafe: () => void served++ })
    assert.strictEqual(served, SERVED * 2)
  })
})
