/** The conclusions of the audit from its reports. */
import { assert, describe, it } from "@effect/vitest"
import { makeStreamAudit, maxConnections } from "../../../src/local/stream/streamAudit.ts"

const records = (...texts: ReadonlyArray<string>) => texts.map((text) => Buffer.from(text))

describe("the audit", () => {
  it("counts messages and records apart, per connection and in all", () => {
    const audit = makeStreamAudit(1000)
    const one = audit.connect("one")
    one.received(records("a"), 1, 1)
    one.received(records("b", "c"), 2, 2)
    one.received(records("d"), 1, 1)
    one.durable(2, 3)
    one.acked(0)
    const two = audit.connect("two")
    two.received(records("b", "c"), 2, 2)
    two.durable(1, 2)
    two.acked(0)
    one.ended("cut")
    one.ended("cancelled")
    const read = audit.read(5)
    assert.deepInclude(read, {
      connections: 2,
      receivedRecords: 6,
      durableRecords: 5,
      ackedRecords: 3,
      distinctRecords: 3,
      duplicates: 2,
      ackedButMissing: 0,
      complete: true
    })
    assert.deepInclude(read.perConnection[0]!, {
      number: 1,
      streamId: "one",
      receivedMessages: 3,
      durableMessages: 2,
      ackedMessages: 1,
      ended: "cut"
    })
    assert.deepStrictEqual(
      read.perConnection[0]!.received.map((message) => message.map(String)),
      [["a"], ["b", "c"], ["d"]]
    )
  })

  it("finds acknowledged messages that are not durable", () => {
    const audit = makeStreamAudit(1000)
    const one = audit.connect("one")
    one.received(records("a"), 1, 1)
    one.received(records("b"), 1, 1)
    one.durable(1, 1)
    one.acked(1)
    assert.strictEqual(audit.read(1).ackedButMissing, 1)
    one.durable(1, 1)
    assert.strictEqual(audit.read(2).ackedButMissing, 0)
  })

  it("finds acknowledged records that the table does not hold", () => {
    const audit = makeStreamAudit(0)
    const one = audit.connect("one")
    one.received(records("a", "b"), 2, 2)
    one.durable(1, 2)
    one.acked(0)
    assert.strictEqual(audit.read(2).ackedButMissing, 0)
    assert.strictEqual(audit.read(1).ackedButMissing, 1)
  })

  it("finds acknowledgements of what was never sent", () => {
    const audit = makeStreamAudit(1000)
    const one = audit.connect("one")
    one.received(records("a"), 1, 1)
    one.durable(1, 1)
    one.acked(999)
    assert.strictEqual(audit.read(1).ackedButMissing, 999)
  })

  it("never counts an acknowledgement twice, nor takes one back", () => {
    const audit = makeStreamAudit(1000)
    const one = audit.connect("one")
    for (const text of ["a", "b", "c"]) one.received(records(text), 1, 1)
    one.durable(3, 3)
    for (const upTo of [1, 1, 0, 2, 2]) one.acked(upTo)
    assert.deepInclude(audit.read(3), { ackedRecords: 3, ackedButMissing: 0 })
  })

  it("drops the bytes beyond its bound, and keeps counting", () => {
    const audit = makeStreamAudit(200)
    const one = audit.connect("one")
    one.received(records("a"), 1, 1)
    assert.isTrue(audit.read(0).complete)
    one.received(records("b", "c"), 2, 200)
    one.received(records("d"), 1, 1)
    one.durable(3, 4)
    one.acked(2)
    const read = audit.read(4)
    assert.deepInclude(read, {
      complete: false,
      receivedRecords: 4,
      ackedRecords: 4,
      distinctRecords: 0,
      duplicates: 0
    })
    assert.deepStrictEqual(read.perConnection[0]!.received, [])
  })

  it("keeps the sums, but not each, of many connections", () => {
    const audit = makeStreamAudit(1_000_000)
    const first = audit.connect("open")
    for (let n = 0; n < maxConnections + 5; n++) {
      const one = audit.connect(String(n))
      one.received(records("same", `other ${n % 10}`), 2, 20)
      one.durable(1, 2)
      one.acked(0)
      one.ended("OK")
    }
    first.received(records("a"), 1, 1)
    const read = audit.read(10_000)
    assert.strictEqual(read.connections, maxConnections + 6)
    assert.strictEqual(read.perConnection.length, maxConnections)
    assert.strictEqual(read.perConnection[0]!.streamId, "open")
    assert.strictEqual(read.perConnection[1]!.number, 8)
    assert.strictEqual(read.durableRecords, 2 * (maxConnections + 5))
    assert.strictEqual(read.distinctRecords, 11)
    assert.isTrue(read.complete)
  })
})
