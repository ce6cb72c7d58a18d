/**
 * The limits of the landing zone: what just fits, and what is one too much.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MESSAGE_OVERHEAD } from "../../../src/internal/landing/chunk.ts"
import { HEAD_ROOM, requestSize } from "../../../src/internal/protobuf/envelope.ts"
import type { LandingZone, Refusal } from "../../../src/internal/landing/landingZone.ts"
import { Full } from "../../../src/internal/landing/waitingLine.ts"
import { bytesCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import { InvalidArgument, PayloadTooLarge } from "../../../src/ZerobusError.ts"
import { makeZone } from "../../support/zones.ts"

const bytes = (length: number, value = 0): Uint8Array => new Uint8Array(length).fill(value)
const single = { coalesceRecords: 1 } as const

/**
 * The messages that wait to be taken: first offset, whether it is a batch, first byte of each
 * record.
 */
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
  it.effect(
    "takes a payload of exactly the limit, and refuses one byte more with both numbers",
    () =>
      Effect.gen(function* () {
        const limit = requestSize(1000)
        const zone = yield* makeZone({ ...single, maxPayloadBytes: limit })
        assert.strictEqual(zone.offerUnsafe(bytes(1000)), 0)
        tooLarge(zone.offerUnsafe(bytes(1001)), {
          size: limit + 1,
          limit,
          option: "maxPayloadBytes"
        })
        tooLarge(
          zone.waitUnsafe([bytes(1001)], false, () => assert.fail("admitted")),
          {
            size: limit + 1,
            limit,
            option: "maxPayloadBytes"
          }
        )
        // The size of a batch is that of its records with tag and length.
        assert.strictEqual(zone.offerBatchUnsafe([bytes(498), bytes(496)]), 1)
        tooLarge(zone.offerBatchUnsafe([bytes(498), bytes(497)]), {
          size: limit + 1,
          limit,
          option: "maxPayloadBytes"
        })
        assert.deepStrictEqual([zone.nextOffset, zone.usedRecords], [2, 2])
      })
  )

  it.effect("takes what fills the whole zone, and refuses what never could", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ ...single, maxInflightBytes: 500 + MESSAGE_OVERHEAD })
      const limit = 500 + MESSAGE_OVERHEAD
      const size = limit + 1
      tooLarge(zone.offerUnsafe(bytes(500 - HEAD_ROOM - 2)), {
        size,
        limit,
        option: "maxInflightBytes"
      })
      tooLarge(zone.offerBatchUnsafe([bytes(500 - HEAD_ROOM - 2)]), {
        size,
        limit,
        option: "maxInflightBytes"
      })
      assert.strictEqual(zone.offerUnsafe(bytes(500 - HEAD_ROOM - 3)), 0)
      assert.strictEqual(zone.usedBytes, 500)
      assert.strictEqual(zone.offerUnsafe(bytes(0)), Full)
      assert.strictEqual(zone.offerBatchUnsafe([bytes(0)]), Full)
    })
  )

  it.effect(
    "takes as many records in a batch as allowed, and refuses one more before it encodes any",
    () =>
      Effect.gen(function* () {
        let encoded = 0
        const zone = yield* makeZone(
          { maxBatchRecords: 3 },
          {
            read: bytesCodec.read,
            write: (record, sink) => (encoded++, bytesCodec.write(record, sink))
          }
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
        {
          read: bytesCodec.read,
          write: (record, sink) => (encoded++, bytesCodec.write(record, sink))
        }
      )
      assert.instanceOf(
        zone.offerBatchUnsafe(Array.from({ length: 100 }, () => bytes(300))),
        PayloadTooLarge
      )
      assert.strictEqual(encoded, 4)
    })
  )

  it.effect("names the bad record of a batch, and the path in it", () =>
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
      // A refused record leaves nothing behind.
      assert.strictEqual(zone.offerUnsafe(bytes(1, 7)), 0)
      assert.deepStrictEqual(take(zone), [[0, false, [7]]])
    })
  )

  it.effect("seals a message at its byte bound, exactly", () =>
    Effect.gen(function* () {
      // Three records of ten bytes, including framing, fill it.
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
