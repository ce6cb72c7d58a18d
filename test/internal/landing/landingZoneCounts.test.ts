/**
 * What the landing zone counts, and when: records, bytes, framing, turns, offsets and chunks.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MESSAGE_OVERHEAD } from "../../../src/internal/landing/chunk.ts"
import { HEAD_ROOM } from "../../../src/internal/protobuf/envelope.ts"
import { Full } from "../../../src/internal/landing/waitingLine.ts"
import { Turns } from "../../../src/internal/landing/turns.ts"
import { InvalidArgument } from "../../../src/ZerobusError.ts"
import { makeZone, nextTurn } from "../../support/zones.ts"

const bytes = (length: number, value = 0): Uint8Array => new Uint8Array(length).fill(value)
const single = { coalesceRecords: 1 } as const

describe("the landing zone's counts", () => {
  it.effect("count what was accepted and acknowledged, with framing", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone()
      zone.offerUnsafe(bytes(8))
      zone.offerUnsafe(bytes(8))
      zone.offerBatchUnsafe([bytes(8), bytes(8), bytes(8)])
      const accepted = HEAD_ROOM + 20 + HEAD_ROOM + 30
      assert.deepStrictEqual(
        [zone.acceptedRecords, zone.acceptedBytes, zone.usedBytes],
        [5, accepted, accepted]
      )
      zone.nextUnsafe()
      zone.nextUnsafe()
      assert.deepStrictEqual([zone.window.inFlight, zone.window.toReplay], [2, 0])
      assert.strictEqual(zone.acknowledgeUnsafe(0), -1)
      assert.strictEqual(zone.acknowledgeUnsafe(1), 1)
      assert.strictEqual(zone.acknowledgedRecords, 2)
      assert.strictEqual(zone.usedBytes, HEAD_ROOM + 30)
      assert.isFalse(zone.isEmpty)
      assert.strictEqual(zone.acknowledgeUnsafe(1), 2)
      assert.deepStrictEqual(
        [zone.acknowledgedRecords, zone.acceptedBytes, zone.usedBytes],
        [5, accepted, 0]
      )
      assert.isTrue(zone.isEmpty)
    })
  )

  it.effect("ask for a turn from 1 MiB in the queue on, once per 64 KiB", () =>
    Effect.gen(function* () {
      const turns = new Turns()
      const zone = yield* makeZone(single, undefined, turns)
      const stretch = 64 * 1024
      /** A record that is charged this many bytes. */
      const put = (charge: number) =>
        assert.isNumber(zone.offerUnsafe(bytes(charge - HEAD_ROOM - 4)))
      const waits = () => zone.mustGiveWay()
      for (let n = 0; n < 15; n++) {
        put(stretch)
        assert.isFalse(waits())
      }
      zone.nextUnsafe()
      put(stretch)
      // Bytes that were taken belong to the transport.
      assert.isFalse(waits())
      put(stretch)
      assert.isTrue(waits())
      assert.isFalse(waits())
      put(stretch - 1)
      yield* nextTurn(turns)
      assert.isFalse(waits())
      put(100)
      assert.isTrue(waits())
      yield* nextTurn(turns)
      for (let n = 0; n < 4; n++) zone.nextUnsafe()
      put(stretch)
      assert.isFalse(waits())
      // A message that is sent again was taken only once.
      zone.rewindUnsafe()
      for (let n = 0; n < 5; n++) zone.nextUnsafe()
      put(stretch)
      assert.isFalse(waits())
      put(stretch)
      assert.isTrue(waits())
    })
  )

  it.effect(
    "ask for a turn when those of a client have accepted 2 MiB in this one, once per 64 KiB of " +
      "their own",
    () =>
      Effect.gen(function* () {
        const turns = new Turns()
        const one = yield* makeZone(single, undefined, turns)
        const other = yield* makeZone(single, undefined, turns)
        const stretch = 64 * 1024
        /** A record that is charged this many bytes and does not stay queued. */
        const put = (zone: typeof one, charge: number) => {
          assert.isNumber(zone.offerUnsafe(bytes(charge - HEAD_ROOM - 4)))
          zone.nextUnsafe()
        }
        put(one, stretch - 999)
        for (let n = 0; n < 30; n++) {
          put(other, stretch)
          assert.isFalse(other.mustGiveWay())
        }
        put(other, stretch)
        put(other, 1000) // A shorter one has a shorter length: 999 bytes.
        assert.strictEqual(turns.acceptedBytes, 2 * 1024 * 1024)
        assert.isFalse(one.mustGiveWay(), "it is too little of its own")
        assert.isTrue(other.mustGiveWay())
        assert.isFalse(other.mustGiveWay())
        put(one, stretch)
        assert.isTrue(one.mustGiveWay())
        yield* nextTurn(turns)
        put(one, stretch)
        assert.isFalse(one.mustGiveWay())
        assert.isNumber(other.offerBatchUnsafe([bytes(stretch)]))
        assert.isFalse(other.mustGiveWay())
        const joining = yield* makeZone({}, undefined, turns)
        for (let n = 0; n < 3; n++) assert.isNumber(joining.offerUnsafe(bytes(10)))
        assert.strictEqual(
          turns.acceptedBytes,
          one.acceptedBytes + other.acceptedBytes + joining.acceptedBytes
        )
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

describe("the landing zone's room", () => {
  it.effect("counts a batch by its own size, wherever in a chunk it lies", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ maxInflightBytes: 10 * (HEAD_ROOM + 12 + MESSAGE_OVERHEAD) })
      for (let n = 0; n < 10; n++) assert.strictEqual(zone.offerBatchUnsafe([bytes(10, n)]), n)
      assert.strictEqual(zone.offerBatchUnsafe([bytes(10)]), Full)
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

  it.effect("reports exhausted offsets without a path: no value is at fault", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone(single)
      zone.nextOffset = Number.MAX_SAFE_INTEGER + 1
      const refused = zone.offerUnsafe(bytes(1))
      if (!(refused instanceof InvalidArgument)) return assert.fail("not refused")
      assert.deepStrictEqual(refused.path, [])
    })
  )
})
