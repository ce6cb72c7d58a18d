/**
 * A zone with small bounds holds little more memory than those bounds.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { CHUNK_SIZE, chunkSize, type Message } from "../../../src/internal/landing/chunk.ts"
import type { LandingZone } from "../../../src/internal/landing/landingZone.ts"
import { makeZone, messagesOf, seeded } from "../../support/zones.ts"

/** Bytes of the buffers that the zone keeps, including its current one. */
const heldBy = (zone: LandingZone<Uint8Array>, inFlight: ReadonlyArray<Message>): number => {
  const { buffer } = (zone as unknown as { readonly writer: { readonly buffer: Buffer } }).writer
  const buffers = new Set([buffer, ...inFlight.map((message) => message.chunk.buffer)])
  return [...buffers].reduce((sum, { length }) => sum + length, 0)
}

const inFlightOf = (zone: LandingZone<Uint8Array>): ReadonlyArray<Message> =>
  messagesOf(zone).filter((message): message is Message => message !== undefined)

describe("a zone with a byte budget", () => {
  for (const budget of [1_000, 10_000, 100_000, 1_000_000]) {
    for (const largest of [20, 200, 2_000, 20_000]) {
      it.effect(
        `of ${budget} bytes holds half more and two chunks at most, with records up to ` +
          `${largest} bytes`,
        () =>
          Effect.gen(function* () {
            const random = seeded(budget + largest)
            const zone = yield* makeZone({ maxInflightBytes: budget })
            let most = 0
            for (let full = 0; full < 60;) {
              const record = random.bytes(1 + random.below(Math.min(largest, budget / 2)))
              while (zone.offerUnsafe(record) === -1) {
                full++
                // All messages are taken, so that their buffers are visible. The oldest one is
                // acknowledged.
                while (zone.nextUnsafe() !== undefined);
                most = Math.max(most, heldBy(zone, inFlightOf(zone)))
                zone.acknowledgeUnsafe(1)
              }
            }
            assert.isAbove(most, 0)
            // A record that does not fit the rest of a chunk gets a separate buffer, and the rest
            // of the chunk may stay unused.
            assert.isAtMost(most, 1.5 * budget + 2 * chunkSize(budget))
          })
      )
    }
  }

  it("has chunks of a quarter of it, between 4 KiB and 256 KiB", () => {
    assert.deepStrictEqual([1, 10_000, 100_000, 1 << 20, 1 << 27].map(chunkSize), [
      4_096,
      4_096,
      26_624,
      CHUNK_SIZE,
      CHUNK_SIZE
    ])
  })

  it.effect("is the bound of 300 zones of 10 kB: together they hold some 5 MB and not 79 MB", () =>
    Effect.gen(function* () {
      let held = 0
      for (let n = 0; n < 300; n++) {
        const zone = yield* makeZone({ maxInflightBytes: 10_000 })
        while (zone.offerUnsafe(Buffer.alloc(100, 65)) !== -1);
        while (zone.nextUnsafe() !== undefined);
        held += heldBy(zone, inFlightOf(zone))
      }
      assert.isAtMost(held, 300 * 4 * 4_096)
    })
  )
})
