/**
 * The queue of messages that no session has taken: their order, and when its listener is called.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Message } from "../../../src/internal/landing/chunk.ts"
import { MessageQueue } from "../../../src/internal/landing/messageQueue.ts"
import type { Due, NextTurn } from "../../../src/internal/landing/nextTurn.ts"

const message = (offset: number): Message => ({ offset }) as Message

const make = () => {
  const due: Array<Due> = []
  const queue = new MessageQueue({ add: (one: Due) => void due.push(one) } as unknown as NextTurn)
  return { due, queue, run: () => due.shift()!.runUnsafe() }
}

describe("a message queue", () => {
  it("gives messages in order, also when many were taken before", () => {
    const { queue } = make()
    let taken = 0
    for (let n = 0; n < 5000; n++) {
      queue.push(message(n))
      if (n % 3 === 0) assert.strictEqual(queue.shift()?.offset, taken++)
    }
    while (!queue.isEmpty) assert.strictEqual(queue.shift()?.offset, taken++)
    assert.strictEqual(taken, 5000)
    assert.isUndefined(queue.shift())
  })

  it("calls its listener once per turn, however many messages come", () => {
    const { due, queue, run } = make()
    let told = 0
    const stop = queue.listenUnsafe(() => void told++)
    for (let n = 0; n < 10; n++) queue.push(message(n))
    assert.deepStrictEqual([due.length, told], [1, 0])
    run()
    queue.push(message(10))
    assert.deepStrictEqual([due.length, told], [1, 1])
    run()
    assert.strictEqual(told, 2)
    queue.push(message(11))
    stop()
    run()
    queue.push(message(12))
    assert.deepStrictEqual([due.length, told], [0, 2])
  })

  it("keeps a listener that took the place of another", () => {
    const { queue, run } = make()
    const told: Array<string> = []
    const stop = queue.listenUnsafe(() => void told.push("first"))
    queue.listenUnsafe(() => void told.push("second"))
    stop()
    queue.push(message(0))
    run()
    assert.deepStrictEqual(told, ["second"])
  })
})
