/**
 * Measures the memory of a message beyond its bytes: the objects that a landing zone keeps per
 * message, for `MESSAGE_OVERHEAD` in `src/internal/landing/chunk.ts`. Run with `node --expose-gc
 * --conditions=effect-zerobus-source scripts/messageMemory.ts`.
 */
import { Effect } from "effect"
import { MESSAGE_OVERHEAD } from "../src/internal/landing/chunk.ts"
import { makeZone } from "../test/support/zones.ts"

const collect = globalThis.gc
if (collect === undefined) throw new Error("Run node with --expose-gc")

const heap = (): number => {
  for (let i = 0; i < 4; i++) collect()
  return process.memoryUsage().heapUsed
}

const record = new Uint8Array(0)

/** Heap bytes per message, while all messages wait and while all are in flight. */
const measure = (messages: number, kind: "single" | "batch") =>
  Effect.map(
    makeZone({ coalesceRecords: 1, maxInflightBytes: Number.MAX_SAFE_INTEGER }),
    (zone) => {
      const before = heap()
      const batch = [record]
      for (let n = 0; n < messages; n++) {
        if (kind === "single") zone.offerUnsafe(record)
        else zone.offerBatchUnsafe(batch)
      }
      const waiting = (heap() - before) / messages
      while (zone.nextUnsafe() !== undefined);
      const inFlight = (heap() - before) / messages
      return [waiting, inFlight, zone.window.inFlight] as const
    }
  )

for (const messages of [10_000, 100_000, 1_000_000]) {
  for (const kind of ["single", "batch"] as const) {
    const [waiting, inFlight] = await Effect.runPromise(measure(messages, kind))
    console.log(
      `${messages} ${kind}: ${waiting.toFixed(1)} bytes waiting, ${inFlight.toFixed(1)} in ` +
        `flight; charged ${MESSAGE_OVERHEAD}`
    )
  }
}
