/**
 * The timer behind the time limit of waits: one timer for all waits of a stream, each ends at its
 * own time, by the right clock.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { FlushTimeout } from "effect-zerobus"
import { type Limited, WaitLimit } from "../../../src/internal/receipts/waitLimit.ts"
import * as A from "../../support/acceptance.ts"

const LIMIT = 1000

const make = Effect.gen(function* () {
  const clock = yield* Effect.clockWith(Effect.succeed)
  const context = yield* Effect.context<never>()
  const forked: Array<Fiber.Fiber<void>> = []
  const expired: Array<string> = []
  const limit = new WaitLimit(
    LIMIT,
    () => clock.currentTimeMillisUnsafe(),
    (effect) => {
      const fiber = Effect.runForkWith(context)(effect)
      forked.push(fiber)
      return fiber
    }
  )
  const wait = (name: string): Limited => ({
    deadline: 0,
    before: undefined,
    behind: undefined,
    expire: () => void expired.push(name)
  })
  return { expired, forked, limit, wait }
})

describe("the limit of waits", () => {
  it.effect("ends each at its own time, by one timer", () =>
    Effect.gen(function* () {
      const { expired, forked, limit, wait } = yield* make
      limit.add(wait("first"))
      yield* TestClock.adjust(400)
      const answered = wait("answered")
      limit.add(answered)
      limit.add(wait("second"))
      yield* TestClock.adjust(599)
      assert.deepStrictEqual(expired, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(expired, ["first"])
      limit.delete(answered)
      yield* TestClock.adjust(399)
      assert.deepStrictEqual(expired, ["first"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(expired, ["first", "second"])
      assert.strictEqual(forked.length, 1)
    })
  )

  it.effect("has no timer while there is no wait, and starts one for the next", () =>
    Effect.gen(function* () {
      const { expired, forked, limit, wait } = yield* make
      const first = wait("first")
      limit.add(first)
      limit.delete(first)
      yield* TestClock.adjust(LIMIT)
      assert.isDefined(forked[0]!.pollUnsafe())
      limit.add(wait("second"))
      assert.strictEqual(forked.length, 2)
      yield* TestClock.adjust(LIMIT)
      assert.deepStrictEqual(expired, ["second"])
    })
  )

  it.effect("ends its timer with the stream", () =>
    Effect.gen(function* () {
      const { expired, forked, limit, wait } = yield* make
      limit.add(wait("first"))
      limit.endUnsafe()
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(forked[0]!)))
      yield* TestClock.adjust(LIMIT)
      assert.deepStrictEqual(expired, [])
    })
  )
})

describe("a receipt that is awaited", () => {
  it.effect(
    "is bounded by the clock of the fiber that waits, where that is another than the stream's",
    () =>
      Effect.gen(function* () {
        const { stream } = yield* A.open({ flushTimeout: 20 }, { onMessage: () => {} })
        const receipt = yield* stream.ingestRecord({ n: 1 })
        const stands = yield* Effect.forkChild(Effect.flip(receipt.await), {
          startImmediately: true
        })
        const live = Clock.Clock.defaultValue()
        const timeout = yield* Effect.provideService(Effect.flip(receipt.await), Clock.Clock, live)
        assert.instanceOf(timeout, FlushTimeout)
        assert.isUndefined(stands.pollUnsafe())
        yield* TestClock.adjust(20)
        assert.instanceOf(yield* Fiber.join(stands), FlushTimeout)
      })
  )
})
