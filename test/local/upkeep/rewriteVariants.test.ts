/**
 * Files of an earlier version, whose VARIANT columns Spark cannot read, are rewritten while the
 * server runs.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { parseColumns } from "../../../src/internal/columns/columnType.ts"
import { logFolder } from "../../../src/local/delta/deltaLog.ts"
import { readLiveTable } from "../../../src/local/delta/liveFiles.ts"
import { rewriteVariants } from "../../../src/local/upkeep/rewriteVariants.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { otherWriter } from "../../support/otherWriter.ts"
import { append, byHand, json, temporaryFolder } from "../../support/storedTables.ts"

const name = "main.kept.variants"
const fixture = Path.join(import.meta.dirname, "../../fixtures/killedFolder/data")

/** A server on the folder of the earlier version. */
const setup = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  yield* Effect.promise(() => Fs.cp(fixture, folder, { recursive: true }))
  const open = makeDurableTableStore({
    ...byHand,
    folder,
    worker: false,
    limits: { compactFiles: 0 }
  })
  const location = Path.join(folder, "main/kept/variants")
  const annotated = Effect.promise(async () =>
    (await readLiveTable(location))!.live.filter(
      ({ annotatedVariants }) => annotatedVariants.length > 0
    )
  )
  return { ...otherWriter(location), annotated, folder, location, open }
})

const text = (rows: ReadonlyArray<Record<string, unknown>>) =>
  rows
    .map((row) =>
      JSON.stringify(row, (_, value) => (typeof value === "bigint" ? String(value) : value))
    )
    .sort()

describe("rewriteVariants", () => {
  it.live("changes no row, and a running server goes on and starts again", () =>
    Effect.gen(function* () {
      const { annotated, location, log, open } = yield* setup
      const expected = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open
          const writer = yield* store.openWriter(name, { _tag: "Json" })
          const before = text(yield* store.rows(name))
          const old = (yield* annotated).length
          assert.isAbove(old, 1)
          assert.deepStrictEqual(yield* Effect.promise(() => rewriteVariants(name, location, 1)), {
            files: old,
            left: 0
          })
          assert.deepStrictEqual(yield* annotated, [])
          assert.deepStrictEqual(text(yield* store.rows(name)), before)
          for (const { dataChange } of (yield* log).snapshot.tombstones.values())
            assert.isFalse(dataChange)
          assert.deepStrictEqual(yield* Effect.promise(() => rewriteVariants(name, location, 1)), {
            files: 0,
            left: 0
          })
          yield* append(writer, [json({ id: 999 })])
          yield* store.flush()
          return text(yield* store.rows(name))
        })
      )
      // The start of a server sweeps the leftovers of a crash.
      assert.deepStrictEqual(text(yield* (yield* open).rows(name)), expected)
    })
  )

  it.live("rewrites files from before a column was added", () =>
    Effect.gen(function* () {
      const { annotated, location, open } = yield* setup
      const store = yield* open
      const added = parseColumns("more INT")
      yield* store.addColumns(name, added._tag === "Success" ? added.success : [])
      const before = text(yield* store.rows(name))
      const old = (yield* annotated).length
      assert.deepStrictEqual(yield* Effect.promise(() => rewriteVariants(name, location, 1)), {
        files: old,
        left: 0
      })
      assert.deepStrictEqual(text(yield* store.rows(name)), before)
    })
  )

  it.live("leaves files with deleted rows, and tables that it cannot write", () =>
    Effect.gen(function* () {
      const { annotated, commit, location, log, open } = yield* setup
      yield* Effect.scoped(open)
      const [file] = (yield* log).snapshot.files.values()
      const old = (yield* annotated).length
      const deletionVector = {
        storageType: "i",
        pathOrInlineDv: "0rr91",
        sizeInBytes: 0,
        cardinality: 0
      }
      yield* commit(
        { remove: { path: file!.path, deletionTimestamp: 1, dataChange: true } },
        { add: { ...file, deletionVector } }
      )
      const names = yield* Effect.promise(() => Fs.readdir(logFolder(location)))
      const { protocol } = (yield* log).snapshot
      yield* commit({
        protocol: { ...protocol, writerFeatures: [...protocol!.writerFeatures!, "rowTracking"] }
      })
      const refused = yield* Effect.flip(
        Effect.tryPromise({
          try: () => rewriteVariants(name, location, 1),
          catch: (error) => error as Error
        })
      )
      assert.match(refused.message, /row tracking/)
      assert.lengthOf(
        yield* Effect.promise(() => Fs.readdir(logFolder(location))),
        names.length + 1
      )
      yield* commit({ protocol: protocol! })
      assert.deepStrictEqual(yield* Effect.promise(() => rewriteVariants(name, location, 1)), {
        files: old - 1,
        left: 1
      })
    })
  )
})
