/**
 * Timers of a clock and of an owner that ends, and delays that keep their order.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { makeDelays, makeScopedTimers, makeTimers, type Timers } from "../../src/local/timers.ts"

describe("timers", () => {
  it.effect("call back at their time, once, unless they are cancelled", () =>
    Effect.gen(function* () {
      const timers = makeTimers(yield* Clock.Clock)
      const called: Array<string> = []
      timers.after(10, () => called.push("kept"))
      const takeBack = timers.after(10, () => called.push("taken back"))
      takeBack()
      yield* TestClock.adjust(9)
      assert.deepStrictEqual([called, timers.now()], [[], 9])
      yield* TestClock.adjust(1)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(called, ["kept"])
    })
  )
})

describe("delays of one series", () => {
  it.effect("keep their order, whatever the time of each", () =>
    Effect.gen(function* () {
      const timers = makeTimers(yield* Clock.Clock)
      const delays = makeDelays(timers)
      const called: Array<number> = []
      for (const [n, millis] of [50, 10, 0, 60].entries()) delays.add(millis, () => called.push(n))
      assert.deepStrictEqual([called, delays.waiting()], [[], 4])
      yield* TestClock.adjust(49)
      assert.deepStrictEqual(called, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([called, delays.waiting()], [[0, 1, 2], 1])
      yield* TestClock.adjust(10)
      assert.deepStrictEqual([called, delays.waiting()], [[0, 1, 2, 3], 0])
      delays.add(0, () => called.push(4))
      assert.strictEqual(called.at(-1), 4)
    })
  )
})

/** Timers that the test fires by hand, including cancelled ones. */
const handTimers = () => {
  const callbacks: Array<() => void> = []
  const cancelled: Array<number> = []
  const timers: Timers = {
    now: () => 0,
    after: (_, callback) => {
      const index = callbacks.push(callback) - 1
      return () => cancelled.push(index)
    }
  }
  return { timers, callbacks, cancelled }
}

describe("timers with an owner", () => {
  it("are cancelled at the end, except those that ran, and never run afterwards", () => {
    const { callbacks, cancelled, timers } = handTimers()
    const scoped = makeScopedTimers(timers)
    const ran: Array<string> = []
    scoped.after(1, () => ran.push("before"))
    scoped.after(2, () => ran.push("after"))
    callbacks[0]!()
    assert.isFalse(scoped.isEnded())
    scoped.end()
    assert.isTrue(scoped.isEnded())
    assert.deepStrictEqual(cancelled, [1])
    callbacks[1]!()
    assert.deepStrictEqual(ran, ["before"])
  })
})
