/**
 * The landing zone compared with a model made of lists, on random programs.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MESSAGE_OVERHEAD } from "../../../src/internal/landing/chunk.ts"
import { HEAD_ROOM } from "../../../src/internal/protobuf/envelope.ts"
import type { LandingZone } from "../../../src/internal/landing/landingZone.ts"
import { Full } from "../../../src/internal/landing/waitingLine.ts"
import { makeZone, readRequest, seeded } from "../../support/zones.ts"

/** The model of one accepted call. */
interface Accepted {
  readonly offset: number
  readonly batch: boolean
  readonly records: ReadonlyArray<Uint8Array>
}

const sizes = [
  0, 1, 5, 126, 127, 128, 129, 1000, 16_382, 16_383, 16_384, 16_385, 40_000, 262_000, 262_144,
  300_000
]

/** Compares bytes without the cost of describing them. */
const assertSame = (actual: ReadonlyArray<Uint8Array>, expected: ReadonlyArray<Uint8Array>) => {
  assert.deepStrictEqual(
    actual.map((bytes) => bytes.length),
    expected.map((bytes) => bytes.length)
  )
  for (const [index, bytes] of actual.entries())
    assert.isTrue(Buffer.compare(bytes, expected[index]!) === 0, `record ${index}`)
}

/**
 * One random program of ingests, sends, acknowledgements and new sessions. Every step is compared
 * with the model.
 */
const runProgram = (zone: LandingZone<Uint8Array>, seed: number, steps: number) => {
  const random = seeded(seed)
  /** Accepted and not acknowledged, in order. */
  const open: Array<Accepted> = []
  const record = () =>
    random.bytes(random.below(8) === 0 ? sizes[random.below(sizes.length)]! : random.below(64))
  let nextOffset = 0
  /** Messages handed to the session: how many accepted calls each contains. */
  let handed: Array<number> = []
  let wireOffset = 0
  let covered = 0

  const send = () => {
    const message = zone.nextUnsafe()
    if (message === undefined)
      return assert.strictEqual(covered, open.length, "something was left behind")
    const {
      batch,
      records,
      wireOffset: stamped
    } = readRequest(message.request(wireOffset, "proto"))
    assert.strictEqual(stamped, wireOffset++)
    const first = open[covered]!
    assert.strictEqual(message.offset, first.offset)
    const expected = first.batch ? [first] : open.slice(covered, covered + records.length)
    assert.isTrue(first.batch ? batch : expected.every((call) => !call.batch))
    assertSame(
      records,
      expected.flatMap((call) => call.records)
    )
    handed.push(expected.length)
    covered += expected.length
  }

  for (let step = 0; step < steps; step++) {
    const choice = random.below(10)
    if (choice < 5) {
      const one = record()
      const offset = zone.offerUnsafe(one)
      assert.strictEqual(offset, nextOffset++)
      open.push({ offset: offset as number, batch: false, records: [one.slice()] })
      one.fill(0xee) // The caller may use its buffer again at once.
    } else if (choice === 5) {
      const records = Array.from({ length: 1 + random.below(5) }, record)
      const offset = zone.offerBatchUnsafe(records)
      assert.strictEqual(offset, nextOffset++)
      open.push({ offset: offset as number, batch: true, records })
    } else if (choice < 8) send()
    else if (choice === 8 && handed.length > 0) {
      const count = 1 + random.below(handed.length)
      const calls = handed.splice(0, count).reduce((sum, each) => sum + each, 0)
      assert.strictEqual(zone.acknowledgeUnsafe(count), open[calls - 1]!.offset)
      open.splice(0, calls)
      covered -= calls
    } else if (choice === 9 && random.below(4) === 0) {
      zone.rewindUnsafe()
      handed = []
      wireOffset = 0
      covered = 0
    }
    assert.strictEqual(zone.usedRecords, open.length)
    assert.strictEqual(zone.isEmpty, open.length === 0)
  }
  zone.closeUnsafe()
  const left = zone.unackedUnsafe().flatMap((message) => message.payloads())
  assertSame(
    left,
    open.flatMap((call) => call.records)
  )
  while (zone.nextUnsafe() !== undefined);
  zone.acknowledgeUnsafe(zone.window.inFlight)
  assert.deepStrictEqual([zone.usedBytes, zone.usedRecords], [0, 0])
}

describe("LandingZone", () => {
  it.effect("keeps every record, its place and its grouping in random programs", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 60; seed++) runProgram(yield* makeZone(), seed, 200)
      for (let seed = 100; seed < 120; seed++)
        runProgram(yield* makeZone({ coalesceRecords: 3 }), seed, 200)
      for (let seed = 200; seed < 220; seed++)
        runProgram(yield* makeZone({ coalesceBytes: 200 }), seed, 200)
      for (let seed = 300; seed < 310; seed++)
        runProgram(yield* makeZone({ coalesceRecords: 1 }), seed, 200)
    })
  )

  it.effect(
    "packs single records behind each other until a bound, and never into or across a batch",
    () =>
      Effect.gen(function* () {
        const zone = yield* makeZone({ coalesceRecords: 4 })
        const shape = () => {
          const counts: Array<number> = []
          for (let message = zone.nextUnsafe(); message !== undefined; message = zone.nextUnsafe())
            counts.push(message.records)
          return counts
        }
        for (let n = 0; n < 10; n++) zone.offerUnsafe(Uint8Array.of(n))
        assert.deepStrictEqual(shape(), [4, 4, 2])
        zone.offerUnsafe(Uint8Array.of(0))
        zone.offerBatchUnsafe([Uint8Array.of(1), Uint8Array.of(2)])
        zone.offerUnsafe(Uint8Array.of(3))
        zone.offerUnsafe(Uint8Array.of(4))
        assert.deepStrictEqual(shape(), [1, 2, 2])
        // A message that was taken is sealed.
        zone.offerUnsafe(Uint8Array.of(5))
        assert.deepStrictEqual(shape(), [1])
      })
  )

  it.effect(
    "H-35 charges framing and the objects of a message, so that empty records and tiny ones " +
      "cannot dodge the budget",
    () =>
      Effect.gen(function* () {
        const zone = yield* makeZone({ maxInflightBytes: 1000, coalesceRecords: 1 })
        let accepted = 0
        while (zone.offerUnsafe(new Uint8Array()) !== Full) accepted++
        // Freed room is charged again to the same amount.
        for (let round = 0; round < 2; round++) {
          for (let n = 0; n < accepted; n++) zone.nextUnsafe()
          zone.acknowledgeUnsafe(accepted)
          let again = 0
          while (zone.offerBatchUnsafe([new Uint8Array()]) !== Full) again++
          assert.strictEqual(again, accepted)
        }
        assert.strictEqual(accepted, Math.floor(1000 / (HEAD_ROOM + 2 + MESSAGE_OVERHEAD)))
        const packed = yield* makeZone({ maxInflightBytes: 1000 })
        accepted = 0
        while (packed.offerUnsafe(new Uint8Array()) !== Full) accepted++
        assert.strictEqual(accepted, (1000 - HEAD_ROOM - MESSAGE_OVERHEAD) / 2)
      })
  )

  it.effect("admits in order of arrival, and an interrupted caller lets the next one in", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ maxInflightRecords: 1, coalesceRecords: 1 })
      zone.offerUnsafe(Uint8Array.of(0))
      const admitted: Array<string> = []
      const wait = (name: string) =>
        zone.waitUnsafe([Uint8Array.of(1)], false, (offset) =>
          admitted.push(`${name} at ${offset}`)
        ) as () => void
      const [giveUp] = [wait("first"), wait("second"), wait("third")]
      giveUp()
      giveUp()
      zone.nextUnsafe()
      zone.acknowledgeUnsafe(1)
      zone.admitUnsafe()
      assert.deepStrictEqual(admitted, ["second at 1"])
      zone.nextUnsafe()
      zone.acknowledgeUnsafe(1)
      zone.admitUnsafe()
      assert.deepStrictEqual(admitted, ["second at 1", "third at 2"])
    })
  )

  it.effect("lets a small one in at once when the large one in front of it gives up", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({
        maxInflightBytes: 200 + 2 * MESSAGE_OVERHEAD,
        coalesceRecords: 1
      })
      zone.offerUnsafe(new Uint8Array(50))
      const admitted: Array<number | undefined> = []
      const giveUp = zone.waitUnsafe([new Uint8Array(150)], false, (offset) =>
        admitted.push(offset)
      )
      zone.waitUnsafe([new Uint8Array(1)], false, (offset) => admitted.push(offset))
      assert.deepStrictEqual(admitted, [])
      if (typeof giveUp === "function") giveUp()
      assert.deepStrictEqual(admitted, [1])
    })
  )

  it.effect("takes over another zone's messages with their grouping", () =>
    Effect.gen(function* () {
      const old = yield* makeZone()
      old.offerUnsafe(Uint8Array.of(0))
      old.offerUnsafe(Uint8Array.of(1))
      old.offerBatchUnsafe([Uint8Array.of(2), Uint8Array.of(3)])
      old.closeUnsafe()
      const next = yield* makeZone({ maxInflightRecords: 10 })
      next.adoptUnsafe(old.unackedUnsafe())
      assert.strictEqual(next.nextOffset, 3)
      assert.strictEqual(next.usedRecords, 3)
      assert.strictEqual(next.offerUnsafe(Uint8Array.of(4)), 3)
      const shapes: Array<readonly [number, boolean, number]> = []
      for (let message = next.nextUnsafe(); message !== undefined; message = next.nextUnsafe()) {
        shapes.push([message.offset, message.atomic, message.records])
      }
      assert.deepStrictEqual(shapes, [
        [0, false, 2],
        [2, true, 2],
        [3, false, 1]
      ])
    })
  )
})
