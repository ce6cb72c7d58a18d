/** When a fault strikes: counting, connections, records, repetition, and waiting for events. */
import { assert, describe, it } from "@effect/vitest"
import { type Fault, makeFaultScript } from "../../../src/local/faults/faultScript.ts"

const skip = { _tag: "Skip" } as const
const end = { _tag: "End" } as const
const turn = () => new Promise<void>((resolve) => queueMicrotask(resolve))

describe("a fault", () => {
  const strikes = (
    fault: Omit<Fault, "action">,
    passes: ReadonlyArray<readonly [Fault["at"], number, number]>
  ) => {
    const script = makeFaultScript()
    script.inject({ ...fault, action: skip })
    return passes.map(
      ([at, connection, records]) => script.next(at, connection, records) !== undefined
    )
  }
  const messages = (...records: ReadonlyArray<number>) =>
    records.map((count) => ["message", 1, count] as const)

  it("strikes once, at the first occurrence, by default", () => {
    assert.deepStrictEqual(strikes({ at: "message" }, messages(1, 1, 1)), [true, false, false])
  })

  it("strikes from the n-th occurrence on, as often as it may", () => {
    assert.deepStrictEqual(strikes({ at: "message", nth: 3, times: 2 }, messages(1, 1, 1, 1, 1)), [
      false,
      false,
      true,
      true,
      false
    ])
  })

  it("strikes with the message that brings the records", () => {
    assert.deepStrictEqual(strikes({ at: "message", afterRecords: 10 }, messages(4, 5, 1, 1)), [
      false,
      false,
      true,
      false
    ])
    assert.deepStrictEqual(strikes({ at: "message", afterRecords: 10 }, messages(100)), [true])
  })

  it("strikes an acknowledgement after so many records", () => {
    const passes = [
      ["ack", 1, 0],
      ["message", 1, 9],
      ["ack", 1, 0],
      ["message", 1, 1],
      ["ack", 1, 0]
    ] as const
    assert.deepStrictEqual(strikes({ at: "ack", afterRecords: 10 }, passes), [
      false,
      false,
      false,
      false,
      true
    ])
  })

  it("counts only its connection", () => {
    const passes = [
      ["message", 1, 1],
      ["message", 2, 1],
      ["message", 1, 1],
      ["message", 2, 1]
    ] as const
    assert.deepStrictEqual(strikes({ at: "message", connection: 2, nth: 2 }, passes), [
      false,
      false,
      false,
      true
    ])
  })

  it("waits when another one strikes at the same point, in the order of injection", () => {
    const script = makeFaultScript()
    script.inject({ at: "ack", action: skip })
    script.inject({ at: "ack", action: end })
    assert.deepStrictEqual(
      [1, 2, 3].map(() => script.next("ack", 1, 0)?._tag),
      ["Skip", "End", undefined]
    )
  })

  it("is gone after clear", () => {
    const script = makeFaultScript()
    script.inject({ at: "ack", times: Infinity, action: skip })
    assert.isDefined(script.next("ack", 1, 0))
    script.clear()
    assert.isUndefined(script.next("ack", 1, 0))
  })
})

describe("events", () => {
  it("resume waiters once the count is reached, after the step that caused them", async () => {
    const script = makeFaultScript()
    const woken: Array<string> = []
    script.when("ack", 2, () => woken.push("second"))
    script.when("ack", 1, () => woken.push("first"))
    const stop = script.when("ack", 1, () => woken.push("never"))
    stop()
    script.next("ack", 1, 0)
    assert.deepStrictEqual(woken, [])
    await turn()
    assert.deepStrictEqual(woken, ["first"])
    script.next("ack", 1, 0)
    await turn()
    assert.deepStrictEqual(woken, ["first", "second"])
    script.when("ack", 2, () => woken.push("at once"))
    assert.deepStrictEqual(woken.at(-1), "at once")
    assert.strictEqual(script.count("ack"), 2)
  })

  it("release what is held, and nothing that is held later", () => {
    const script = makeFaultScript()
    const freed: Array<number> = []
    script.hold(() => {
      freed.push(1)
      script.hold(() => freed.push(2))
    })
    assert.strictEqual(script.releaseUnsafe(), 1)
    assert.deepStrictEqual(freed, [1])
    assert.strictEqual(script.releaseUnsafe(), 1)
    assert.deepStrictEqual(freed, [1, 2])
    assert.strictEqual(script.releaseUnsafe(), 0)
  })
})
