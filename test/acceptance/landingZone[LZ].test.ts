/** The landing zone in isolation. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { MESSAGE_OVERHEAD } from "../../src/internal/landing/chunk.ts"
import { Full } from "../../src/internal/landing/waitingLine.ts"
import * as A from "../support/acceptance.ts"
import { makeZone, messagesOf, readRequest } from "../support/zones.ts"

const one = (n: number): Uint8Array => Uint8Array.of(n)
const off = { coalesceRecords: 1 }
const payloads = (messages: ReadonlyArray<{ payloads: () => Array<Uint8Array> }>) =>
  messages.flatMap((message) => message.payloads().map((bytes) => bytes[0]))

describe("the landing zone", () => {
  it.effect(
    "LZ-01 LZ-02 LZ-12 returns records in the order they were added, at ascending offsets",
    () =>
      Effect.gen(function* () {
        const zone = yield* makeZone(off)
        for (let n = 0; n < 5; n++) assert.strictEqual(zone.offerUnsafe(one(n)), n)
        for (let n = 0; n < 5; n++) {
          const message = zone.nextUnsafe()!
          assert.strictEqual(message.offset, n)
          assert.deepStrictEqual(readRequest(message.request(n, "proto")), {
            wireOffset: n,
            batch: false,
            records: [one(n)]
          })
        }
        assert.isUndefined(zone.nextUnsafe())
      })
  )

  it.effect("LZ-03 makes the third wait at a capacity of two, until one is acknowledged", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ ...off, maxInflightRecords: 2 })
      zone.offerUnsafe(one(0))
      zone.offerUnsafe(one(1))
      assert.strictEqual(zone.offerUnsafe(one(2)), Full)
      const admitted: Array<number | undefined> = []
      zone.waitUnsafe([one(2)], false, (offset) => admitted.push(offset))
      zone.nextUnsafe()
      assert.deepStrictEqual(admitted, [])
      assert.strictEqual(zone.acknowledgeUnsafe(1), 0)
      zone.admitUnsafe()
      assert.deepStrictEqual(admitted, [2])
    })
  )

  it.effect("LZ-05 loses nothing and keeps its room when it starts over between two records", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone(off)
      zone.offerUnsafe(one(0))
      zone.offerUnsafe(one(1))
      zone.nextUnsafe()
      const used = zone.usedBytes
      zone.rewindUnsafe()
      zone.offerUnsafe(one(2))
      assert.isAbove(zone.usedBytes, used)
      const again = [zone.nextUnsafe()!, zone.nextUnsafe()!, zone.nextUnsafe()!]
      assert.deepStrictEqual(payloads(again), [0, 1, 2])
      assert.strictEqual(zone.acknowledgeUnsafe(3), 2)
      assert.deepStrictEqual([zone.usedBytes, zone.usedRecords], [0, 0])
    })
  )

  it.effect("LZ-06 hands back records in flight first, then waiting ones", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone(off)
      for (let n = 0; n < 4; n++) zone.offerUnsafe(one(n))
      zone.nextUnsafe()
      zone.nextUnsafe()
      zone.closeUnsafe()
      assert.deepStrictEqual(payloads(zone.unackedUnsafe()), [0, 1, 2, 3])
      assert.deepStrictEqual(payloads(zone.unackedUnsafe()), [0, 1, 2, 3])
    })
  )

  it.effect(
    "LZ-07 LZ-11 H-36 fails waiting callers when it closes, accepts nothing more, and charges " +
      "nothing for them",
    () =>
      Effect.gen(function* () {
        const zone = yield* makeZone({ ...off, maxInflightRecords: 1 })
        zone.offerUnsafe(one(0))
        const told: Array<number | undefined> = []
        const giveUp = zone.waitUnsafe([one(1)], false, (offset) => told.push(offset))
        const used = zone.usedBytes
        zone.closeUnsafe()
        assert.deepStrictEqual(told, [undefined])
        if (typeof giveUp === "function") giveUp()
        zone.closeUnsafe()
        assert.strictEqual(zone.usedBytes, used)
        assert.strictEqual(zone.offerUnsafe(one(2)), Full)
        zone.waitUnsafe([one(2)], false, (offset) => told.push(offset))
        assert.deepStrictEqual(told, [undefined, undefined])
        assert.deepStrictEqual(payloads(zone.unackedUnsafe()), [0])
      })
  )

  it.effect(
    "LZ-08 is empty after a hundred concurrent records were acknowledged as they came",
    () =>
      Effect.gen(function* () {
        const zone = yield* makeZone({ ...off, maxInflightRecords: 7 })
        const offsets: Array<number> = []
        const consumer = yield* Effect.forkScoped(
          Effect.gen(function* () {
            for (let n = 0; n < 100; n++) {
              yield* zone.awaitNext
              zone.nextUnsafe()
              yield* Effect.yieldNow
              zone.acknowledgeUnsafe(1)
              zone.admitUnsafe()
            }
          }),
          { startImmediately: true }
        )
        const producer = (n: number) =>
          Effect.callback<void>((resume) => {
            zone.waitUnsafe([one(n)], false, (offset) => {
              offsets.push(offset!)
              resume(Effect.void)
            })
          })
        yield* Effect.forEach([...Array(100).keys()], producer, { concurrency: "unbounded" })
        yield* Fiber.join(consumer)
        assert.deepStrictEqual(offsets, [...Array(100).keys()])
        assert.isTrue(zone.isEmpty)
        assert.deepStrictEqual([zone.usedBytes, zone.usedRecords, zone.window.inFlight], [0, 0, 0])
      })
  )

  it.effect(
    "LZ-09 LZ-10 H-41 keeps a record in place when a fiber waiting for it is interrupted",
    () =>
      Effect.gen(function* () {
        const zone = yield* makeZone(off)
        const parked = yield* A.started(zone.awaitNext)
        assert.isFalse(parked.done())
        yield* parked.interrupt
        assert.isTrue(parked.done())
        zone.offerUnsafe(one(7))
        const woken = yield* A.started(zone.awaitNext)
        assert.isTrue(woken.done())
        yield* woken.interrupt
        assert.deepStrictEqual(payloads([zone.nextUnsafe()!]), [7])
      })
  )

  it.effect(
    "IN-34 H-12 assigns the last possible offset, then fails because offsets are exhausted",
    () =>
      Effect.gen(function* () {
        const zone = yield* makeZone(off)
        zone.nextOffset = Number.MAX_SAFE_INTEGER
        assert.strictEqual(zone.offerUnsafe(one(0)), Number.MAX_SAFE_INTEGER)
        for (const result of [zone.offerUnsafe(one(1)), zone.offerBatchUnsafe([one(1)])]) {
          if (typeof result === "number") return assert.fail("an offset beyond the last")
          assert.include(result.message, "exhausted")
        }
        zone.nextUnsafe()
        assert.strictEqual(zone.acknowledgeUnsafe(1), Number.MAX_SAFE_INTEGER)
        assert.isTrue(zone.isEmpty)
      })
  )

  it.effect("H-34 bounds queued records and those in flight together, by count and by bytes", () =>
    Effect.gen(function* () {
      for (const limits of [
        { maxInflightRecords: 4 },
        { maxInflightBytes: 4 * (41 + MESSAGE_OVERHEAD) }
      ]) {
        const { server, stream } = yield* A.open({ batching: "off", ...limits }, A.silent)
        // Two are in flight, two are not sent yet.
        for (const text of A.recordsFrom(0, 2)) assert.isDefined(stream.offerUnsafe(text))
        yield* A.settle
        server.last.pause()
        for (const text of A.recordsFrom(2, 2)) assert.isDefined(stream.offerUnsafe(text))
        assert.isUndefined(stream.offerUnsafe(A.record(4)))
        yield* A.settle
        assert.strictEqual(server.writes, 2)
        assert.isUndefined(stream.offerUnsafe(A.record(4)))
        server.last.resume()
      }
    })
  )

  it.effect("H-39 releases payloads when they are acknowledged, also after a requeue", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ coalesceRecords: 1 })
      const held = () => messagesOf(zone).filter((message) => message !== undefined)
      for (let n = 0; n < 5000; n++) zone.offerUnsafe(Uint8Array.of(n & 0xff))
      const messages = Array.from({ length: 5000 }, () => zone.nextUnsafe()!)
      // At once, not only when the window is shortened.
      zone.acknowledgeUnsafe(100)
      assert.strictEqual(held().length, 4900)
      zone.acknowledgeUnsafe(2900)
      assert.strictEqual(held().length, 2000)
      zone.rewindUnsafe()
      for (let n = 0; n < 2000; n++) assert.strictEqual(zone.nextUnsafe(), messages[3000 + n])
      zone.acknowledgeUnsafe(2000)
      assert.strictEqual(held().length, 0)
      for (const message of messages) assert.strictEqual(message.chunk.references, 0)
    })
  )

  it.effect("H-40 requeues a window of a million records without touching them", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ coalesceRecords: 1, maxInflightBytes: 1024 ** 3 })
      const record = new Uint8Array(1)
      for (let n = 0; n < 1_000_000; n++) zone.offerUnsafe(record)
      for (let n = 0; n < 1_000_000; n++) zone.nextUnsafe()
      const window = messagesOf(zone)
      const first = window[0]
      zone.rewindUnsafe()
      // The same array with the same messages: nothing was moved or copied.
      assert.strictEqual(messagesOf(zone), window)
      assert.strictEqual(zone.window.toReplay, 1_000_000)
      assert.strictEqual(zone.nextUnsafe(), first)
    })
  )
})
