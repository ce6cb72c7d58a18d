/**
 * Parts of a server's stream, tested separately: the lane of requests, and the groups that wait for
 * the log.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Inbound, InboundLane } from "../../../src/local/stream/inboundLane.ts"
import { PendingGroups } from "../../../src/local/stream/pendingGroups.ts"

/** A lane whose target records its items, and stops the lane again before `stopAt`. */
const lane = (stopAt?: Inbound) => {
  const taken: Array<Inbound> = []
  let changes = 0
  const inbound: InboundLane = new InboundLane({
    deliver: (item) => {
      if (inbound.defer(item)) return
      taken.push(item)
      if (item === stopAt) inbound.stop()
    },
    laneChanged: () => {
      changes++
    }
  })
  return { inbound, taken, changes: () => changes }
}
const [one, two, three] = [1, 2, 3].map((byte) => Uint8Array.of(byte)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array
]

describe("the inbound lane", () => {
  it("keeps what arrives while it is stopped, and delivers it in order behind what was due", () => {
    const { changes, inbound, taken } = lane()
    assert.isFalse(inbound.defer(one))
    inbound.stop()
    for (const item of [two, three, "halfClose"] as const) assert.isTrue(inbound.defer(item))
    assert.isTrue(inbound.isStopped)
    inbound.go(() => taken.push(one))
    assert.deepStrictEqual(taken, [one, two, three, "halfClose"])
    assert.isFalse(inbound.isStopped)
    assert.strictEqual(changes(), 2)
  })

  it("keeps the rest of its backlog when it is stopped again on the way", () => {
    const { inbound, taken } = lane(two)
    inbound.stop()
    for (const item of [one, two, three] as const) inbound.defer(item)
    inbound.go(() => {})
    assert.deepStrictEqual(taken, [one, two])
    inbound.go(() => {})
    assert.deepStrictEqual(taken, [one, two, three])
  })

  it("resumes once with the postponed request, and with nothing once it was dropped", () => {
    const { inbound, taken } = lane()
    inbound.postpone(() => taken.push(one))
    inbound.defer(two)
    assert.isTrue(inbound.isPostponed)
    inbound.resume()
    inbound.resume()
    assert.deepStrictEqual(taken, [one, two])
    inbound.postpone(() => taken.push(three))
    inbound.drop()
    inbound.resume()
    assert.deepStrictEqual(taken, [one, two])
  })
})

describe("pending groups", () => {
  it("join consecutive messages of one ticket, and count bytes and offsets when taken", () => {
    const groups = new PendingGroups()
    assert.isFalse(groups.join(7, 1, 10))
    const group = groups.start(7, 100, 1, 10)
    assert.isTrue(groups.join(7, 2, 5))
    assert.isFalse(groups.join(8, 1, 1))
    groups.start(undefined, 101, 3, 0)
    assert.isFalse(groups.join(7, 1, 1))
    assert.deepStrictEqual(group, {
      ticket: 7,
      since: 100,
      messages: 2,
      records: 3,
      bytes: 15,
      durable: false
    })
    assert.deepStrictEqual([groups.bytes, groups.takenUpTo], [15, -1])
    assert.strictEqual(groups.take(), group)
    assert.deepStrictEqual([groups.bytes, groups.takenUpTo], [0, 1])
    assert.isTrue(groups.oldest?.durable)
    groups.take()
    assert.deepStrictEqual([groups.isEmpty, groups.takenUpTo], [true, 2])
  })

  it("are gone after a failure of the log, while the offsets stay", () => {
    const groups = new PendingGroups()
    groups.start(1, 0, 1, 10)
    groups.take()
    groups.start(2, 0, 1, 10)
    groups.drop()
    assert.deepStrictEqual([groups.isEmpty, groups.bytes, groups.takenUpTo], [true, 0, 0])
  })
})
