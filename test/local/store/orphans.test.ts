/** The sweep at the start: it deletes the leftovers of a crash, and no file that the log names. */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Option } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { readLiveTable } from "../../../src/local/delta/liveFiles.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import type { StorageFailure } from "../../../src/local/log/storageErrors.ts"
import { otherWriter } from "../../support/otherWriter.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table("main.default.t(id INT, day STRING) PARTITIONED BY (day)")
const openStore = (folder: string) => makeDurableTableStore({ ...byHand, folder, worker: false })
type Store = Effect.Success<ReturnType<typeof openStore>>

const insert = (store: Store, id: number, day: string) =>
  Effect.gen(function* () {
    const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
    yield* append(writer, [json({ id, day })])
    yield* store.flush()
  })

/**
 * The folder and the location of a closed store's table with one row, in a partition with an
 * unusual name.
 */
const stored = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const location = yield* Effect.scoped(
    Effect.gen(function* () {
      const store = yield* openStore(folder)
      const made = yield* store.create(definition)
      yield* insert(store, 1, "100% ž/=")
      return made.location
    })
  )
  return { folder, location }
})

const add = (path: string) => ({
  add: { path, partitionValues: { day: "x" }, size: 1, modificationTime: 1, dataChange: true }
})

it.live(
  "a path that is not percent-encoded keeps no table from opening; reading it names the file",
  () =>
    Effect.gen(function* () {
      const { folder, location } = yield* stored
      yield* otherWriter(location).commit(add("100%.parquet"))
      const store = yield* openStore(folder)
      yield* insert(store, 2, "y")
      const failure = Option.getOrThrow(
        Exit.findErrorOption(yield* Effect.exit(store.rows(definition.name)))
      )
      assert.strictEqual(failure.reason, "CorruptTable")
      assert.include(
        failure.message,
        "names the file 100%.parquet, and this path is not percent-encoded"
      )
      const live = yield* Effect.flip(
        Effect.tryPromise({ try: () => readLiveTable(location), catch: (error) => error })
      )
      assert.strictEqual((live as StorageFailure).message, failure.message)
    })
)

it.live("files that the log names stay, also by a path in another form; orphans go", () =>
  Effect.gen(function* () {
    const { folder, location } = yield* stored
    const file = (name: string) => Path.join(location, name)
    const [absolute, raw, orphan] = [
      "zerobus-1.parquet",
      "zerobus-2.parquet",
      "zerobus-3.parquet"
    ] as const
    yield* Effect.promise(async () => {
      await Fs.mkdir(file("day=50%"))
      for (const path of [
        absolute,
        `day=50%/${raw}`,
        `day=50%/${orphan}`,
        ".tmp-1",
        "foreign.parquet"
      ]) {
        await Fs.writeFile(file(path), "x")
      }
    })
    yield* otherWriter(location).commit(add(`file://${file(absolute)}`), add(`day=50%/${raw}`))
    yield* openStore(folder)
    const names = yield* Effect.promise(() => Fs.readdir(location, { recursive: true }))
    const left = names.filter((name) => /^(?!_delta_log).*(?:\.parquet|tmp-1)$/.test(name))
    assert.lengthOf(left, 4)
    assert.includeMembers(left, [absolute, Path.join("day=50%", raw), "foreign.parquet"])
  })
)
