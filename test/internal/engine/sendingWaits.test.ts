/** Which wait of a session's sending is stopped with it. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Flight } from "../../../src/internal/engine/flight.ts"
import type { StreamCore } from "../../../src/internal/engine/streamCore.ts"
import { Sending } from "../../../src/internal/engine/traffic.ts"

it("stops the wait for the transport that a search begins when it ends at once", () => {
  let waits = 0
  let stopped = 0
  const writable = Effect.callback<void>(() => {
    waits++
    return Effect.sync(() => stopped++)
  })
  // Nothing is left to send again, so the search for a refused record ends within its fork.
  const core = {
    isolation: { found: true },
    zone: {
      window: { toReplay: 0 },
      listenUnsafe: () => () => {},
      nextUnsafe: () => ({ sends: 0 })
    },
    states: { enterUnsafe: () => {} },
    telemetry: { sent: () => {} },
    rpc: { freeRoom: 0 },
    now: () => 0,
    fork: (effect: Effect.Effect<void>) => Effect.runFork(effect)
  }
  let begun = false
  const flight = {
    idle: Effect.void,
    handedUnsafe: () => {},
    session: {
      call: { writable, sendUnsafe: () => false },
      wire: {
        begin: () => void (begun = true),
        next: () => (begun ? new Uint8Array(1) : undefined)
      }
    }
  }
  const sending = new Sending(
    core as unknown as StreamCore<any>,
    flight as unknown as Flight,
    { die: assert.fail } as never
  )
  sending.start()
  assert.deepStrictEqual([waits, stopped], [1, 0])
  sending.stop()
  assert.strictEqual(stopped, 1)
})
