/**
 * The turns of a client's streams. One flush of a scheduler that the test controls is one turn of
 * the event loop.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, type Scheduler } from "effect"
import { bytesCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import { TURN, TURN_MILLIS, Turns } from "../../../src/internal/landing/turns.ts"
import { handLoop } from "../../support/handLoop.ts"
import { uncaughtDuring } from "../../support/uncaught.ts"
import { makeZone, nextTurn } from "../../support/zones.ts"

describe("turns", () => {
  it(
    "are over when the client's streams have accepted their share, and begin anew for those in " +
      "line",
    () => {
      const loop = handLoop()
      const turns = new Turns()
      turns.acceptedBytes += TURN - 1
      assert.isFalse(turns.isOver)
      turns.acceptedBytes += 1
      assert.isTrue(turns.isOver)
      let entered = false
      loop.fork(
        Effect.andThen(
          nextTurn(turns),
          Effect.sync(() => void (entered = true))
        )
      )
      assert.deepStrictEqual([entered, turns.isOver], [false, true])
      loop.turn()
      assert.deepStrictEqual([entered, turns.isOver, loop.isIdle()], [true, false, true])
      turns.end()
      assert.isTrue(turns.isOver)
    }
  )

  it("let callers in by order of arrival, as many as fit, and the rest in later turns", () => {
    const loop = handLoop()
    const turns = new Turns()
    const entered: Array<string> = []
    /** Accepts this much each time it is admitted. */
    const caller = (name: string, share: number, times: number) =>
      loop.fork(
        Effect.gen(function* () {
          for (let n = 0; n < times; n++) {
            yield* nextTurn(turns)
            entered.push(name)
            turns.acceptedBytes += share
          }
        })
      )
    caller("a", TURN, 2)
    caller("b", TURN / 2, 2)
    caller("c", TURN / 4, 1)
    caller("d", TURN / 4, 1)
    const served: Array<string> = []
    while (!loop.isIdle()) {
      loop.turn()
      served.push(entered.splice(0).join(""))
    }
    // A caller that joins again waits behind the others.
    assert.deepStrictEqual(served, ["a", "bcd", "a", "b"])
  })

  it("serve no caller twice in a turn that was ended", () => {
    const loop = handLoop()
    const turns = new Turns()
    const entered: Array<string> = []
    for (const name of ["a", "b"]) {
      loop.fork(
        Effect.gen(function* () {
          for (let n = 0; n < 2; n++) {
            yield* nextTurn(turns)
            entered.push(name)
            turns.end()
          }
        })
      )
    }
    for (const expected of ["a", "ab", "aba", "abab"]) {
      loop.turn()
      assert.strictEqual(entered.join(""), expected)
    }
    assert.isTrue(loop.isIdle())
  })

  it("pass over those that were interrupted", () => {
    const loop = handLoop()
    const turns = new Turns()
    const gone = loop.fork(nextTurn(turns))
    const first = loop.fork(nextTurn(turns))
    loop.fork(Fiber.interrupt(gone))
    loop.turn()
    assert.isTrue(Exit.isSuccess(first.pollUnsafe()!))
    assert.isTrue(Exit.isFailure(gone.pollUnsafe()!))
    assert.isTrue(loop.isIdle())
    // Without callers in line, a turn begins all the same.
    const last = loop.fork(nextTurn(turns))
    loop.fork(Fiber.interrupt(last))
    loop.turn()
    assert.isTrue(loop.isIdle())
  })

  it("admit the others in the same turn when an observer of a caller's end throws", () => {
    const loop = handLoop()
    const turns = new Turns()
    loop.fork(nextTurn(turns)).addObserver(() => {
      throw new Error("by an observer")
    })
    const second = loop.fork(nextTurn(turns))
    const thrown = uncaughtDuring(() => loop.turn())
    assert.deepStrictEqual(thrown, ["by an observer"])
    assert.isDefined(second.pollUnsafe())
  })

  it("begin on the scheduler of any caller in line, even if another one has stopped", () => {
    const stopped = handLoop()
    const loop = handLoop()
    const turns = new Turns()
    stopped.fork(nextTurn(turns))
    const caller = loop.fork(nextTurn(turns))
    loop.turn()
    assert.isDefined(caller.pollUnsafe())
    assert.isFalse(stopped.isIdle())
  })

  it("serve each caller once when one of them has a scheduler that runs its tasks at once", () => {
    const loop = handLoop()
    const atOnce: Scheduler.Scheduler = {
      shouldYield: () => false,
      executionMode: "async",
      makeDispatcher: () => ({ scheduleTask: (task) => task(), flush: () => {} })
    }
    const turns = new Turns()
    const entered: Array<string> = []
    const join = (name: string, scheduler: Scheduler.Scheduler, then = () => {}) =>
      turns.joinUnsafe(scheduler, () => {
        if (entered.includes(name)) return
        entered.push(name)
        then()
      })
    join("a", loop.scheduler)
    join("b", loop.scheduler, () => {
      join("c", atOnce)
      join("d", loop.scheduler)
    })
    while (!loop.isIdle()) loop.turn()
    assert.deepStrictEqual(entered, ["a", "b", "c", "d"])
  })

  it("are over when they have lasted, however little was accepted", () => {
    const loop = handLoop()
    const turns = new Turns()
    assert.isFalse(turns.hasLasted(5000))
    assert.isFalse(turns.hasLasted(5000 + TURN_MILLIS - 1))
    assert.isTrue(turns.hasLasted(5000 + TURN_MILLIS))
    loop.fork(nextTurn(turns))
    loop.turn()
    // A new turn has its full time, starting with the first check.
    assert.isFalse(turns.hasLasted(9000))
    assert.isTrue(turns.hasLasted(9000 + TURN_MILLIS))
  })
})

describe("a caller that hands in records without a pause", () => {
  for (const [size, millis] of [
    [1, 0.01],
    [100, 0.05],
    [5_000, 0.3],
    [100_000, 3]
  ] as const) {
    it.effect(`gives way in time when records of ${size} bytes take ${millis} ms each`, () =>
      Effect.gen(function* () {
        const record = Buffer.alloc(size, 65)
        let now = 1_000_000
        const slow: typeof bytesCodec = {
          ...bytesCodec,
          write: (value, sink) => {
            now += millis
            return bytesCodec.write(value, sink)
          }
        }
        const loop = handLoop()
        const zone = yield* makeZone({}, slow, new Turns(), () => Math.floor(now))
        for (let turn = 0; turn < 5; turn++) {
          const begun = now
          while (!zone.mustGiveWay()) {
            assert.isAtLeast(zone.offerUnsafe(record) as number, 0)
            assert.isBelow(now - begun, 2 * TURN_MILLIS)
          }
          let entered = false
          zone.standInLineUnsafe(loop.scheduler, () => void (entered = true))
          loop.turn()
          assert.isTrue(entered)
        }
      })
    )
  }
})
