/**
 * A call that has to wait joins the line before its fiber yields, however long a scheduler pauses
 * that fiber.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeIngest } from "../../../src/internal/engine/streamIngest.ts"
import type { StreamCore } from "../../../src/internal/engine/streamCore.ts"
import type { JsonRecord } from "../../../src/TableProperties.ts"
import * as A from "../../support/acceptance.ts"
import { acknowledge, makeCore, offer, take } from "../../support/cores.ts"
import { handLoop } from "../../support/handLoop.ts"

/** An event loop whose fibers yield before every operation. */
const pausingLoop = () => {
  const loop = handLoop()
  const pauses = { on: true }
  let asked = 0
  // `shouldYield` runs twice more before the operation at which the fiber yielded.
  loop.scheduler.shouldYield = () => pauses.on && ++asked % 3 === 0
  return { ...loop, pauses }
}

type Door = ReturnType<typeof makeIngest<JsonRecord>>

/** The ways to ingest one record with an effect. */
const ways: Readonly<
  Record<string, (door: Door, record: JsonRecord) => Effect.Effect<unknown, unknown>>
> = {
  "a record in a generator": (door, record) =>
    Effect.gen(function* () {
      return yield* door.ingestRecord(record)
    }),
  "a record as an effect": (door, record) => door.ingestRecord(record),
  "a batch": (door, record) => door.ingestRecords([record])
}

/** Why calls have to wait, and how the wait ends. */
const reasons: Readonly<
  Record<
    string,
    {
      readonly wait: (core: StreamCore<JsonRecord>) => void
      readonly end: (core: StreamCore<JsonRecord>) => void
    }
  >
> = {
  "the turn is over": {
    wait: (core) =>
      offer(
        core,
        Array.from({ length: 30 }, () => JSON.stringify({ text: "x".repeat(100_000) }))
      ),
    end: () => {}
  },
  "there is no room": {
    wait: (core) => offer(core, A.recordsFrom(0, 10)),
    end: (core) => acknowledge(core, take(core).length)
  }
}

/** Runs a fiber until it has joined a line, and pauses it there. */
const begin = (core: StreamCore<JsonRecord>, loop: ReturnType<typeof pausingLoop>) => {
  for (let turn = 0; core.zone.turnLine.isEmpty && waitersOf(core) === 0; turn++) {
    assert.isBelow(turn, 20, "the call takes no place in line")
    loop.turn()
  }
}

const waitersOf = (core: StreamCore<JsonRecord>): number =>
  (core.zone as unknown as { readonly waiters: { readonly size: number } }).waiters.size

/** The names in the records, one per caller, in order. */
const namesOf = (core: StreamCore<JsonRecord>): ReadonlyArray<string> =>
  take(core)
    .flatMap((message) => message.payloads())
    .map((payload) => JSON.parse(Buffer.from(payload).toString()) as { readonly name?: string })
    .flatMap(({ name }) => name ?? [])

describe("a call whose fiber is paused as soon as it has to wait", () => {
  for (const [reason, { end, wait }] of Object.entries(reasons)) {
    for (const [way, ingest] of Object.entries(ways)) {
      const scene = Effect.gen(function* () {
        const core = yield* makeCore({
          batching: "off",
          maxInflightRecords: reason === "there is no room" ? 10 : 1000
        })
        const door = makeIngest(core)
        wait(core)
        const paused = pausingLoop()
        const first = paused.fork(ingest(door, { name: "first" }))
        begin(core, paused)
        return { core, door, first, paused }
      })

      it.effect(`keeps its place before later ones: ${way}, ${reason}`, () =>
        Effect.gen(function* () {
          const { core, door, first, paused } = yield* scene
          end(core)
          const loop = handLoop()
          const later = loop.fork(ingest(door, { name: "later" }))
          while (!loop.isIdle()) loop.turn()
          assert.isDefined(later.pollUnsafe())
          assert.isUndefined(first.pollUnsafe())
          while (!paused.isIdle()) paused.turn()
          assert.isDefined(first.pollUnsafe())
          assert.deepStrictEqual(namesOf(core), ["first", "later"])
        })
      )

      it.effect(`leaves the line when it is interrupted before it waits: ${way}, ${reason}`, () =>
        Effect.gen(function* () {
          const { core, door, first, paused } = yield* scene
          paused.pauses.on = false
          first.interruptUnsafe()
          assert.isDefined(first.pollUnsafe())
          while (!paused.isIdle()) paused.turn()
          end(core)
          const loop = handLoop()
          const later = loop.fork(ingest(door, { name: "later" }))
          while (!loop.isIdle()) loop.turn()
          assert.isDefined(later.pollUnsafe())
          assert.deepStrictEqual(namesOf(core), ["later"])
          assert.deepStrictEqual([core.zone.turnLine.isEmpty, waitersOf(core)], [true, 0])
        })
      )
    }
  }
})

describe("an ingest call outside of a fiber", () => {
  for (const [what, iterate] of [
    ["spread", (call: Iterable<unknown>) => [...call]],
    ["destructured", ([first]: Iterable<unknown>) => [first]],
    ["iterated by hand", (call: Iterable<unknown>) => [call[Symbol.iterator]().next().value]]
  ] as const) {
    it(`that is ${what} hands in nothing, and gives the effect itself`, () => {
      const core = Effect.runSync(makeCore())
      const call = makeIngest(core).ingestRecord(A.record(0))
      assert.deepStrictEqual(iterate(call), [call])
      assert.strictEqual(core.zone.nextOffset, 0)
      assert.strictEqual(Effect.runSync(call).offset, 0)
      // If it has to yield, no later call waits for it either.
      offer(
        core,
        Array.from({ length: 30 }, () => JSON.stringify({ text: "x".repeat(100_000) }))
      )
      const accepted = core.zone.nextOffset
      iterate(makeIngest(core).ingestRecord(A.record(1)))
      assert.deepStrictEqual([core.zone.nextOffset, core.zone.turnLine.isEmpty], [accepted, true])
    })
  }
})
