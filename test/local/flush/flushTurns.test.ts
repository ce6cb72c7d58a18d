/** The turns of flushes: the number at once, and their order. */
import { assert, describe, it } from "@effect/vitest"
import { FlushTurns } from "../../../src/local/flush/flushTurns.ts"

/** Works that end when the test ends them, and the order in which they began. */
const works = (turns: FlushTurns) => {
  const begun: Array<string> = []
  const begin = (name: string) => {
    const gate = Promise.withResolvers<void>()
    const ended = turns.run(async () => {
      begun.push(name)
      await gate.promise
    })
    return { ...gate, ended }
  }
  return { begun, begin }
}
/** Lets everything run that is ready. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

describe("turns", () => {
  it("are given to a limited number at once, in the order of the requests", async () => {
    const { begin, begun } = works(new FlushTurns(2))
    const [a, b, c, d] = ["a", "b", "c", "d"].map(begin)
    await settled()
    assert.deepEqual(begun, ["a", "b"])
    b!.resolve()
    await b!.ended
    await settled()
    assert.deepEqual(begun, ["a", "b", "c"])
    a!.resolve()
    c!.resolve()
    d!.resolve()
    await Promise.all([a!.ended, c!.ended, d!.ended])
    assert.deepEqual(begun, ["a", "b", "c", "d"])
  })

  it("pass on after a failure, and are free again without waiters", async () => {
    const turns = new FlushTurns(1)
    const failing = turns.run(() => Promise.reject(new Error("no")))
    const next = turns.run(async () => "next")
    assert.strictEqual(await failing.catch((error: Error) => error.message), "no")
    assert.strictEqual(await next, "next")
    assert.strictEqual(await turns.run(async () => "later"), "later")
  })
})
