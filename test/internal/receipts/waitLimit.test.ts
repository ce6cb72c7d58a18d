/**
 * The time limit that the waits of one stream share: each wait ends, however the clock moves, with
 * what is known by then.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, type Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Offset } from "../../../src/Offset.ts"
import { Acknowledgements } from "../../../src/internal/receipts/acknowledgements.ts"
import { WaitLimit } from "../../../src/internal/receipts/waitLimit.ts"
import { PIECE } from "../../../src/internal/userCode/pieces.ts"
import * as A from "../../support/acceptance.ts"
import { handLoop } from "../../support/handLoop.ts"

const expired = () => Exit.fail("expired" as const)

/** A limit on the test's clock. `look` may advance the clock whenever it is read. */
const limitOf = (millis: number, look: () => number = () => 0, options?: Effect.RunOptions) =>
  Effect.map(Effect.context<never>(), (context) => {
    const clock = TestClock.testClockWith((test) => Effect.succeed(test))
    const test = Effect.runSyncWith(context)(clock)
    const fork = Effect.runForkWith(context)
    const now = () => test.currentTimeMillisUnsafe() + look()
    return new WaitLimit(millis, now, (effect) => fork(effect, options))
  })

describe("WaitLimit", () => {
  it.effect("ends later waits after one that reached the limit before its timer began", () =>
    Effect.gen(function* () {
      let passed = 0
      let step = 10
      const limit = yield* limitOf(10, () => (passed += step))
      const acks = new Acknowledgements<never>()
      const first = yield* A.started(acks.await(Offset(0), { limit, expired }))
      assert.strictEqual(first.error(), "expired")
      step = 0
      const second = yield* A.started(acks.await(Offset(0), { limit, expired }))
      assert.isFalse(second.done())
      yield* A.advance(10)
      assert.strictEqual(second.error(), "expired")
    })
  )

  it.effect("resumes a wait with the durable offset even if its turn is later", () =>
    Effect.gen(function* () {
      const loop = handLoop()
      const limit = yield* limitOf(10)
      const acks = new Acknowledgements<never>(loop.scheduler)
      const fibers: Array<Fiber.Fiber<Offset, "expired">> = []
      for (let n = 0; n < 2 * PIECE; n++) {
        fibers.push(
          yield* Effect.forkChild(acks.await(Offset(n), { limit, expired }), {
            startImmediately: true
          })
        )
      }
      acks.advanceUnsafe(2 * PIECE - 2)
      yield* A.advance(10)
      const exits = fibers.map((fiber) => fiber.pollUnsafe())
      assert.deepStrictEqual(
        exits.slice(0, -1),
        exits.slice(0, -1).map((_, n) => Exit.succeed(Offset(n)))
      )
      assert.deepStrictEqual(exits.at(-1), Exit.fail("expired"))
      while (!loop.isIdle()) loop.turn()
    })
  )

  it.effect("answers in pieces when many reach the limit", () =>
    Effect.gen(function* () {
      const loop = handLoop()
      const limit = yield* limitOf(10, undefined, loop)
      const acks = new Acknowledgements<never>()
      let answered = 0
      for (let n = 0; n < 3 * PIECE + 1; n++) {
        const wait = acks.await(Offset(n), { limit, expired })
        yield* Effect.forkChild(
          Effect.onExit(wait, () => Effect.sync(() => answered++)),
          { startImmediately: true }
        )
      }
      yield* A.advance(10)
      for (let turn = 1; turn <= 3; turn++) {
        assert.strictEqual(answered, turn * PIECE)
        loop.turn()
      }
      assert.strictEqual(answered, 3 * PIECE + 1)
      assert.isTrue(loop.isIdle())
    })
  )
})
