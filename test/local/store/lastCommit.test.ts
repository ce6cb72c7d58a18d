/**
 * The time of a table's latest commit after a restart, and the message of a start about a damaged
 * log.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { openLog } from "../../../src/local/delta/deltaLog.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const name = "main.default.t"
const inFolder = (folder: string) => makeDurableTableStore({ ...byHand, folder, worker: false })

/** Creates the table with a number of commits of one row each, and stops the store. */
const written = (folder: string, commits: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const store = yield* inFolder(folder)
      yield* store.create(table(`${name}(id INT)`))
      const writer = yield* store.openWriter(name, { _tag: "Json" })
      for (let id = 0; id < commits; id++) {
        yield* append(writer, [json({ id })])
        yield* store.flush()
      }
      return Path.join(folder, ...name.split("."))
    })
  )

const committedAt = (folder: string) =>
  Effect.scoped(Effect.flatMap(inFolder(folder), (s) => s.committedAt(name)))

const logFile = (location: string, file: string): string => Path.join(location, "_delta_log", file)

/** Sets the time of a commit to a value that no clock returns. */
const retime = (location: string, version: number, timestamp: number): void => {
  const path = logFile(location, `${String(version).padStart(20, "0")}.json`)
  const [info, ...rest] = Fs.readFileSync(path, "utf8").split("\n")
  const parsed = JSON.parse(info!) as { readonly commitInfo: object }
  Fs.writeFileSync(
    path,
    [JSON.stringify({ commitInfo: { ...parsed.commitInfo, timestamp } }), ...rest].join("\n")
  )
}

describe("The time of the last commit", () => {
  it.live("is that of the latest version after a restart", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const location = yield* written(folder, 2)
      retime(location, 1, 1_700_000_000_000)
      retime(location, 2, 1_600_000_000_000)
      assert.strictEqual(yield* committedAt(folder), 1_600_000_000_000)
    })
  )

  it.live("is that of the newest file where only a checkpoint is left", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const location = yield* written(folder, 10)
      const log = yield* Effect.promise(() => openLog(location))
      const times = [...log!.snapshot.files.values()].map(
        ({ modificationTime }) => modificationTime
      )
      assert.strictEqual(log!.snapshot.version, 10)
      for (let version = 0; version <= 10; version++) {
        Fs.rmSync(logFile(location, `${String(version).padStart(20, "0")}.json`))
      }
      assert.strictEqual(yield* committedAt(folder), Math.max(...times))
    })
  )

  it.live("is none for a table that was only created, and for one in no folder", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* written(folder, 0)
      assert.isUndefined(yield* committedAt(folder))
      const store = yield* inFolder(yield* temporaryFolder)
      assert.isUndefined(yield* store.committedAt("main.default.none"))
    })
  )
})

it.live("the problem of a table with a damaged Delta log ends with one full stop", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const location = yield* written(folder, 2)
    Fs.rmSync(logFile(location, "00000000000000000001.json"))
    const store = yield* inFolder(folder)
    const [found] = yield* store.unserved
    assert.match(found!.problem, /The Delta log of .* is damaged: .*[^.]\.$/)
  })
)
