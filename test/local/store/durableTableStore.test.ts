import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option } from "effect"
import * as Fs from "node:fs/promises"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { type Flusher, localFlusher } from "../../../src/local/flush/flusher.ts"
import { makeMemoryTableStore } from "../../../src/local/store/memoryTableStore.ts"
import { RecordRejected } from "../../../src/local/log/storageErrors.ts"
import type { TableStoreShape } from "../../../src/local/store/tableStore.ts"
import {
  append,
  everyType,
  fullRecord,
  fullRow,
  json,
  temporaryFolder
} from "../../support/storedTables.ts"

const bothStores = (
  name: string,
  body: (store: TableStoreShape) => Effect.Effect<void, unknown>
) => {
  it.live(`${name} (memory)`, () => Effect.flatMap(makeMemoryTableStore, body))
  it.live(`${name} (disk)`, () =>
    Effect.flatMap(temporaryFolder, (path) =>
      Effect.flatMap(makeDurableTableStore({ folder: path, worker: false }), body)
    )
  )
}

describe("TableStore", () => {
  bothStores("keeps every type of a JSON record", (store) =>
    Effect.gen(function* () {
      yield* store.create(everyType)
      const writer = yield* store.openWriter("main.default.every", { _tag: "Json" })
      yield* append(writer, [
        json(fullRecord),
        json({ id: 1 }),
        json({ ...fullRecord, tags: [], counts: {}, place: { lat: null, names: [] } })
      ])
      yield* store.flush()
      const rows = yield* store.rows("main.default.every")
      assert.deepStrictEqual(rows[0], fullRow)
      assert.deepStrictEqual(
        Object.values(rows[1]!).filter((value) => value !== null),
        [1n]
      )
      assert.deepStrictEqual(
        [rows[2]!["tags"], rows[2]!["counts"], rows[2]!["place"]],
        [[], new Map(), { lat: null, names: [] }]
      )
      assert.strictEqual((yield* store.stats("main.default.every")).rows, 3)
    })
  )

  bothStores("refuses a batch whole, says where, and takes the next one", (store) =>
    Effect.gen(function* () {
      yield* store.create(everyType)
      const writer = yield* store.openWriter("main.default.every", { _tag: "Json" })
      const problem = writer.appendUnsafe([
        json({ id: 1 }),
        json({ id: 2, place: { names: [{ lang: "a" }, { lang: 5 }] } })
      ])
      assert.instanceOf(problem, RecordRejected)
      assert.deepStrictEqual(
        [(problem as RecordRejected).index, (problem as RecordRejected).path],
        [1, "place.names.element.lang"]
      )
      yield* append(writer, [json({ id: 3 })])
      yield* store.flush()
      assert.deepStrictEqual(
        (yield* store.rows("main.default.every")).map((row) => row["id"]),
        [3n]
      )
    })
  )

  it.live("finds acknowledged records again after a restart, once", () =>
    Effect.gen(function* () {
      const path = yield* temporaryFolder
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({ folder: path, worker: true })
          yield* store.create(everyType)
          const writer = yield* store.openWriter("main.default.every", { _tag: "Json" })
          for (let i = 0; i < 10; i++)
            yield* append(writer, [json({ id: i }), json({ id: i + 100 })])
          yield* store.flush("main.default.every")
          for (let i = 10; i < 20; i++)
            yield* append(writer, [json({ id: i }), json({ id: i + 100 })])
        })
      )
      const store = yield* makeDurableTableStore({ folder: path, worker: false })
      const ids = (yield* store.rows("main.default.every"))
        .map((row) => Number(row["id"]))
        .sort((a, b) => a - b)
      assert.deepStrictEqual(ids, [
        ...Array(20).keys(),
        ...Array.from({ length: 20 }, (_, i) => i + 100)
      ])
    })
  )

  it.live("can acknowledge only what a query already sees", () =>
    Effect.gen(function* () {
      const store = yield* makeDurableTableStore({
        folder: yield* temporaryFolder,
        visibleOnceAcked: true
      })
      yield* store.create(everyType)
      const writer = yield* store.openWriter("main.default.every", { _tag: "Json" })
      for (let id = 0; id < 3; id++) {
        yield* append(writer, [json({ id })])
        assert.strictEqual((yield* store.rows("main.default.every")).length, id + 1)
      }
      const lost = yield* Effect.forkChild(Effect.flip(append(writer, [json({ id: 9 })])), {
        startImmediately: true
      })
      yield* store.drop("main.default.every")
      assert.include((yield* Fiber.join(lost)).message, "was dropped")
    })
  )

  it.live("makes a table that it began to make, though its caller gives up", () =>
    Effect.gen(function* () {
      const store = yield* makeDurableTableStore({ folder: yield* temporaryFolder, worker: false })
      const creating = yield* Effect.forkChild(store.create(everyType), { startImmediately: true })
      yield* Fiber.interrupt(creating)
      const { location } = Option.getOrThrow(yield* store.get("main.default.every"))
      yield* append(yield* store.openWriter("main.default.every", { _tag: "Json" }), [
        json({ id: 1 })
      ])
      yield* store.register(location)
      yield* store.flush()
      assert.lengthOf(yield* store.rows("main.default.every"), 1)
    })
  )

  it.live("registers no table whose drop has begun, and creates it only after the drop", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const dropping = Deferred.makeUnsafe<void>()
      const local = localFlusher()
      let others: Promise<unknown> = Promise.resolve()
      const flusher: Flusher = {
        ...local,
        forget: async (location) => {
          Deferred.doneUnsafe(dropping, Exit.void)
          // Enough time for everything that does not wait for the drop. Calls that wait for it end
          // afterwards.
          const reads = async () => {
            for (let n = 0; n < 200; n++) await Fs.readdir(folder)
          }
          await Promise.race([others, reads()])
          await local.forget(location)
        }
      }
      const store = yield* makeDurableTableStore({ folder, flusher })
      const { location, tableId } = yield* store.create(everyType)
      const drop = yield* Effect.forkChild(store.drop("main.default.every"), {
        startImmediately: true
      })
      const registered = yield* Effect.forkChild(
        Effect.andThen(Deferred.await(dropping), Effect.exit(store.register(location)))
      )
      const created = yield* Effect.forkChild(
        Effect.andThen(Deferred.await(dropping), Effect.exit(store.create(everyType)))
      )
      others = Effect.runPromise(Effect.andThen(Fiber.join(registered), Fiber.join(created)))
      assert.isTrue(yield* Fiber.join(drop))
      // Either of the two may be first after the drop.
      const record = yield* yield* Fiber.join(created)
      assert.notStrictEqual(record.tableId, tableId)
      const exit = yield* Fiber.join(registered)
      if (Exit.isSuccess(exit)) assert.strictEqual(exit.value.tableId, record.tableId)
      assert.deepStrictEqual(
        (yield* store.listAll).map((each) => each.tableId),
        [record.tableId]
      )
      assert.deepStrictEqual(yield* store.unserved, [])
      yield* append(yield* store.openWriter("main.default.every", { _tag: "Json" }), [
        json({ id: 1 })
      ])
      yield* store.flush()
      assert.lengthOf(yield* store.rows("main.default.every"), 1)
    })
  )
})
