/**
 * Records keep the order of their calls, however many calls wait for a turn of the event loop at
 * once.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as A from "../../support/acceptance.ts"

const pad = "x".repeat(5_000)
const count = 3_000
const record = (id: number) => JSON.stringify({ id, pad })
const numbers = Array.from({ length: count }, (_, id) => id)
const idsOf = (records: ReadonlyArray<string>) =>
  records.map((text) => (JSON.parse(text) as { id: number }).id)

describe("records of concurrent calls", () => {
  for (const concurrency of [2, 8, 64, "unbounded"] as const) {
    for (const maxInflightRecords of [100, 1_000_000]) {
      it.live(
        `are sent in the order of arrival, ${concurrency} at a time, ${maxInflightRecords} in ` +
          `flight`,
        () =>
          Effect.gen(function* () {
            const { server, stream } = yield* A.open({ maxInflightRecords })
            yield* Effect.forEach(numbers, (id) => stream.ingestRecord(record(id)), {
              concurrency,
              discard: true
            })
            yield* stream.flush
            assert.deepStrictEqual(idsOf(server.records), numbers)
          }).pipe(Effect.scoped)
      )
    }
  }

  it.live("keep it with batches and single records of generators among them", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      yield* Effect.forEach(
        numbers,
        (id) => {
          if (id % 3 === 0) return stream.ingestRecords([record(id)])
          if (id % 3 === 1) return stream.ingestRecord(record(id))
          return Effect.gen(function* () {
            return yield* stream.ingestRecord(record(id))
          })
        },
        { concurrency: 16, discard: true }
      )
      yield* stream.flush
      assert.deepStrictEqual(idsOf(server.records), numbers)
    }).pipe(Effect.scoped)
  )

  it.live("keep it when some callers in line are interrupted", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      for (const id of numbers) {
        fibers.push(
          yield* Effect.forkChild(stream.ingestRecord(record(id)), { startImmediately: true })
        )
      }
      const waiting = fibers.filter((fiber) => fiber.pollUnsafe() === undefined)
      assert.isAbove(waiting.length, 100)
      const gone = waiting.filter((_, n) => n % 5 === 0)
      for (const fiber of gone) fiber.interruptUnsafe()
      for (const fiber of fibers) yield* Fiber.await(fiber)
      yield* stream.flush
      const left = numbers.filter((id) => !gone.includes(fibers[id]!))
      assert.deepStrictEqual(idsOf(server.records), left)
      // No caller is left in line, so callbacks are accepted again.
      assert.isDefined(stream.offerUnsafe(record(count)))
    }).pipe(Effect.scoped)
  )

  it.live("do not let a callback's record overtake callers in line", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      let id = 0
      let refused = 0
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      while (id < count) {
        const fiber = yield* Effect.forkChild(stream.ingestRecord(record(id++)), {
          startImmediately: true
        })
        fibers.push(fiber)
        if (id === count || stream.offerUnsafe(record(id)) === undefined) refused++
        else id++
      }
      for (const fiber of fibers) yield* Fiber.await(fiber)
      yield* stream.flush
      assert.isAbove(refused, 100)
      assert.deepStrictEqual(idsOf(server.records), numbers)
    }).pipe(Effect.scoped)
  )
})
