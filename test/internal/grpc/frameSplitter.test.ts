/**
 * Assembling the frames of a call: each message arrives once, in order and complete however the
 * bytes are cut. Only memory of released messages is reused.
 */
import { assert, describe, it } from "@effect/vitest"
import { FrameSplitter } from "../../../src/internal/grpc/frameSplitter.ts"
import { seeded } from "../../support/randomTables.ts"
import { frame, messageOf } from "../../support/grpcFrame.ts"

const limit = 1024 * 1024

/** Splits bytes that arrive in copied pieces of these lengths. */
const feed = (splitter: FrameSplitter, bytes: Buffer, lengthOf: () => number): void => {
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + lengthOf())
    assert.isUndefined(splitter.split(Buffer.from(bytes.subarray(at, end))))
    at = end
  }
}

describe("frames of a call", () => {
  it("become whole messages under any cut, and stay unchanged until released", () => {
    const random = seeded(11)
    const below = (most: number) => Math.floor(random() * most)
    for (let round = 0; round < 150; round++) {
      const size = [20, 40_000, 150_000][round % 3]!
      const messages = Array.from({ length: below(8) }, (_, n) => messageOf(round + n, below(size)))
      const kept: Array<readonly [n: number, message: Buffer]> = []
      let arrived = 0
      const splitter: FrameSplitter = new FrameSplitter(limit, (message) => {
        assert.isTrue(message.equals(messages[arrived]!))
        if (random() < 0.5) kept.push([arrived, message])
        else splitter.release(message)
        arrived++
        return true
      })
      const longest = 1 + below([30, 20_000, 70_000][round % 3]!)
      feed(
        splitter,
        Buffer.concat(messages.map((message) => frame(message))),
        () => 1 + below(longest)
      )
      assert.strictEqual(arrived, messages.length)
      for (const [n, message] of kept)
        assert.isTrue(message.equals(messages[n]!), `message ${n} of round ${round}`)
    }
  })

  it("use the memory of a released message for the next, and that of others never", () => {
    const memories: Array<ArrayBufferLike> = []
    let releases = true
    const splitter: FrameSplitter = new FrameSplitter(limit, (message) => {
      memories.push(message.buffer)
      if (releases) splitter.release(message.subarray(7, 9))
      return true
    })
    const send = () => feed(splitter, frame(messageOf(1, 40_000)), () => 16_384)
    send()
    send()
    assert.strictEqual(memories[1], memories[0])
    releases = false
    send()
    send()
    assert.strictEqual(memories[2], memories[0])
    assert.notStrictEqual(memories[3], memories[2])
  })

  it("keep the memory of a message when a view of other memory is released", () => {
    const memories: Array<ArrayBufferLike> = []
    const splitter: FrameSplitter = new FrameSplitter(limit, (message) => {
      memories.push(message.buffer)
      splitter.release(Buffer.alloc(3))
      return true
    })
    for (const n of [1, 2]) feed(splitter, frame(messageOf(n, 30_000)), () => 20_000)
    assert.notStrictEqual(memories[1], memories[0])
  })

  it(
    "name the memory of a chunk with a message that was not released, and where an unfinished " +
      "one begins",
    () => {
      const used: Array<ArrayBufferLike> = []
      const splitter: FrameSplitter = new FrameSplitter(
        limit,
        (message) => {
          if (message[0] === 1) splitter.release(message)
          return true
        },
        (memory) => void used.push(memory)
      )
      const chunk = (...bytes: ReadonlyArray<Uint8Array>) => {
        const whole = new Uint8Array(Buffer.concat(bytes))
        return Buffer.from(whole.buffer)
      }
      const released = chunk(frame(Buffer.from([1])), frame(Buffer.from([1, 2])))
      splitter.split(released)
      assert.deepStrictEqual(used, [])
      const held = chunk(frame(Buffer.from([2])), frame(Buffer.from([1, 5])).subarray(0, 6))
      splitter.split(held)
      assert.strictEqual(used[0], held.buffer)
      assert.strictEqual(splitter.unfinished, held.buffer)
      splitter.split(chunk(Buffer.from([5])))
      assert.isUndefined(splitter.unfinished)
      assert.lengthOf(used, 1)
    }
  )

  it("stop after a message that no other may follow, and go on with the rest", () => {
    const read: Array<number> = []
    const splitter = new FrameSplitter(limit, (message) => read.push(message[0]!) !== 2)
    const rest = splitter.split(Buffer.concat([1, 2, 3, 4].map((n) => frame(Buffer.from([n, n])))))
    assert.deepStrictEqual(read, [1, 2])
    assert.isUndefined(splitter.split(rest!))
    assert.deepStrictEqual(read, [1, 2, 3, 4])
  })

  for (const [what, wrong] of [
    ["compressed", frame(messageOf(1, 20), 1)],
    ["above the limit", frame(Buffer.alloc(limit + 1))]
  ] as const) {
    it(`are answered from one on that is ${what}, wherever its header is cut`, () => {
      for (let cut = 0; cut < 5; cut++) {
        const read: Array<number> = []
        const splitter = new FrameSplitter(limit, (message) => {
          read.push(message[0]!)
          return true
        })
        const bytes = Buffer.concat([frame(Buffer.from([7])), wrong])
        assert.isUndefined(splitter.split(bytes.subarray(0, 6 + cut)))
        const rest = splitter.split(bytes.subarray(6 + cut))
        assert.isTrue(rest?.equals(wrong))
        assert.deepStrictEqual(read, [7])
        assert.isUndefined(splitter.split(frame(Buffer.from([8]))))
        assert.deepStrictEqual(read, [7, 8])
      }
    })
  }
})
