/**
 * Tables that share the flush worker: rows that wait for it are committed together, and slow the
 * clients down.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { type Flusher, type FlushJob, localFlusher } from "../../../src/local/flush/flusher.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const format = { _tag: "Json" } as const

/** A flusher that holds the jobs of one table until the test releases them, and lists all jobs. */
const heldFlusher = (held: string) => {
  const inner = localFlusher()
  const gate = Promise.withResolvers<void>()
  const arrived = Promise.withResolvers<void>()
  const jobs: Array<Pick<FlushJob, "name" | "rows">> = []
  const flusher: Flusher = {
    ...inner,
    flush: async (job) => {
      jobs.push({ name: job.name, rows: job.rows })
      if (job.name === held) {
        arrived.resolve()
        await gate.promise
      }
      return inner.flush(job)
    }
  }
  return { flusher, jobs, open: gate.resolve, arrived: arrived.promise }
}

/** A store with two tables, and a writer for each. */
const twoTables = Effect.fnUntraced(function* (flusher: Flusher, limits: object) {
  const folder = yield* temporaryFolder
  const store = yield* makeDurableTableStore({
    ...byHand,
    folder,
    flusher,
    limits: { flushesAtOnce: 1, ...limits }
  })
  const writers = []
  for (const name of ["main.default.a", "main.default.b"]) {
    yield* store.create(table(`${name}(id BIGINT)`))
    writers.push(yield* store.openWriter(name, format))
  }
  return { store, a: writers[0]!, b: writers[1]! }
})

describe("tables that wait for the flush of another one", () => {
  it.live("commit all rows that came meanwhile at once, in their order", () =>
    Effect.gen(function* () {
      const { arrived, flusher, jobs, open } = heldFlusher("main.default.a")
      const { a, b, store } = yield* twoTables(flusher, {})
      yield* append(a, [json({ id: 0 })])
      const first = yield* Effect.forkChild(store.flush("main.default.a"))
      yield* Effect.promise(() => arrived)
      const flushes = []
      for (let id = 0; id < 5; id++) {
        yield* append(b, [json({ id })])
        flushes.push(
          yield* Effect.forkChild(store.flush("main.default.b"), { startImmediately: true })
        )
      }
      assert.deepEqual(jobs, [{ name: "main.default.a", rows: 1 }])
      open()
      yield* Effect.forEach([first, ...flushes], Fiber.join)
      yield* store.flush()
      assert.deepEqual(jobs, [
        { name: "main.default.a", rows: 1 },
        { name: "main.default.b", rows: 5 }
      ])
      const rows = yield* store.rows("main.default.b")
      assert.deepEqual(
        rows.map(({ id }) => id),
        [0n, 1n, 2n, 3n, 4n]
      )
    })
  )

  it.live("ask the writers of all tables to pause at the limit of all rows, and lose none", () =>
    Effect.gen(function* () {
      const { arrived, flusher, open } = heldFlusher("main.default.a")
      const { a, b, store } = yield* twoTables(flusher, { maxTotalRows: 3 })
      yield* append(a, [json({ id: 0 }), json({ id: 1 })])
      const flushing = yield* Effect.forkChild(store.flush())
      yield* Effect.promise(() => arrived)
      assert.isFalse(b.pressure())
      yield* append(b, [json({ id: 0 }), json({ id: 1 })])
      assert.isTrue(a.pressure())
      assert.isTrue(b.pressure())
      const room = Promise.withResolvers<void>()
      b.onRoom(room.resolve)
      open()
      yield* Effect.promise(() => room.promise)
      assert.isFalse(b.pressure())
      yield* Fiber.join(flushing)
      yield* store.flush()
      assert.strictEqual((yield* store.stats("main.default.a")).rows, 2)
      assert.strictEqual((yield* store.stats("main.default.b")).rows, 2)
    })
  )
})
