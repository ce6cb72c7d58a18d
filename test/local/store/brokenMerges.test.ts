/**
 * Another writer replaces a version, as Spark's log store for local disks can do, so that later
 * merges of ours no longer fit the log. Each row is in the table once, for readers of the commits
 * and of the checkpoints.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { type Action, type Add, versionName } from "../../../src/local/delta/deltaActions.ts"
import { logFolder, openLog } from "../../../src/local/delta/deltaLog.ts"
import { filePath } from "../../../src/local/delta/filePaths.ts"
import { readRows } from "../../../src/local/delta/tableFiles.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { type Flusher, localFlusher } from "../../../src/local/flush/flusher.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table("main.default.t(id BIGINT NOT NULL)")
const format = { _tag: "Json" } as const
const onDisk = <A>(work: () => Promise<A>) => Effect.promise(work)
const limits = { lookAfterMillis: 0, compactFiles: 2 }

const actionsOf = async (location: string, version: number): Promise<ReadonlyArray<Action>> =>
  (await Fs.readFile(Path.join(logFolder(location), `${versionName(version)}.json`), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Action)

const removed = (actions: ReadonlyArray<Action>) =>
  actions.flatMap((action) => ("remove" in action ? [action.remove.path] : []))
const added = (actions: ReadonlyArray<Action>): ReadonlyArray<Add> =>
  actions.flatMap((action) => ("add" in action ? [action.add] : []))

/**
 * A table where a merge has merged the result of an earlier merge. Returns the versions of both.
 */
const stacked = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const warnings: Array<string> = []
  const inner = localFlusher()
  const flusher: Flusher = {
    ...inner,
    flush: async (job) => {
      const outcome = await inner.flush(job)
      if (outcome.warning !== undefined) warnings.push(outcome.warning)
      return outcome
    }
  }
  const store = yield* makeDurableTableStore({ ...byHand, folder, flusher, limits })
  const { location, ...record } = yield* store.create(definition)
  const writer = yield* store.openWriter(definition.name, format)
  const ids: Array<number> = []
  const write = Effect.gen(function* () {
    ids.push(ids.length)
    yield* append(writer, [json({ id: ids.length - 1 })])
    yield* store.flush()
  })
  const made = new Map<string, number>()
  let versions: readonly [first: number, second: number] | undefined
  for (let version = 1; versions === undefined; version++) {
    while ((yield* onDisk(() => openLog(location)))!.snapshot.version < version) yield* write
    const actions = yield* onDisk(() => actionsOf(location, version))
    const first = removed(actions).flatMap((path) => made.get(path) ?? [])[0]
    if (first !== undefined) versions = [first, version]
    else if (removed(actions).length > 0)
      for (const { path } of added(actions)) made.set(path, version)
  }
  return {
    folder,
    location,
    versions,
    ids,
    warnings,
    write,
    /** Replaces a version with a commit of another writer, as a rename does. */
    replace: (version: number, ...actions: ReadonlyArray<object>) =>
      onDisk(async () => {
        const path = Path.join(logFolder(location), `${versionName(version)}.json`)
        const theirs = [{ txn: { appId: `theirs-${version}`, version: 1 } }, ...actions]
        await Fs.writeFile(
          `${path}.theirs`,
          theirs.map((action) => `${JSON.stringify(action)}\n`).join("")
        )
        await Fs.rename(`${path}.theirs`, path)
      }),
    /** The ids that readers get. Without the checkpoints, the commits give the same ids. */
    read: onDisk(async () => {
      const told = async (at: string) =>
        (await readRows({ ...record, location: at }))
          .map((row) => Number(row["id"]))
          .sort((a, b) => a - b)
      const copy = `${location}-copy`
      await Fs.cp(location, copy, {
        recursive: true,
        filter: (path) => !path.includes("checkpoint")
      })
      const found = { checkpoints: await told(location), commits: await told(copy) }
      await Fs.rm(copy, { recursive: true })
      return found
    }),
    /** A start on the folder in its current state, as after a kill. */
    restart: Effect.gen(function* () {
      const copy = yield* temporaryFolder
      yield* onDisk(() => Fs.cp(folder, copy, { recursive: true }))
      yield* onDisk(() => Fs.rm(Path.join(copy, ".lock"), { force: true }))
      const other = yield* makeDurableTableStore({ ...byHand, folder: copy, worker: false, limits })
      return (yield* other.rows(definition.name))
        .map((row) => Number(row["id"]))
        .sort((a, b) => a - b)
    }).pipe(Effect.scoped)
  }
})

const once = (ids: ReadonlyArray<number>) => ({ checkpoints: ids, commits: ids })

describe("a merge of ours that a replaced version has broken is taken back", () => {
  it.live("where a merge before it was replaced", () =>
    Effect.gen(function* () {
      const { ids, read, replace, restart, versions, write } = yield* stacked
      assert.deepStrictEqual(yield* read, once(ids))
      yield* replace(versions[0])
      assert.isAbove(
        (yield* read).commits.length,
        ids.length,
        "rows are twice before the server looks"
      )
      assert.deepStrictEqual(yield* restart, ids)
      yield* write
      assert.deepStrictEqual(yield* read, once(ids))
      // Merging continues.
      for (let round = 0; round < 15; round++) yield* write
      assert.deepStrictEqual(yield* read, once(ids))
      assert.deepStrictEqual(yield* restart, ids)
    })
  )

  it.live("where both merges were replaced, and a checkpoint has them", () =>
    Effect.gen(function* () {
      const { ids, location, read, replace, restart, versions, write } = yield* stacked
      while (!(yield* onDisk(() => Fs.readdir(logFolder(location)))).includes("_last_checkpoint"))
        yield* write
      yield* replace(versions[0])
      yield* replace(versions[1])
      yield* write
      assert.deepStrictEqual(yield* read, once(ids))
      for (const version of versions) {
        const { transactions } = (yield* onDisk(() => openLog(location)))!.snapshot
        assert.isTrue(transactions.has(`theirs-${version}`))
      }
      assert.deepStrictEqual(yield* restart, ids)
    })
  )

  it.live("where the other writer deleted rows that were merged", () =>
    Effect.gen(function* () {
      const { ids, location, read, replace, versions, write } = yield* stacked
      const [first, second] = versions
      const [path] = removed(yield* onDisk(() => actionsOf(location, first)))
      const inputs = removed(yield* onDisk(() => actionsOf(location, second)))
      yield* replace(first, { remove: { path, deletionTimestamp: 1, dataChange: true } })
      yield* write
      const found = yield* read
      assert.deepStrictEqual(found.commits, found.checkpoints)
      assert.lengthOf(found.commits, ids.length - 1, inputs.join())
      assert.lengthOf(new Set(found.commits), ids.length - 1)
    })
  )

  it.live(
    "unless others have built on it: the warning says that rows may be twice, and nothing is " +
      "changed",
    () =>
      Effect.gen(function* () {
        const { ids, location, read, replace, versions, warnings, write } = yield* stacked
        const log = (yield* onDisk(() => openLog(location)))!
        const [merged] = added(yield* onDisk(() => actionsOf(location, versions[1])))
        const bytes = yield* onDisk(() => Fs.readFile(filePath(location, merged!.path)))
        yield* onDisk(() => Fs.writeFile(Path.join(location, "theirs.parquet"), bytes))
        const theirs = [
          { remove: { path: merged!.path, deletionTimestamp: 1, dataChange: false } },
          { add: { ...merged!, path: "theirs.parquet", tags: undefined } }
        ]
        yield* onDisk(() =>
          Fs.writeFile(
            Path.join(logFolder(location), `${versionName(log.snapshot.version + 1)}.json`),
            theirs.map((action) => `${JSON.stringify(action)}\n`).join("")
          )
        )
        yield* replace(versions[0])
        const before = (yield* read).commits.length
        yield* write
        assert.match(
          warnings.join("\n"),
          /rows may be there twice; others have changed the merged files since/
        )
        assert.lengthOf((yield* read).commits, before + 1)
        assert.deepStrictEqual([...new Set((yield* read).commits)], ids)
      })
  )

  it.live("unless its files from before are deleted", () =>
    Effect.gen(function* () {
      const { location, read, replace, versions, warnings, write } = yield* stacked
      const inputs = removed(yield* onDisk(() => actionsOf(location, versions[1])))
      yield* onDisk(async () => {
        for (const path of inputs) await Fs.rm(filePath(location, path))
      })
      yield* replace(versions[0])
      yield* write
      assert.match(
        warnings.join("\n"),
        /rows may be there twice; the files from before are deleted/
      )
      assert.isAbove((yield* read).commits.length, 0)
    })
  )
})
