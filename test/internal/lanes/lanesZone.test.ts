import { assert, describe, it } from "@effect/vitest"
import { MixedScheduler } from "effect/Scheduler"
import { LanesZone } from "../../../src/internal/lanes/lanesZone.ts"
import { Turns } from "../../../src/internal/landing/turns.ts"
import { Full } from "../../../src/internal/landing/waitingLine.ts"
import { bytesCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import type { LandingZoneLimits } from "../../../src/internal/landing/sizeLimits.ts"
import type { Message } from "../../../src/internal/landing/chunk.ts"
import { seeded } from "../../support/zones.ts"

const makeZone = (
  options: Partial<LandingZoneLimits> & {
    readonly lanes?: number
    readonly laneKey?: ((record: Uint8Array) => number) | undefined
  } = {}
) => {
  const { lanes = 3, laneKey, ...limits } = options
  const zone = new LanesZone<Uint8Array>({
    lanes,
    laneKey,
    turns: new Turns(),
    codec: bytesCodec,
    limits: {
      maxInflightRecords: 1_000_000,
      maxInflightBytes: 64 * 1024 * 1024,
      maxPayloadBytes: 10_420_224,
      maxBatchRecords: 100_000,
      coalesceBytes: 256 * 1024,
      coalesceRecords: 100_000,
      ...limits
    },
    now: () => 0,
    scheduler: new MixedScheduler()
  })
  for (let lane = 0; lane < lanes; lane++) zone.setSessionUnsafe(lane, true)
  return zone
}

/** Takes what a lane has queued, as a session does. */
const take = (zone: LanesZone<any>, lane: number): ReadonlyArray<Message> => {
  const taken: Array<Message> = []
  const one = zone.lanes[lane]!
  for (let next = one.nextUnsafe(); next !== undefined; next = one.nextUnsafe()) taken.push(next)
  return taken
}

/** Settles the oldest messages of a lane, as an acknowledgement does. */
const settle = (zone: LanesZone<any>, lane: number, messages: number): void => {
  if (messages === 0) return
  const one = zone.lanes[lane]!
  one.offsets.settle(one.acknowledgeUnsafe(messages))
  one.admitUnsafe()
}

const budgetOf = (zone: LanesZone<any>) =>
  (zone.lanes[0] as unknown as { readonly budget: { readonly bytes: number; readonly records: number } }).budget

describe("the landing zones of several lanes", () => {
  it("hold one budget that is never exceeded and never leaks, whatever lanes do", () => {
    for (let seed = 0; seed < 10; seed++) {
      const random = seeded(seed)
      const zone = makeZone({ maxInflightBytes: 20_000, maxInflightRecords: 60, laneKey: (bytes) => bytes.length })
      const inFlight = [0, 0, 0]
      for (let step = 0; step < 3000; step++) {
        const lane = random.below(3)
        const what = random.below(10)
        if (what < 6) zone.offerUnsafe(random.bytes(1 + random.below(400)))
        else if (what === 6) {
          const size = 1 + random.below(400)
          zone.offerBatchUnsafe(Array.from({ length: 1 + random.below(3) }, () => random.bytes(size)))
        } else if (what === 7) inFlight[lane]! += take(zone, lane).length
        else if (inFlight[lane]! > 0) {
          const count = 1 + random.below(inFlight[lane]!)
          settle(zone, lane, count)
          inFlight[lane]! -= count
        }
        assert.isAtMost(budgetOf(zone).bytes, 20_000)
        assert.isAtMost(budgetOf(zone).records, 60)
        assert.strictEqual(budgetOf(zone).records, zone.usedRecords)
      }
      for (let lane = 0; lane < 3; lane++) settle(zone, lane, inFlight[lane]! + take(zone, lane).length)
      assert.strictEqual(budgetOf(zone).bytes, 0)
      assert.isTrue(zone.isEmpty)
      assert.strictEqual(zone.settledByAll, zone.nextOffset - 1)
    }
  })

  it("refuse what a codec or a key function hands in itself", () => {
    let nested: unknown
    const zone: LanesZone<Uint8Array> = makeZone({
      laneKey: (bytes) => {
        if (bytes.length === 2) nested = zone.offerUnsafe(Uint8Array.of(1))
        return 0
      }
    })
    assert.strictEqual(zone.offerUnsafe(Uint8Array.of(1, 2)), 0)
    assert.include((nested as Error).message, "ingested another one")
    assert.strictEqual(zone.offerUnsafe(Uint8Array.of(1)), 1)
  })

  it("give a record without a key to the lane of the last one while its message takes more, then to the one with least to do", () => {
    const zone = makeZone({ coalesceRecords: 3 })
    const lanes = Array.from({ length: 12 }, () => {
      zone.offerUnsafe(Uint8Array.of(1))
      return zone.takenBy
    })
    assert.deepStrictEqual(lanes, [1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1])
    settle(zone, 0, take(zone, 0).length)
    zone.offerUnsafe(Uint8Array.of(1))
    assert.strictEqual(zone.takenBy, 0)
    zone.setSessionUnsafe(0, false)
    zone.offerUnsafe(Uint8Array.of(1))
    assert.strictEqual(zone.takenBy, 2)
  })

  it("let a lane without a session have a record that is larger than its half when it holds nothing", () => {
    const zone = makeZone({ maxInflightBytes: 4096, laneKey: () => 0 })
    for (let lane = 0; lane < 3; lane++) zone.setSessionUnsafe(lane, false)
    assert.strictEqual(zone.offerUnsafe(new Uint8Array(3000)), 0)
    assert.strictEqual(zone.offerUnsafe(new Uint8Array(100)), Full)
  })

  it("give what is left in the order of offsets, and hand it over with offsets from 0", () => {
    for (let seed = 0; seed < 10; seed++) {
      const random = seeded(seed)
      const zone = makeZone({ laneKey: (bytes) => bytes[0]! })
      const kept: Array<number> = []
      for (let n = 0; n < 300; n++) {
        const key = random.below(40)
        if (random.below(10) === 0) zone.offerBatchUnsafe([Uint8Array.of(key, n & 255, n >> 8), Uint8Array.of(key)])
        else zone.offerUnsafe(Uint8Array.of(key, n & 255, n >> 8))
        kept.push(n)
        if (random.below(30) === 0) take(zone, random.below(3))
      }
      for (let lane = 0; lane < 3; lane++) {
        const { inFlight } = zone.lanes[lane]!.window
        if (inFlight > 0) settle(zone, lane, random.below(inFlight) + 1)
      }
      zone.closeUnsafe()
      const left = zone.unackedUnsafe()
      const numbers = left.flatMap((stretch) =>
        stretch
          .payloads()
          .filter(({ length }) => length === 3)
          .map((b) => b[1]! + 256 * b[2]!)
      )
      assert.deepStrictEqual(
        numbers,
        [...numbers].sort((a, b) => a - b)
      )
      assert.lengthOf(numbers, zone.usedRecords)

      const next = makeZone({ laneKey: (bytes) => bytes[0]! })
      next.adoptUnsafe(zone)
      assert.strictEqual(next.nextOffset, zone.usedRecords)
      assert.strictEqual(next.settledByAll, -1)
      assert.strictEqual(next.leftRecords, zone.leftRecords)
      next.closeUnsafe()
      assert.deepStrictEqual(
        next.unackedUnsafe().flatMap((stretch) => stretch.payloads()),
        left.flatMap((stretch) => stretch.payloads())
      )
    }
  })
})
