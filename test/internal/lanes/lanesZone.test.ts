import { assert, describe, it } from "@effect/vitest"
import { MixedScheduler, type Scheduler } from "effect/Scheduler"
import { GATHERING, WORTH_SENDING } from "../../../src/internal/lanes/laneZone.ts"
import { LanesZone } from "../../../src/internal/lanes/lanesZone.ts"
import { TURN, Turns } from "../../../src/internal/landing/turns.ts"
import { Full } from "../../../src/internal/landing/waitingLine.ts"
import { bytesCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import type { LandingZoneLimits } from "../../../src/internal/landing/sizeLimits.ts"
import type { Message } from "../../../src/internal/landing/chunk.ts"
import { handLoop } from "../../support/handLoop.ts"
import { seeded } from "../../support/zones.ts"

const makeZone = (
  options: Partial<LandingZoneLimits> & {
    readonly lanes?: number
    readonly laneKey?: ((record: Uint8Array) => number) | undefined
    readonly now?: () => number
    readonly scheduler?: Scheduler
    readonly turns?: Turns
  } = {}
) => {
  const {
    lanes = 3,
    laneKey,
    now = () => 0,
    scheduler = new MixedScheduler(),
    turns = new Turns(),
    ...limits
  } = options
  const zone = new LanesZone<Uint8Array>({
    lanes,
    laneKey,
    turns,
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
    now,
    scheduler
  })
  for (let lane = 0; lane < lanes; lane++) zone.setSessionUnsafe(lane, true)
  return zone
}

/** Takes the queued messages of a lane, like a session. */
const take = (zone: LanesZone<any>, lane: number): ReadonlyArray<Message> => {
  const taken: Array<Message> = []
  const one = zone.lanes[lane]!
  for (let next = one.nextUnsafe(); next !== undefined; next = one.nextUnsafe()) taken.push(next)
  return taken
}

/** Settles the oldest messages of a lane, like an acknowledgement. */
const settle = (zone: LanesZone<any>, lane: number, messages: number): void => {
  if (messages === 0) return
  const one = zone.lanes[lane]!
  one.offsets.settle(one.acknowledgeUnsafe(messages))
  one.admitUnsafe()
}

const budgetOf = (zone: LanesZone<any>) =>
  (
    zone.lanes[0] as unknown as {
      readonly budget: { readonly bytes: number; readonly records: number }
    }
  ).budget

describe("the landing zones of several lanes", () => {
  it("hold one budget that is never exceeded and never leaks, whatever lanes do", () => {
    for (let seed = 0; seed < 10; seed++) {
      const random = seeded(seed)
      const zone = makeZone({
        maxInflightBytes: 20_000,
        maxInflightRecords: 60,
        laneKey: (bytes) => bytes.length
      })
      const inFlight = [0, 0, 0]
      for (let step = 0; step < 3000; step++) {
        const lane = random.below(3)
        const what = random.below(10)
        if (what < 6) zone.offerUnsafe(random.bytes(1 + random.below(400)))
        else if (what === 6) {
          const size = 1 + random.below(400)
          zone.offerBatchUnsafe(
            Array.from({ length: 1 + random.below(3) }, () => random.bytes(size))
          )
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
      for (let lane = 0; lane < 3; lane++)
        settle(zone, lane, inFlight[lane]! + take(zone, lane).length)
      assert.strictEqual(budgetOf(zone).bytes, 0)
      assert.isTrue(zone.isEmpty)
      assert.strictEqual(zone.settledByAll, zone.nextOffset - 1)
    }
  })

  it("refuse records that a codec or a key function ingests itself", () => {
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

  it(
    "give a record without a key to the lane of the last one while its message takes more, " +
      "then to the one with least to do",
    () => {
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
    }
  )

  it(
    "let a lane without a session have a record that is larger than its half when it holds " +
      "nothing",
    () => {
      const zone = makeZone({ maxInflightBytes: 4096, laneKey: () => 0 })
      for (let lane = 0; lane < 3; lane++) zone.setSessionUnsafe(lane, false)
      assert.strictEqual(zone.offerUnsafe(new Uint8Array(3000)), 0)
      assert.strictEqual(zone.offerUnsafe(new Uint8Array(100)), Full)
    }
  )

  it("return unacknowledged records by offset, and hand them over with offsets from 0", () => {
    for (let seed = 0; seed < 10; seed++) {
      const random = seeded(seed)
      const zone = makeZone({ laneKey: (bytes) => bytes[0]! })
      const kept: Array<number> = []
      for (let n = 0; n < 300; n++) {
        const key = random.below(40)
        if (random.below(10) === 0)
          zone.offerBatchUnsafe([Uint8Array.of(key, n & 255, n >> 8), Uint8Array.of(key)])
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

  it("gather small messages over turns while a caller has more records, for a bounded time", () => {
    const loop = handLoop()
    const turns = new Turns()
    let [now, sent, stands] = [0, 0, true]
    const zone = makeZone({ laneKey: () => 0, now: () => now, scheduler: loop.scheduler, turns })
    /** A caller that uses each of its turns fully. */
    const stand = (): void => {
      zone.standInLineUnsafe(loop.scheduler, () => {
        turns.end()
        if (stands) stand()
      })
    }
    zone.lanes[0]!.listenUnsafe(() => void (sent += take(zone, 0).length))
    const offerAndTurn = (size: number): number => {
      zone.offerUnsafe(new Uint8Array(size))
      for (let turn = 0; turn < 3; turn++) loop.turn()
      return sent
    }
    assert.strictEqual(offerAndTurn(10), 1)
    stand()
    assert.strictEqual(offerAndTurn(10), 1)
    now += GATHERING - 1
    assert.strictEqual(offerAndTurn(10), 1)
    now += 1
    loop.turn()
    assert.strictEqual(sent, 2)
    assert.strictEqual(offerAndTurn(10), 2)
    zone.offerUnsafe(new Uint8Array(WORTH_SENDING))
    loop.turn()
    assert.isAbove(sent, 2)
    const before = sent
    assert.strictEqual(offerAndTurn(10), before)
    stands = false
    for (let turn = 0; turn < 3; turn++) loop.turn()
    assert.strictEqual(sent, before + 1)
    assert.isTrue(loop.isIdle())
  })

  it("send at once where a scheduler runs its tasks at once, even with callers in line", () => {
    const scheduler: Scheduler = {
      executionMode: "async",
      shouldYield: () => false,
      makeDispatcher: () => ({ scheduleTask: (task) => task(), flush: () => {} })
    }
    const zone = makeZone({ laneKey: () => 0, scheduler })
    let sent = 0
    zone.lanes[0]!.listenUnsafe(() => void (sent += take(zone, 0).length))
    zone.standInLineUnsafe(handLoop().scheduler, () => {})
    zone.offerUnsafe(Uint8Array.of(1))
    zone.offerUnsafe(Uint8Array.of(1))
    assert.strictEqual(sent, 2)
  })

  it("take a whole turn before a caller gives way, unless a lane has enough to send", () => {
    for (const [lanes, expected] of [
      [64, TURN],
      [1, TURN / 2]
    ] as const) {
      const zone = makeZone({ lanes, laneKey: (bytes) => bytes[0]! })
      for (let n = 0; !zone.mustGiveWay(); n++) zone.offerUnsafe(new Uint8Array(1000).fill(n))
      assert.isAtLeast(zone.acceptedBytes, expected)
      assert.isBelow(zone.acceptedBytes, expected + TURN / 8)
    }
  })

  it("begin with a chunk for a whole message after everything was acknowledged", () => {
    const zone = makeZone({ laneKey: () => 0 })
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 60; n++) zone.offerUnsafe(new Uint8Array(1000))
      const taken = take(zone, 0)
      assert.lengthOf(taken, 1)
      settle(zone, 0, taken.length)
    }
  })
})
