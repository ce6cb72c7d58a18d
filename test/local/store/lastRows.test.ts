/**
 * The last rows of a table: in order, from the newest files, without deleted rows.
 */
import { assert, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as Path from "node:path"
import { readLastRows, readRows } from "../../../src/local/delta/tableFiles.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { makeMemoryTableStore } from "../../../src/local/store/memoryTableStore.ts"
import type { TableStoreShape } from "../../../src/local/store/tableStore.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const stores: ReadonlyArray<
  readonly [kind: string, store: Effect.Effect<TableStoreShape, unknown, Scope.Scope>]
> = [
  ["in memory", makeMemoryTableStore],
  [
    "on disk",
    Effect.flatMap(temporaryFolder, (folder) =>
      makeDurableTableStore({ ...byHand, folder, worker: false })
    )
  ]
]

for (const [kind, make] of stores) {
  it.live(`the last rows of a table ${kind}`, () =>
    Effect.gen(function* () {
      const store = yield* make
      const definition = table("a.b.t(n INT NOT NULL, day STRING) PARTITIONED BY (day)")
      yield* store.create(definition)
      assert.deepStrictEqual(yield* store.lastRows("a.b.t", 50), [])
      assert.deepStrictEqual(yield* store.lastRows("a.b.none", 50), [])
      const writer = yield* store.openWriter("a.b.t", { _tag: "Json" })
      for (const from of [0, 40, 80]) {
        yield* append(
          writer,
          Array.from({ length: 40 }, (_, n) => json({ n: from + n, day: `d${from}` }))
        )
        yield* store.flush()
        const last = yield* store.lastRows("A.B.T", 3)
        assert.deepStrictEqual(
          last,
          [37, 38, 39].map((n) => ({ n: from + n, day: `d${from}` }))
        )
      }
      for (const limit of [1, 40, 50, 119, 120, 500]) {
        const rows = yield* store.lastRows("a.b.t", limit)
        assert.deepStrictEqual(
          rows.map(({ n }) => n),
          Array.from({ length: 120 }, (_, n) => n).slice(-limit),
          `limit ${limit}`
        )
      }
    })
  )
}

it.live("the last rows without those that a deletion vector hides", () =>
  Effect.gen(function* () {
    const data = Path.join(import.meta.dirname, "../../fixtures/foreignTables/data/main/spark")
    const definition = table("main.spark.deleted(id INT)")
    const record = {
      definition,
      location: Path.join(data, "deleted"),
      createdAt: 0,
      tableId: "t"
    }
    const all = (yield* Effect.promise(() => readRows(record))).map(({ id }) => Number(id))
    const kept = new Set(all)
    // Row 199,999, the last one of its file, is deleted.
    for (const limit of [1, 5, 100_000]) {
      const ids = (yield* Effect.promise(() => readLastRows(record, limit))).map(({ id }) =>
        Number(id)
      )
      assert.lengthOf(ids, limit)
      assert.isTrue(ids.every((id) => kept.has(id)))
    }
    const whole = yield* Effect.promise(() => readLastRows(record, Infinity))
    assert.lengthOf(whole, all.length)
  })
)
