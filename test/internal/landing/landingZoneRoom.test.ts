/**
 * Callers that wait for room in the landing zone: their order, their records, the end of the wait.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MESSAGE_OVERHEAD } from "../../../src/internal/landing/chunk.ts"
import { HEAD_ROOM } from "../../../src/internal/protobuf/envelope.ts"
import type { LandingZone } from "../../../src/internal/landing/landingZone.ts"
import { Full } from "../../../src/internal/landing/waitingLine.ts"
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

describe("those who wait for room", () => {
  it.effect("come before new callers, even if these would fit", () =>
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
      // The first joins the message that is still open; nothing joins a batch.
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

  it.effect("counts framing for those who wait, too", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ ...single, maxInflightBytes: 300 + 2 * MESSAGE_OVERHEAD })
      zone.offerUnsafe(bytes(200))
      const admitted: Array<number | undefined> = []
      // 65 bytes are left besides the overhead. The record alone would fit, but with framing it has
      // 66.
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

  it.effect("resumes waiting callers once when it closes", () =>
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
})
