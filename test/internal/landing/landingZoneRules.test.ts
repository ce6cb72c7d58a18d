/**
 * The landing zone's bounds and counts, each at its edge: what fits exactly, what is one too much, and what is counted when.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MESSAGE_OVERHEAD } from "../../../src/internal/landing/chunk.ts"
import { HEAD_ROOM, requestSize } from "../../../src/internal/protobuf/envelope.ts"
import type { LandingZone, Refusal } from "../../../src/internal/landing/landingZone.ts"
import { Full } from "../../../src/internal/landing/waitingLine.ts"
import { bytesCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import { Turns } from "../../../src/internal/landing/turns.ts"
import { InvalidArgument, PayloadTooLarge } from "../../../src/ZerobusError.ts"
import * as A from "../../support/acceptance.ts"
import { makeZone, messagesOf } from "../../support/zones.ts"

const bytes = (length: number, value = 0): Uint8Array => new Uint8Array(length).fill(value)
const single = { coalesceRecords: 1 } as const

/** The messages that wait to be taken: first offset, whether a batch, first byte of each record. */
const take = (zone: LandingZone<Uint8Array>) => {
  const taken: Array<readonly [number, boolean, ReadonlyArray<number | undefined>]> = []
  for (let message = zone.nextUnsafe(); message !== undefined; message = zone.nextUnsafe()) {
    taken.push([message.offset, message.atomic, message.payloads().map((payload) => payload[0])])
  }
  return taken
}
const tooLarge = (
  result: number | Refusal | (() => void),
  expected: { size: number; limit: number; option: string }
) => {
  if (!(result instanceof PayloadTooLarge)) return assert.fail(`not refused: ${String(result)}`)
  const { limit, option, size } = result
  assert.deepStrictEqual({ size, limit, option: String(option) }, expected)
}

describe("the landing zone's bounds", () => {
  it.effect("takes a payload of exactly the limit, and refuses one byte more with both numbers", () =>
    Effect.gen(function* () {
      const limit = requestSize(1000)
      const zone = yield* makeZone({ ...single, maxPayloadBytes: limit })
      assert.strictEqual(zone.offerUnsafe(bytes(1000)), 0)
      tooLarge(zone.offerUnsafe(bytes(1001)), { size: limit + 1, limit, option: "maxPayloadBytes" })
      tooLarge(
        zone.waitUnsafe([bytes(1001)], false, () => assert.fail("admitted")),
        {
          size: limit + 1,
          limit,
          option: "maxPayloadBytes"
        }
      )
      // A batch is what its records are with tag and length.
      assert.strictEqual(zone.offerBatchUnsafe([bytes(498), bytes(496)]), 1)
      tooLarge(zone.offerBatchUnsafe([bytes(498), bytes(497)]), { size: limit + 1, limit, option: "maxPayloadBytes" })
      assert.deepStrictEqual([zone.nextOffset, zone.usedRecords], [2, 2])
    })
  )

  it.effect("takes what fills the whole zone, and refuses what never could", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ ...single, maxInflightBytes: 500 + MESSAGE_OVERHEAD })
      const limit = 500 + MESSAGE_OVERHEAD
      const size = limit + 1
      tooLarge(zone.offerUnsafe(bytes(500 - HEAD_ROOM - 2)), { size, limit, option: "maxInflightBytes" })
      tooLarge(zone.offerBatchUnsafe([bytes(500 - HEAD_ROOM - 2)]), { size, limit, option: "maxInflightBytes" })
      assert.strictEqual(zone.offerUnsafe(bytes(500 - HEAD_ROOM - 3)), 0)
      assert.strictEqual(zone.usedBytes, 500)
      assert.strictEqual(zone.offerUnsafe(bytes(0)), Full)
      assert.strictEqual(zone.offerBatchUnsafe([bytes(0)]), Full)
    })
  )

  it.effect("takes as many records in a batch as allowed, and refuses one more before it encodes any", () =>
    Effect.gen(function* () {
      let encoded = 0
      const zone = yield* makeZone(
        { maxBatchRecords: 3 },
        { read: bytesCodec.read, write: (record, sink) => (encoded++, bytesCodec.write(record, sink)) }
      )
      const four = [bytes(1), bytes(1), bytes(1), bytes(1)]
      tooLarge(zone.offerBatchUnsafe(four), { size: 4, limit: 3, option: "maxBatchRecords" })
      tooLarge(
        zone.waitUnsafe(four, true, () => assert.fail("admitted")),
        { size: 4, limit: 3, option: "maxBatchRecords" }
      )
      assert.strictEqual(encoded, 0)
      assert.strictEqual(zone.offerBatchUnsafe(four.slice(1)), 0)
      assert.strictEqual(encoded, 3)
    })
  )

  it.effect("stops encoding a batch that is too large already", () =>
    Effect.gen(function* () {
      let encoded = 0
      const zone = yield* makeZone(
        { maxPayloadBytes: 1000 },
        { read: bytesCodec.read, write: (record, sink) => (encoded++, bytesCodec.write(record, sink)) }
      )
      assert.instanceOf(zone.offerBatchUnsafe(Array.from({ length: 100 }, () => bytes(300))), PayloadTooLarge)
      assert.strictEqual(encoded, 4)
    })
  )

  it.effect("says which record of a batch is bad, and where in it", () =>
    Effect.gen(function* () {
      const bad = new InvalidArgument({ message: "No such thing.", path: ["a", 1] })
      const zone = yield* makeZone(
        {},
        {
          read: bytesCodec.read,
          write: (record, sink) => (record[0] === 1 ? bad : bytesCodec.write(record, sink))
        }
      )
      const refused = zone.offerBatchUnsafe([bytes(1), bytes(1), bytes(1, 1)])
      if (!(refused instanceof InvalidArgument)) return assert.fail("not refused")
      assert.deepStrictEqual(refused.path, [2, "a", 1])
      assert.include(refused.message, "Record 2 of the batch: No such thing.")
      assert.strictEqual(zone.offerUnsafe(bytes(1, 1)), bad)
      assert.strictEqual(
        zone.waitUnsafe([bytes(1, 1)], false, () => assert.fail("admitted")),
        bad
      )
      assert.strictEqual(zone.nextOffset, 0)
      // What was refused leaves nothing behind.
      assert.strictEqual(zone.offerUnsafe(bytes(1, 7)), 0)
      assert.deepStrictEqual(take(zone), [[0, false, [7]]])
    })
  )

  it.effect("seals a message at its byte bound, exactly", () =>
    Effect.gen(function* () {
      // Three records of ten bytes with framing fill it.
      const zone = yield* makeZone({ coalesceBytes: 30 })
      for (let n = 0; n < 7; n++) zone.offerUnsafe(bytes(8, n))
      assert.deepStrictEqual(take(zone), [
        [0, false, [0, 1, 2]],
        [3, false, [3, 4, 5]],
        [6, false, [6]]
      ])
      const odd = yield* makeZone({ coalesceBytes: 29 })
      for (let n = 0; n < 5; n++) odd.offerUnsafe(bytes(8, n))
      assert.deepStrictEqual(take(odd), [
        [0, false, [0, 1]],
        [2, false, [2, 3]],
        [4, false, [4]]
      ])
    })
  )

  it.effect("refuses while full by records, and counts a batch as one", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ maxInflightRecords: 3 })
      zone.offerUnsafe(bytes(1, 1))
      zone.offerUnsafe(bytes(1, 2))
      assert.strictEqual(zone.offerBatchUnsafe([bytes(1, 3), bytes(1, 4), bytes(1, 5)]), 2)
      assert.strictEqual(zone.offerUnsafe(bytes(1)), Full)
      assert.strictEqual(zone.offerBatchUnsafe([bytes(1)]), Full)
      assert.deepStrictEqual(take(zone), [
        [0, false, [1, 2]],
        [2, true, [3, 4, 5]]
      ])
      assert.strictEqual(zone.acknowledgeUnsafe(1), 1)
      assert.strictEqual(zone.usedRecords, 1)
      assert.strictEqual(zone.offerUnsafe(bytes(1)), 3)
    })
  )
})

describe("those who wait for room", () => {
  it.effect("come before those who only ask, even if these would fit", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ maxInflightBytes: 900 })
      zone.offerUnsafe(bytes(200, 1))
      const admitted: Array<number | undefined> = []
      const giveUp = zone.waitUnsafe([bytes(400, 2)], false, (offset) => admitted.push(offset))
      assert.strictEqual(zone.offerUnsafe(bytes(1, 3)), Full)
      assert.strictEqual(zone.offerBatchUnsafe([bytes(1, 3)]), Full)
      zone.waitUnsafe([bytes(2, 4)], false, (offset) => admitted.push(offset))
      zone.waitUnsafe([bytes(3, 5), bytes(3, 6)], true, (offset) => admitted.push(offset))
      zone.waitUnsafe([bytes(2, 7)], false, (offset) => admitted.push(offset))
      assert.deepStrictEqual(admitted, [])
      if (typeof giveUp !== "function") return assert.fail("refused")
      giveUp()
      assert.deepStrictEqual(admitted, [1, 2, 3])
      // The first joins the message that is open still; nothing joins a batch.
      assert.deepStrictEqual(take(zone), [
        [0, false, [1, 4]],
        [2, true, [5, 6]],
        [3, false, [7]]
      ])
      assert.strictEqual(zone.offerUnsafe(bytes(1, 8)), 4)
    })
  )

  it.effect("wait with the record as it was, and are let in at once when there is room", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ ...single, maxInflightRecords: 1 })
      const admitted: Array<number | undefined> = []
      zone.waitUnsafe([bytes(1, 1)], false, (offset) => admitted.push(offset))
      assert.deepStrictEqual(admitted, [0])
      const record = bytes(1, 2)
      zone.waitUnsafe([record], false, (offset) => admitted.push(offset))
      zone.waitUnsafe([record, record], true, (offset) => admitted.push(offset))
      record.fill(9)
      zone.nextUnsafe()
      zone.acknowledgeUnsafe(1)
      zone.admitUnsafe()
      assert.deepStrictEqual(admitted, [0, 1])
      assert.deepStrictEqual(take(zone), [[1, false, [2]]])
      zone.acknowledgeUnsafe(1)
      zone.admitUnsafe()
      assert.deepStrictEqual(take(zone), [[2, true, [2, 2]]])
      assert.deepStrictEqual([zone.acceptedRecords, zone.acknowledgedRecords], [4, 2])
    })
  )
})

describe("the landing zone's counts", () => {
  it.effect("count what was accepted and acknowledged, with framing", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone()
      zone.offerUnsafe(bytes(8))
      zone.offerUnsafe(bytes(8))
      zone.offerBatchUnsafe([bytes(8), bytes(8), bytes(8)])
      const accepted = HEAD_ROOM + 20 + HEAD_ROOM + 30
      assert.deepStrictEqual([zone.acceptedRecords, zone.acceptedBytes, zone.usedBytes], [5, accepted, accepted])
      zone.nextUnsafe()
      zone.nextUnsafe()
      assert.deepStrictEqual([zone.inFlight, zone.toReplay], [2, 0])
      assert.strictEqual(zone.acknowledgeUnsafe(0), -1)
      assert.strictEqual(zone.acknowledgeUnsafe(1), 1)
      assert.strictEqual(zone.acknowledgedRecords, 2)
      assert.strictEqual(zone.usedBytes, HEAD_ROOM + 30)
      assert.isFalse(zone.isEmpty)
      assert.strictEqual(zone.acknowledgeUnsafe(1), 2)
      assert.deepStrictEqual([zone.acknowledgedRecords, zone.acceptedBytes, zone.usedBytes], [5, accepted, 0])
      assert.isTrue(zone.isEmpty)
    })
  )

  it.effect("ask for a turn from 1 MiB in the queue on, once per 64 KiB", () =>
    Effect.gen(function* () {
      const turns = new Turns()
      const zone = yield* makeZone(single, undefined, turns)
      const stretch = 64 * 1024
      /** A record that takes so many bytes. */
      const put = (charge: number) => assert.isNumber(zone.offerUnsafe(bytes(charge - HEAD_ROOM - 4)))
      const waits = () => {
        const wait = zone.giveWay()
        if (wait !== undefined) assert.strictEqual(wait, turns.next)
        return wait !== undefined
      }
      for (let n = 0; n < 15; n++) {
        put(stretch)
        assert.isFalse(waits())
      }
      zone.nextUnsafe()
      put(stretch)
      // What was taken is the transport's.
      assert.isFalse(waits())
      put(stretch)
      assert.isTrue(waits())
      assert.isFalse(waits())
      put(stretch - 1)
      yield* turns.next
      assert.isFalse(waits())
      put(100)
      assert.isTrue(waits())
      yield* turns.next
      for (let n = 0; n < 4; n++) zone.nextUnsafe()
      put(stretch)
      assert.isFalse(waits())
      // Sent again, it was taken once.
      zone.rewindUnsafe()
      for (let n = 0; n < 5; n++) zone.nextUnsafe()
      put(stretch)
      assert.isFalse(waits())
      put(stretch)
      assert.isTrue(waits())
    })
  )

  it.effect("ask for a turn when those of a client have accepted 2 MiB in this one, once per 64 KiB of their own", () =>
    Effect.gen(function* () {
      const turns = new Turns()
      const one = yield* makeZone(single, undefined, turns)
      const other = yield* makeZone(single, undefined, turns)
      const stretch = 64 * 1024
      /** A record that takes so many bytes, of which nothing stays queued. */
      const put = (zone: typeof one, charge: number) => {
        assert.isNumber(zone.offerUnsafe(bytes(charge - HEAD_ROOM - 4)))
        zone.nextUnsafe()
      }
      put(one, stretch - 999)
      for (let n = 0; n < 30; n++) {
        put(other, stretch)
        assert.isUndefined(other.giveWay())
      }
      put(other, stretch)
      put(other, 1000) // A shorter one has a shorter length: 999 bytes.
      assert.strictEqual(turns.acceptedBytes, 2 * 1024 * 1024)
      assert.isUndefined(one.giveWay(), "it is too little of its own")
      assert.strictEqual(other.giveWay(), turns.next)
      assert.isUndefined(other.giveWay())
      put(one, stretch)
      assert.strictEqual(one.giveWay(), turns.next)
      yield* turns.next
      put(one, stretch)
      assert.isUndefined(one.giveWay())
      assert.isNumber(other.offerBatchUnsafe([bytes(stretch)]))
      assert.isUndefined(other.giveWay())
      const joining = yield* makeZone({}, undefined, turns)
      for (let n = 0; n < 3; n++) assert.isNumber(joining.offerUnsafe(bytes(10)))
      assert.strictEqual(turns.acceptedBytes, one.acceptedBytes + other.acceptedBytes + joining.acceptedBytes)
    })
  )

  it.effect("keep their places when the acknowledged part of a long window is dropped", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone(single)
      const kept = () => messagesOf(zone).length
      for (let n = 0; n < 3000; n++) zone.offerUnsafe(bytes(1, n % 251))
      for (let n = 0; n < 3000; n++) zone.nextUnsafe()
      zone.acknowledgeUnsafe(100)
      zone.rewindUnsafe()
      assert.deepStrictEqual([zone.inFlight, zone.toReplay], [0, 2900])
      for (let n = 100; n < 2000; n++) assert.strictEqual(zone.nextUnsafe()?.offset, n)
      assert.strictEqual(zone.acknowledgeUnsafe(1400), 1499)
      assert.strictEqual(kept(), 3000)
      assert.strictEqual(zone.acknowledgeUnsafe(1), 1500)
      assert.strictEqual(kept(), 1499)
      assert.deepStrictEqual([zone.inFlight, zone.toReplay], [499, 1000])
      assert.strictEqual(zone.inFlightAt(0).offset, 1501)
      assert.strictEqual(zone.inFlightAt(498).offset, 1999)
      for (let n = 2000; n < 3000; n++) assert.strictEqual(zone.nextUnsafe()?.offset, n)
      assert.strictEqual(zone.acknowledgeUnsafe(1024), 2524)
      assert.strictEqual(kept(), 1499)
      assert.strictEqual(zone.acknowledgeUnsafe(1), 2525)
      assert.strictEqual(kept(), 474)
      assert.strictEqual(zone.acknowledgeUnsafe(474), 2999)
      assert.isTrue(zone.isEmpty)
    })
  )

  it.effect("read the clock once per message, when its first record comes", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone()
      zone.offerUnsafe(bytes(1))
      const message = zone.nextUnsafe()
      assert.strictEqual(message?.acceptedAt, 0)
      assert.strictEqual(message?.sends, 0)
    })
  )
})

describe("a sender of the landing zone", () => {
  it.effect("is woken by what is to be sent again, although nothing is queued", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone(single)
      zone.offerUnsafe(bytes(1))
      zone.nextUnsafe()
      const idle = yield* A.started(zone.awaitNext)
      assert.isFalse(idle.done())
      yield* idle.interrupt
      zone.rewindUnsafe()
      const replaying = yield* A.started(zone.awaitNext)
      assert.isTrue(replaying.done())
    })
  )

  it.effect("does not see records join a message that it took", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone()
      zone.offerUnsafe(bytes(1, 1))
      const message = zone.nextUnsafe()!
      zone.offerUnsafe(bytes(1, 2))
      assert.strictEqual(message.records, 1)
      assert.deepStrictEqual(take(zone), [[1, false, [2]]])
      // Nor does a record join a message that was queued before one that is open.
      zone.offerUnsafe(bytes(1, 3))
      zone.offerBatchUnsafe([bytes(1, 4)])
      zone.offerUnsafe(bytes(1, 5))
      zone.nextUnsafe()
      zone.offerUnsafe(bytes(1, 6))
      assert.deepStrictEqual(take(zone), [
        [3, true, [4]],
        [4, false, [5, 6]]
      ])
    })
  )

  it.effect("finds a message taken over as it was, beyond the bounds, and sealed", () =>
    Effect.gen(function* () {
      const old = yield* makeZone()
      for (const n of [1, 2, 3]) old.offerUnsafe(bytes(4, n))
      old.offerBatchUnsafe([bytes(4, 4), bytes(4, 5)])
      old.closeUnsafe()
      const next = yield* makeZone({ maxInflightRecords: 5, maxInflightBytes: 60 + MESSAGE_OVERHEAD })
      next.adoptUnsafe(old.unackedUnsafe())
      assert.strictEqual(next.usedBytes, old.usedBytes)
      assert.deepStrictEqual([next.acceptedRecords, next.usedRecords, next.nextOffset], [5, 4, 4])
      assert.strictEqual(next.offerUnsafe(bytes(1)), Full)
      assert.deepStrictEqual(take(next), [
        [0, false, [1, 2, 3]],
        [3, true, [4, 5]]
      ])
      assert.strictEqual(next.acknowledgeUnsafe(2), 3)
      assert.deepStrictEqual([next.acknowledgedRecords, next.usedBytes], [5, 0])
      const open = yield* makeZone()
      open.adoptUnsafe(old.unackedUnsafe().slice(0, 1))
      assert.strictEqual(open.offerUnsafe(bytes(1, 9)), 3)
      assert.deepStrictEqual(take(open), [
        [0, false, [1, 2, 3]],
        [3, false, [9]]
      ])
    })
  )
})

describe("the landing zone's room", () => {
  it.effect("counts a batch by its own size, wherever in a chunk it lies", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ maxInflightBytes: 10 * (HEAD_ROOM + 12 + MESSAGE_OVERHEAD) })
      for (let n = 0; n < 10; n++) assert.strictEqual(zone.offerBatchUnsafe([bytes(10, n)]), n)
      assert.strictEqual(zone.offerBatchUnsafe([bytes(10)]), Full)
    })
  )

  it.effect("counts framing for those who wait, too", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ ...single, maxInflightBytes: 300 + 2 * MESSAGE_OVERHEAD })
      zone.offerUnsafe(bytes(200))
      const admitted: Array<number | undefined> = []
      // 65 bytes are left beside the overhead; the record alone would fit, its framing makes it 66.
      assert.strictEqual(zone.usedBytes, HEAD_ROOM + 203)
      zone.waitUnsafe([bytes(65 - HEAD_ROOM - 1)], false, (offset) => admitted.push(offset))
      zone.admitUnsafe()
      assert.deepStrictEqual(admitted, [])
      zone.nextUnsafe()
      zone.acknowledgeUnsafe(1)
      zone.admitUnsafe()
      assert.deepStrictEqual(admitted, [1])
    })
  )

  it.effect("tells those who wait once that it closed", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ ...single, maxInflightRecords: 1 })
      zone.offerUnsafe(bytes(1))
      const told: Array<number | undefined> = []
      zone.waitUnsafe([bytes(1)], false, (offset) => told.push(offset))
      zone.waitUnsafe([bytes(1), bytes(1)], true, (offset) => told.push(offset))
      zone.closeUnsafe()
      zone.admitUnsafe()
      assert.deepStrictEqual(told, [undefined, undefined])
    })
  )

  it.effect("gives chunks back with their last message, and the last chunk when it is empty", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone()
      zone.offerUnsafe(bytes(10))
      const first = zone.nextUnsafe()!
      zone.offerUnsafe(bytes(10))
      const second = zone.nextUnsafe()!
      assert.strictEqual(first.chunk, second.chunk)
      // Two messages, and the writer.
      assert.strictEqual(first.chunk.references, 3)
      zone.acknowledgeUnsafe(1)
      assert.strictEqual(first.chunk.references, 2)
      zone.acknowledgeUnsafe(1)
      assert.strictEqual(first.chunk.references, 0)
    })
  )

  it.effect("says that its offsets are exhausted without a path: no value is at fault", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone(single)
      zone.nextOffset = Number.MAX_SAFE_INTEGER + 1
      const refused = zone.offerUnsafe(bytes(1))
      if (!(refused instanceof InvalidArgument)) return assert.fail("not refused")
      assert.deepStrictEqual(refused.path, [])
    })
  )
})
