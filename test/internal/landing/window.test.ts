/**
 * The window of messages in flight, compared with an array of unacknowledged messages and a count
 * of sent ones.
 */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Message } from "../../../src/internal/landing/chunk.ts"
import { Window } from "../../../src/internal/landing/window.ts"
import { seeded } from "../../support/zones.ts"

const chunk = new Chunk(64)
const message = (offset: number) =>
  new Message({ chunk, start: 32, end: 33, offset, records: 1, atomic: false, acceptedAt: 0 })

describe("the window", () => {
  it("keeps messages in order over acknowledgements and new sessions", () => {
    for (let seed = 0; seed < 5; seed++) {
      const random = seeded(seed)
      const window = new Window()
      const expected: Array<Message> = []
      let sent = 0
      for (let step = 0; step < 4000; step++) {
        const kind = random.below(100)
        if (step % 500 === 499) {
          window.rewind()
          sent = 0
        } else if (kind < 53) {
          const again = window.replay()
          assert.strictEqual(again, expected[sent])
          if (again === undefined) {
            const fresh = message(step)
            expected.push(fresh)
            window.push(fresh)
          }
          sent++
        } else if (sent > 0) {
          assert.strictEqual(window.shift(), expected[0])
          expected.shift()
          sent--
        }
        assert.strictEqual(window.inFlight, sent)
        assert.strictEqual(window.toReplay, expected.length - sent)
        if (sent > 0) {
          const index = random.below(sent)
          assert.strictEqual(window.at(index), expected[index])
        }
      }
      assert.deepStrictEqual(
        window.unacknowledged.map((each) => each.offset),
        expected.map((each) => each.offset)
      )
    }
  })
})
