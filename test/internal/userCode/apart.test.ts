/**
 * User effects in separate fibers: an interruption reaches that fiber, whenever it starts.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scheduler } from "effect"
import { apart } from "../../../src/internal/userCode/apart.ts"

/** A scheduler whose tasks are run by hand. Each fiber starts in a separate task. */
const byHand = () => {
  const tasks: Array<() => void> = []
  const begun = new WeakSet<object>()
  const scheduler = new Scheduler.MixedScheduler("async", (task) => {
    tasks.push(task)
    return () => {}
  })
  scheduler.shouldYield = (fiber) => {
    if (begun.has(fiber)) return false
    begun.add(fiber)
    return true
  }
  const run = (most: number): number => {
    let count = 0
    for (; count < most; count++) {
      const task = tasks.shift()
      if (task === undefined) break
      task()
    }
    return count
  }
  return { run, scheduler }
}

describe("an effect apart", () => {
  it("is interrupted with its caller at every point, also before it has begun", () => {
    let points = 0
    for (let at = 0; ; at++) {
      const { run, scheduler } = byHand()
      let running = 0
      const effect = Effect.acquireUseRelease(
        Effect.sync(() => running++),
        () => Effect.never,
        () => Effect.sync(() => running--)
      )
      const fiber = Effect.runFork(
        Effect.provideService(apart(effect), Scheduler.Scheduler, scheduler)
      )
      const taken = run(at)
      fiber.interruptUnsafe()
      run(Infinity)
      const exit = fiber.pollUnsafe()
      assert.isTrue(exit !== undefined && Exit.hasInterrupts(exit), `at ${at}`)
      assert.strictEqual(running, 0, `at ${at}`)
      points++
      if (taken < at) break
    }
    assert.isAbove(points, 2)
  })
})
