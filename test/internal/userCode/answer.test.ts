/**
 * Results that fibers wait for: all of them get the result, even if one throws when it is resumed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import { Answer } from "../../../src/internal/userCode/answer.ts"
import { thrownKind, warnOnce } from "../../../src/internal/userCode/wake.ts"
import { collect, uncaughtDuring } from "../../support/uncaught.ts"

describe("an answer", () => {
  it("reaches all waiters in order, though observers throw, whose errors become uncaught", () => {
    const answer = new Answer<number, string>()
    const told: Array<string> = []
    for (let n = 0; n < 4; n++) {
      Effect.runCallback(answer.await, {
        onExit: (exit) => {
          told.push(`${n} ${Exit.isSuccess(exit) ? exit.value : "failed"}`)
          if (n % 2 === 0) throw new Error(`observer ${n}`)
        }
      })
    }
    const uncaught = uncaughtDuring(() => answer.doneUnsafe(Exit.succeed(5)))
    assert.deepStrictEqual(told, ["0 5", "1 5", "2 5", "3 5"])
    assert.deepStrictEqual(uncaught, ["observer 0", "observer 2"])
    assert.isTrue(answer.isDone)
  })

  it("is the first one, also for those who come later", () => {
    const answer = new Answer<number, string>()
    answer.doneUnsafe(Exit.fail("first"))
    answer.doneUnsafe(Exit.succeed(2))
    assert.strictEqual(Effect.runSync(Effect.flip(answer.await)), "first")
  })

  it("does not resume an interrupted waiter, even if an earlier one interrupts it", () => {
    const answer = new Answer<number>()
    const told: Array<string> = []
    const wait = (name: string) =>
      Effect.runFork(
        Effect.onExit(answer.await, (exit) =>
          Effect.sync(() => void told.push(`${name} ${exit._tag}`))
        )
      )
    const gone = wait("gone")
    gone.interruptUnsafe()
    Effect.runFork(
      Effect.andThen(
        answer.await,
        Effect.sync(() => later.interruptUnsafe())
      )
    )
    const later = wait("later")
    answer.doneUnsafe(Exit.succeed(1))
    assert.deepStrictEqual(told, ["gone Failure", "later Failure"])
    assert.isTrue(
      Exit.isFailure(later.pollUnsafe()!) &&
        Cause.hasInterruptsOnly((later.pollUnsafe() as any).cause)
    )
  })
})

describe("what was thrown", () => {
  it("is named by its kind, though it cannot be read", () => {
    const hostile = new Proxy(new Error("secret"), {
      getPrototypeOf: () => {
        throw new Error("no prototype")
      }
    })
    const nameless = Object.defineProperty(new Error("secret"), "name", {
      get: () => {
        throw new Error("no name")
      }
    })
    assert.deepStrictEqual(
      [new RangeError("secret"), "secret", undefined, hostile, nameless].map(thrownKind),
      ["RangeError", "string", "undefined", "unreadable", "unreadable"]
    )
  })

  it("by an observer is warned of once, though it cannot be read", () => {
    const { reported, stop } = collect()
    const unreadable = Object.defineProperty(new Error("secret"), "stack", {
      get: () => {
        throw new Error("no stack")
      }
    })
    const logger = {}
    for (let n = 0; n < 3; n++) warnOnce(logger, "logger", unreadable)
    warnOnce({}, "tracer", "text")
    stop()
    assert.deepStrictEqual(reported.warnings, [
      "The program's logger threw (Error). Streams go on without it.",
      "The program's tracer threw (string). Streams go on without it."
    ])
  })
})
