/**
 * The watermark and its waiters, compared with a model on random programs.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, References, Stream } from "effect"
import { Offset } from "../../../src/Offset.ts"
import { Acknowledgements } from "../../../src/internal/receipts/acknowledgements.ts"
import { PIECE } from "../../../src/internal/userCode/pieces.ts"
import * as A from "../../support/acceptance.ts"
import { handLoop } from "../../support/handLoop.ts"
import { seeded } from "../../support/zones.ts"

const waitingOf = (acks: object): number =>
  (acks as unknown as { readonly waiters: { readonly size: number } }).waiters.size

describe("Acknowledgements", () => {
  it.effect(
    "wakes each waiter once, in order of offsets, when its offset is durable, and never one too " +
      "early",
    () =>
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
            waiting.set(n, { done: () => one.pollUnsafe() !== undefined } as A.Running<
              Offset,
              "ended"
            >)
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

  it.effect("wakes in ascending order whatever the order of waiting", () =>
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
        const one = yield* Effect.forkChild(acks.await(Offset(1_000_000)), {
          startImmediately: true
        })
        one.interruptUnsafe()
      }
      yield* A.settle
      assert.strictEqual(waitingOf(acks), 0)
    })
  )

  it.effect("wakes a caller whose offset becomes durable between two of its steps", () =>
    Effect.gen(function* () {
      for (let turns = 0; turns < 12; turns++) {
        for (const [steps, end] of [
          [3, false],
          [3, true],
          [4, false],
          [4, true]
        ] as const) {
          const acks = new Acknowledgements<"ended">()
          const waiting = yield* Effect.forkChild(
            // A fiber that yields after a few steps.
            Effect.provideService(
              Effect.exit(acks.await(Offset(3))),
              References.MaxOpsBeforeYield,
              steps
            )
          )
          for (let n = 0; n < turns; n++) yield* A.turn
          if (end) acks.endUnsafe(Exit.fail("ended"))
          else acks.advanceUnsafe(3)
          yield* A.settle
          const exit = waiting.pollUnsafe()
          assert.isDefined(exit, `still waiting, ended after ${turns} turns`)
          assert.deepStrictEqual(
            yield* Fiber.join(waiting),
            end ? Exit.fail("ended" as const) : Exit.succeed(Offset(3))
          )
        }
      }
    })
  )

  it("resumes in pieces when many wait, and reports the end last", () => {
    for (const order of [1, -1]) {
      const loop = handLoop()
      const acks = new Acknowledgements<"ended">(loop.scheduler)
      const answered: Array<number> = []
      const count = 4 * PIECE
      const offsets = Array.from({ length: count }, (_, n) => (order > 0 ? n : count - 1 - n))
      for (const offset of offsets) {
        const note = () => Effect.sync(() => answered.push(offset))
        Effect.runFork(Effect.onExit(acks.await(Offset(offset)), note))
      }
      let told = false
      acks.advanceUnsafe(2 * PIECE - 1)
      assert.strictEqual(answered.length, PIECE)
      // The end comes while the next turn is due.
      acks.endUnsafe(Exit.fail("ended"), () => void (told = true))
      assert.strictEqual(answered.length, PIECE)
      for (let turn = 2; !loop.isIdle(); turn++) {
        assert.isFalse(told)
        loop.turn()
        assert.isAtMost(answered.length, turn * PIECE)
      }
      assert.isTrue(told)
      assert.deepStrictEqual(
        answered,
        offsets.toSorted((x, y) => x - y)
      )
    }
  })

  it("reports the state of an offset at once, before its waiters resume", () => {
    const loop = handLoop()
    const acks = new Acknowledgements<never>(loop.scheduler)
    const waiting = Array.from({ length: 2 * PIECE }, (_, n) =>
      Effect.runFork(acks.await(Offset(n)))
    )
    acks.advanceUnsafe(2 * PIECE)
    const last = Offset(2 * PIECE - 1)
    assert.isUndefined(waiting[last]!.pollUnsafe())
    assert.deepStrictEqual(acks.pollUnsafe(last), Exit.succeed(last))
    assert.isDefined(Effect.runFork(acks.await(last)).pollUnsafe())
    // A waiter interrupted in the meantime is skipped.
    waiting[last]!.interruptUnsafe()
    loop.turn()
    assert.isTrue(waiting.every((fiber) => fiber.pollUnsafe() !== undefined))
  })

  it.effect(
    "tells one reader nothing twice, and a reader of an ended stream what was durable first",
    () =>
      Effect.gen(function* () {
        const acks = new Acknowledgements<"ended">()
        acks.advanceUnsafe(4)
        const reading = yield* A.started(acks.beyond(4))
        acks.advanceUnsafe(4)
        acks.advanceUnsafe(2)
        yield* A.settle
        assert.isFalse(reading.done())
        acks.endUnsafe(Exit.fail("ended"))
        yield* A.settle
        assert.strictEqual(reading.error(), "ended")
        assert.strictEqual(yield* acks.beyond(3), 4)
      })
  )

  it.effect(
    "wakes those of the same offset in the order in which they asked, and passes by those that " +
      "gave up",
    () =>
      Effect.gen(function* () {
        const acks = new Acknowledgements<"ended">()
        const woken: Array<string> = []
        const ask = (name: string, offset: number) =>
          Effect.forkChild(
            Effect.exit(
              Effect.onExit(acks.await(Offset(offset)), () => Effect.sync(() => woken.push(name)))
            ),
            { startImmediately: true }
          )
        yield* ask("first", 3)
        yield* ask("last", 5)
        yield* ask("second", 3)
        yield* ask("third", 3)
        const gone = yield* ask("gone", 9)
        yield* ask("ended", 9)
        yield* Fiber.interrupt(gone)
        assert.deepStrictEqual(woken.splice(0), ["gone"])
        acks.advanceUnsafe(5)
        yield* A.settle
        assert.deepStrictEqual(woken.splice(0), ["first", "second", "third", "last"])
        acks.endUnsafe(Exit.fail("ended"))
        yield* A.settle
        assert.deepStrictEqual(woken, ["ended"])
      })
  )
})

describe("a reader of durableOffsets", () => {
  it.effect("gets every rise, wherever its fiber yields and whatever other readers do", () =>
    Effect.gen(function* () {
      const missed: Array<number> = []
      for (let ops = 1990; ops < 2060; ops++) {
        const { server, stream } = yield* A.open({ batching: "off" }, A.silent)
        const seen: Array<number> = []
        yield* Effect.forkScoped(
          Stream.runForEach(stream.durableOffsets, (offset) =>
            Effect.gen(function* () {
              seen.push(offset)
              if (offset === 0) for (let i = 0; i < ops; i++) yield* Effect.sync(() => i)
            })
          )
        )
        yield* Effect.forkScoped(Stream.runDrain(stream.durableOffsets))
        yield* stream.ingestRecord(A.record(0))
        yield* stream.ingestRecord(A.record(1))
        for (let i = 0; i < 10; i++) yield* A.turn
        server.last.ack(0)
        server.last.ack(1)
        for (let i = 0; i < 20; i++) yield* A.turn
        yield* stream.flush
        if (seen.at(-1) !== 1) missed.push(ops)
      }
      assert.deepStrictEqual(missed, [])
    })
  )
})
