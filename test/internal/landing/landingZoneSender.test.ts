/**
 * What a sender gets from the landing zone: messages to be sent again, sealed or taken over.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MESSAGE_OVERHEAD } from "../../../src/internal/landing/chunk.ts"
import type { LandingZone } from "../../../src/internal/landing/landingZone.ts"
import { Full } from "../../../src/internal/landing/waitingLine.ts"
import * as A from "../../support/acceptance.ts"
import { makeZone, messagesOf } from "../../support/zones.ts"

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

describe("the landing zone's window", () => {
  it.effect("keep their places when the acknowledged part of a long window is dropped", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone(single)
      const kept = () => messagesOf(zone).length
      for (let n = 0; n < 3000; n++) zone.offerUnsafe(bytes(1, n % 251))
      for (let n = 0; n < 3000; n++) zone.nextUnsafe()
      zone.acknowledgeUnsafe(100)
      zone.rewindUnsafe()
      assert.deepStrictEqual([zone.window.inFlight, zone.window.toReplay], [0, 2900])
      for (let n = 100; n < 2000; n++) assert.strictEqual(zone.nextUnsafe()?.offset, n)
      assert.strictEqual(zone.acknowledgeUnsafe(1400), 1499)
      assert.strictEqual(kept(), 3000)
      assert.strictEqual(zone.acknowledgeUnsafe(1), 1500)
      assert.strictEqual(kept(), 1499)
      assert.deepStrictEqual([zone.window.inFlight, zone.window.toReplay], [499, 1000])
      assert.strictEqual(zone.window.at(0).offset, 1501)
      assert.strictEqual(zone.window.at(498).offset, 1999)
      for (let n = 2000; n < 3000; n++) assert.strictEqual(zone.nextUnsafe()?.offset, n)
      assert.strictEqual(zone.acknowledgeUnsafe(1024), 2524)
      assert.strictEqual(kept(), 1499)
      assert.strictEqual(zone.acknowledgeUnsafe(1), 2525)
      assert.strictEqual(kept(), 474)
      assert.strictEqual(zone.acknowledgeUnsafe(474), 2999)
      assert.isTrue(zone.isEmpty)
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
      // A record does not join a message that was queued before an open one, either.
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
      const next = yield* makeZone({
        maxInflightRecords: 5,
        maxInflightBytes: 60 + MESSAGE_OVERHEAD
      })
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
