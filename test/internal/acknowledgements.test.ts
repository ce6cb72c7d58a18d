/**
 * The watermark and its waiters, against a model on random programs.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Offset } from "../../src/Offset.ts"
import { Acknowledgements } from "../../src/internal/acknowledgements.ts"
import * as A from "../support/acceptance.ts"
import { seeded } from "../support/zones.ts"

describe("Acknowledgements", () => {
  it.effect("wakes each waiter once, in order of offsets, when its offset is durable, and never one too early", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 20; seed++) {
        const random = seeded(seed)
        const acks = new Acknowledgements<"ended">()
        const woken: Array<number> = []
        let watermark = -1
        const waiting = new Map<number, A.Running<Offset, "ended">>()
        for (let n = 0; n < 120; n++) {
          const offset = Offset(random.below(50))
          const one = yield* Effect.forkScoped(
            Effect.tap(acks.await(offset), (durable) => Effect.sync(() => woken.push(durable))),
            { startImmediately: true }
          )
          waiting.set(n, { done: () => one.pollUnsafe() !== undefined } as A.Running<Offset, "ended">)
          if (random.below(4) === 0) one.interruptUnsafe()
          if (random.below(6) === 0) {
            const before = woken.length
            const target = random.below(40)
            acks.advanceUnsafe(target)
            watermark = Math.max(watermark, target)
            yield* A.settle
            assert.strictEqual(acks.watermark, watermark)
            for (const offset of woken.slice(before)) assert.isAtMost(offset, watermark)
          }
        }
        acks.advanceUnsafe(1000)
        yield* A.settle
        for (const one of waiting.values()) assert.isTrue(one.done())
      }
    })
  )

  it.effect("wakes in ascending order whatever the order of asking", () =>
    Effect.gen(function* () {
      const acks = new Acknowledgements<never>()
      const woken: Array<number> = []
      for (const n of [5, 1, 3, 3, 0, 4, 2]) {
        yield* Effect.forkScoped(
          Effect.map(acks.await(Offset(n)), (offset) => woken.push(offset)),
          { startImmediately: true }
        )
      }
      acks.advanceUnsafe(3)
      yield* A.settle
      assert.deepStrictEqual(woken, [0, 1, 2, 3, 3])
      acks.advanceUnsafe(2)
      yield* A.settle
      assert.strictEqual(acks.watermark, 3)
      acks.advanceUnsafe(9)
      yield* A.settle
      assert.deepStrictEqual(woken, [0, 1, 2, 3, 3, 4, 5])
    })
  )

  it.effect("gives the first outcome to everybody above the watermark, now and later", () =>
    Effect.gen(function* () {
      const acks = new Acknowledgements<string>()
      acks.advanceUnsafe(1)
      const waiting = yield* A.started(acks.await(Offset(2)))
      acks.endUnsafe(Exit.fail("first"))
      acks.endUnsafe(Exit.fail("second"))
      yield* A.settle
      assert.strictEqual(waiting.error(), "first")
      assert.strictEqual(yield* Effect.flip(acks.await(Offset(7))), "first")
      assert.strictEqual(yield* acks.await(Offset(1)), 1)
      assert.deepStrictEqual(acks.pollUnsafe(Offset(0)), Exit.succeed(Offset(0)))
      assert.strictEqual(yield* Effect.flip(acks.ended), "first")
      assert.strictEqual(yield* Effect.flip(acks.beyond(1)), "first")
      assert.strictEqual(yield* acks.beyond(0), 1)
    })
  )

  it.effect("shows a slow reader the latest watermark, not each one", () =>
    Effect.gen(function* () {
      const acks = new Acknowledgements<never>()
      const reading = yield* A.started(acks.beyond(-1))
      assert.isFalse(reading.done())
      acks.advanceUnsafe(0)
      yield* A.settle
      assert.strictEqual(reading.value(), 0)
      acks.advanceUnsafe(3)
      acks.advanceUnsafe(8)
      assert.strictEqual(yield* acks.beyond(0), 8)
    })
  )

  it.effect("forgets ten thousand waiters that gave up", () =>
    Effect.gen(function* () {
      const acks = new Acknowledgements<never>()
      for (let n = 0; n < 10_000; n++) {
        const one = yield* Effect.forkChild(acks.await(Offset(1_000_000)), { startImmediately: true })
        one.interruptUnsafe()
      }
      yield* A.settle
      const kept = (acks as unknown as { readonly waiters: ReadonlyArray<unknown> }).waiters.length
      assert.isAtMost(kept, 64)
    })
  )
})
