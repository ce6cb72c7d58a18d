/**
 * Another writer's clean-up of the log deletes commits before a checkpoint, and transaction
 * numbers. No acknowledged record is lost or in the table twice.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { logFolder, openLog } from "../../../src/local/delta/deltaLog.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { otherWriter } from "../../support/otherWriter.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table("main.default.t(id BIGINT NOT NULL)")
const format = { _tag: "Json" } as const

/** Opens the store of a folder, with looks at each flush or never. */
const open = (folder: string, lookAfterMillis: number) =>
  makeDurableTableStore({
    ...byHand,
    folder,
    worker: false,
    limits: { lookAfterMillis, compactFiles: 0 }
  })

type Store = Effect.Success<ReturnType<typeof open>>

const ids = (store: Store) =>
  Effect.map(store.rows(definition.name), (rows) =>
    rows.map((row) => Number(row["id"])).sort((a, b) => a - b)
  )

/** Sends a row and waits until it is in the table. */
const sent = Effect.fnUntraced(function* (store: Store, id: number) {
  const writer = yield* store.openWriter(definition.name, format)
  yield* append(writer, [json({ id })])
  yield* store.flush()
})

describe("another writer's clean-up", () => {
  it.live(
    "deletes the version that the server has read from a checkpoint, and the one after it",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const store = yield* open(folder, 0)
        const { location } = yield* store.create(definition)
        for (let id = 1; id <= 10; id++) yield* sent(store, id)
        // A look confirms the last row, so that the server has no reason to read the log again.
        yield* store.flush()
        yield* Effect.promise(async () => {
          const other = (await openLog(location))!
          assert.strictEqual(other.snapshot.version, 10, "the server has just written a checkpoint")
          for (let version = 1; version <= 12; version++) {
            await other.commit(() => [{ txn: { appId: "other", version } }])
          }
          await other.checkpoint(Date.now())
          for (const name of await Fs.readdir(logFolder(location))) {
            if (Number(/^\d{20}/.exec(name)?.[0] ?? 22) < 22)
              await Fs.rm(Path.join(logFolder(location), name))
          }
        })
        yield* sent(store, 11)
        yield* store.flush()
        assert.deepStrictEqual(yield* ids(store), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
      })
  )

  it.live("leaves the server's number out of a checkpoint, while the server is stopped", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const location = Path.join(folder, "main", "default", "t")
      /** A checkpoint of another writer after the numbers have expired. */
      const forgotten = Effect.promise(async () => {
        const log = (await openLog(location))!
        log.snapshot.transactions.clear()
        await log.checkpoint(Date.now())
      })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(folder, 1e9)
          yield* store.create(definition)
          const other = otherWriter(location)
          const configuration = { "delta.setTransactionRetentionDuration": "interval 1 hour" }
          yield* other.commit({ metaData: { ...(yield* other.metadata), configuration } })
          for (const id of [1, 2]) yield* sent(store, id)
        })
      )
      yield* forgotten
      // The log still has both rows, because no look has confirmed them yet.
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(folder, 0)
          assert.deepStrictEqual(yield* ids(store), [1, 2])
          yield* store.flush()
          const [id = ""] = yield* Effect.promise(() => Fs.readdir(Path.join(folder, ".wal")))
          assert.lengthOf(yield* Effect.promise(() => Fs.readdir(Path.join(folder, ".wal", id))), 0)
        })
      )
      yield* forgotten
      // Numbers continue, so that new rows are not mistaken for earlier ones.
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(folder, 1e9)
          for (const id of [3, 4]) yield* sent(store, id)
          assert.deepStrictEqual(yield* ids(store), [1, 2, 3, 4])
        })
      )
      yield* forgotten
      const store = yield* open(folder, 0)
      yield* sent(store, 5)
      assert.deepStrictEqual(yield* ids(store), [1, 2, 3, 4, 5])
    })
  )
})
