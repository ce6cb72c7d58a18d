/**
 * Zones that share a budget use as much of it as they hold, whatever happens to their messages.
 */
import { assert, describe, it } from "@effect/vitest"
import { bytesCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import { MESSAGE_OVERHEAD } from "../../../src/internal/landing/chunk.ts"
import { SharedBudget, SharedZone } from "../../../src/internal/landing/sharedZone.ts"
import { Full } from "../../../src/internal/landing/waitingLine.ts"
import { seeded } from "../../support/zones.ts"

const LIMIT = 100_000

const zoneOf = (budget: SharedBudget, onEmpty = () => {}) =>
  new SharedZone(
    {
      turns: budget.turns,
      codec: bytesCodec,
      now: () => 0,
      limits: {
        maxInflightRecords: 1_000,
        maxInflightBytes: LIMIT / 2,
        maxPayloadBytes: 40_000,
        maxBatchRecords: 100,
        coalesceBytes: 4_000,
        coalesceRecords: 50
      }
    },
    budget,
    onEmpty
  )

/** What a zone holds: the bytes of its messages, and the overhead of each message. */
const heldBy = (zone: SharedZone<Uint8Array>, messages: number): number =>
  zone.usedBytes + messages * MESSAGE_OVERHEAD

describe("zones that share a budget", () => {
  it("count exactly what they hold, and no more than the budget", () => {
    let waited = 0
    for (let seed = 1; seed <= 10; seed++) {
      const random = seeded(seed)
      const budget = new SharedBudget(LIMIT)
      const zones = Array.from({ length: 2 + random.below(5) }, () => zoneOf(budget))
      let [waiting, admitted, left] = [0, 0, 0]
      const leaves: Array<() => boolean> = []
      for (let step = 0; step < 2_000; step++) {
        const zone = zones[random.below(zones.length)]!
        const what = random.below(20)
        if (what < 12) {
          const record = random.bytes(random.below(what === 0 ? 30_000 : 5_000))
          if (zone.offerUnsafe(record) === Full && random.below(3) === 0) {
            waiting++
            const leave = zone.waitUnsafe([record], false, () => void admitted++)
            if (typeof leave === "function") leaves.push(leave)
          }
        } else if (what < 14) {
          while (zone.nextUnsafe() !== undefined);
          const { inFlight } = zone.window
          if (inFlight > 0) zone.acknowledgeUnsafe(1 + random.below(inFlight))
          zone.admitUnsafe()
        } else if (what === 14 && seed % 2 === 0) {
          zone.rewindUnsafe()
          const messages = zone.takeAllUnsafe()
          zone.rewindUnsafe()
          zone.divideUnsafe(Math.min(2, messages), () => 1 + random.below(3))
        } else if (what === 15 && leaves.length > 0) {
          const [leave] = leaves.splice(random.below(leaves.length), 1)
          if (leave!()) left++
        }
        const held = zones.map((one) => {
          one.rewindUnsafe()
          return heldBy(one, one.takeAllUnsafe())
        })
        assert.strictEqual(
          budget.used,
          held.reduce((sum, bytes) => sum + bytes, 0),
          `seed ${seed}, step ${step}`
        )
        // Pieces of a divided message have their own head room, beyond the bounds.
        if (seed % 2 === 1) assert.isAtMost(budget.used, LIMIT)
      }
      // Everything is acknowledged, so all remaining callers are admitted.
      for (let n = 0; n < 1_000 && zones.some((zone) => !zone.isEmpty); n++) {
        for (const zone of zones) {
          zone.rewindUnsafe()
          const messages = zone.takeAllUnsafe()
          if (messages > 0) zone.acknowledgeUnsafe(messages)
          zone.admitUnsafe()
        }
      }
      assert.strictEqual(budget.used, 0)
      assert.strictEqual(admitted + left, waiting)
      waited += waiting
    }
    assert.isAbove(waited, 500)
  })

  it("give back what they hold when they end, once, to those who wait elsewhere", () => {
    const budget = new SharedBudget(LIMIT)
    const [one, two, three] = [zoneOf(budget), zoneOf(budget), zoneOf(budget)]
    const record = new Uint8Array(12_000)
    while (one.offerUnsafe(record) !== Full);
    while (two.offerUnsafe(record) !== Full);
    let offset: number | undefined
    three.waitUnsafe([record], false, (admission) => (offset = admission))
    assert.isUndefined(offset)
    one.closeUnsafe()
    one.endUnsafe()
    one.endUnsafe()
    assert.strictEqual(offset, 0)
    assert.strictEqual(
      budget.used,
      heldBy(two, two.takeAllUnsafe()) + heldBy(three, three.takeAllUnsafe())
    )
  })

  it("report when they are empty", () => {
    const budget = new SharedBudget(LIMIT)
    let emptied = 0
    const zone = zoneOf(budget, () => emptied++)
    zone.offerUnsafe(new Uint8Array(10))
    zone.offerUnsafe(new Uint8Array(20_000))
    assert.strictEqual(zone.takeAllUnsafe(), 2)
    zone.acknowledgeUnsafe(1)
    zone.admitUnsafe()
    assert.strictEqual(emptied, 0)
    zone.acknowledgeUnsafe(1)
    zone.admitUnsafe()
    assert.strictEqual(emptied, 1)
  })
})
