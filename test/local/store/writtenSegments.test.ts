/**
 * Other writers can undo our commit by replacing a version file or deleting a data file. A log
 * segment stays until a later look confirms the rows, even across a restart.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { FrameBuffer } from "../../../src/internal/log/frames.ts"
import { versionName } from "../../../src/local/delta/deltaActions.ts"
import { logFolder, openLog } from "../../../src/local/delta/deltaLog.ts"
import { filePath } from "../../../src/local/delta/filePaths.ts"
import { writeRecords } from "../../../src/local/log/logFrames.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { field, otherWriter, withFields } from "../../support/otherWriter.ts"
import {
  append,
  byHand,
  json,
  logFiles,
  table,
  temporaryFolder
} from "../../support/storedTables.ts"

const plain = table("main.default.t(id BIGINT NOT NULL)")
const partitioned = table("main.default.t(id BIGINT NOT NULL, side STRING) PARTITIONED BY (side)")
const format = { _tag: "Json" } as const
const onDisk = <A>(work: () => Promise<A>) => Effect.promise(work)
const options = { ...byHand, worker: false }

/** A table with its log segments, and the actions of other writers on its files. */
const setup = (definition = plain, lookAfterMillis = 0, compactFiles = 100) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const store = yield* makeDurableTableStore({
      ...options,
      folder,
      limits: { lookAfterMillis, compactFiles }
    })
    const { location } = yield* store.create(definition)
    const writer = yield* store.openWriter(definition.name, format)
    return {
      folder,
      store,
      location,
      ...otherWriter(location),
      write: (...records: ReadonlyArray<object>) =>
        Effect.andThen(append(writer, records.map(json)), store.flush(definition.name)),
      segments: onDisk(() => logFiles(folder)),
      /** Replaces a version with a commit of another writer, as a rename does. */
      replace: (number: number, table = location) =>
        onDisk(async () => {
          const version = (each: number) => Path.join(logFolder(table), `${versionName(each)}.json`)
          const theirs = `${version(number)}.theirs`
          await Fs.writeFile(
            theirs,
            `${JSON.stringify({ txn: { appId: `theirs-${number}`, version: 1 } })}\n`
          )
          await Fs.rename(theirs, version(number))
        }),
      dataFiles: onDisk(async () =>
        [...(await openLog(location))!.snapshot.files.values()].map((add) => ({
          ...add,
          file: filePath(location, add.path)
        }))
      )
    }
  })

/** The ids in the table, as a reader of its files gets them. */
const idsIn = (folder: string) =>
  Effect.gen(function* () {
    const copy = yield* temporaryFolder
    yield* onDisk(() =>
      Fs.cp(folder, copy, { recursive: true, filter: (path) => !path.includes(".wal") })
    )
    yield* onDisk(() => Fs.rm(Path.join(copy, ".lock"), { force: true }))
    const store = yield* makeDurableTableStore({ ...options, folder: copy })
    return (yield* store.rows(plain.name)).map((row) => Number(row["id"])).sort((a, b) => a - b)
  }).pipe(Effect.scoped)

/**
 * The ids after a restart on the folder in its current state, as after a kill, once the restart has
 * looked.
 */
const idsAfterKill = (folder: string) =>
  Effect.gen(function* () {
    const copy = yield* temporaryFolder
    yield* onDisk(() => Fs.cp(folder, copy, { recursive: true }))
    yield* onDisk(() => Fs.rm(Path.join(copy, ".lock"), { force: true }))
    yield* Effect.scoped(
      Effect.gen(function* () {
        const store = yield* makeDurableTableStore({
          ...options,
          folder: copy,
          limits: { lookAfterMillis: 0 }
        })
        yield* store.flush()
        assert.deepStrictEqual(yield* onDisk(() => logFiles(copy)), [])
      })
    )
    return yield* idsIn(copy)
  }).pipe(Effect.scoped)

/** The folder after a kill, with a log entry of a failed write after that of the first commit. */
const killedAfterFailure = (folder: string) =>
  Effect.gen(function* () {
    const killed = yield* temporaryFolder
    yield* onDisk(() => Fs.cp(folder, killed, { recursive: true }))
    yield* onDisk(() => Fs.rm(Path.join(killed, ".lock"), { force: true }))
    const [segment = ""] = yield* onDisk(() => logFiles(killed))
    const frames = new FrameBuffer()
    writeRecords(frames, 1, 2, [json({ id: 2 })])
    yield* onDisk(() => Fs.appendFile(segment, frames.bytes.subarray(0, frames.size)))
    return killed
  })

it.effect("a segment stays for a second after its commit, and until the next flush", () =>
  Effect.gen(function* () {
    const { segments, store, write } = yield* setup(plain, 1000)
    yield* write({ id: 1 })
    yield* TestClock.adjust(999)
    yield* store.flush()
    assert.lengthOf(yield* segments, 1)
    yield* TestClock.adjust(1)
    assert.lengthOf(yield* segments, 1)
    yield* store.flush()
    assert.lengthOf(yield* segments, 0)
  })
)

describe("rows that another writer has undone are committed again", () => {
  it.live("the last version was replaced", () =>
    Effect.gen(function* () {
      const { folder, log, replace, segments, store, write } = yield* setup(plain, 60_000)
      yield* write({ id: 1 }, { id: 2 })
      yield* replace(1)
      assert.deepStrictEqual(yield* idsIn(folder), [])
      assert.deepStrictEqual(yield* idsAfterKill(folder), [1, 2])
      assert.lengthOf(yield* segments, 1)
      // New rows arrive after the loss and before the look.
      yield* write({ id: 3 })
      assert.deepStrictEqual(yield* idsAfterKill(folder), [1, 2, 3])
      assert.isTrue((yield* log).snapshot.transactions.has("theirs-1"))
      assert.lengthOf(yield* segments, 1)
      yield* store.flush()
    })
  )

  it.live("the last version was replaced, and the server looks", () =>
    Effect.gen(function* () {
      const { folder, log, replace, segments, store, write } = yield* setup()
      yield* write({ id: 1 }, { id: 2 })
      yield* replace(1)
      yield* store.flush()
      assert.deepStrictEqual(yield* idsIn(folder), [1, 2])
      assert.isTrue((yield* log).snapshot.transactions.has("theirs-1"))
      yield* store.flush()
      assert.lengthOf(yield* segments, 0)
      assert.strictEqual((yield* log).snapshot.version, 2)
    })
  )

  it.live("an earlier version was replaced, after later rows of ours", () =>
    Effect.gen(function* () {
      const { folder, log, replace, segments, store, write } = yield* setup(plain, 60_000)
      yield* write({ id: 1 })
      yield* write({ id: 2 })
      yield* write({ id: 3 })
      yield* replace(2)
      assert.deepStrictEqual(yield* idsIn(folder), [1, 3])
      assert.deepStrictEqual(yield* idsAfterKill(folder), [1, 2, 3])
      assert.lengthOf(yield* segments, 1)
      assert.isTrue((yield* log).snapshot.transactions.has("theirs-2"))
      yield* store.flush()
    })
  )

  it.live("an earlier version was replaced, and the server looks", () =>
    Effect.gen(function* () {
      const made = yield* setup(plain, 100)
      yield* made.write({ id: 1 })
      yield* made.write({ id: 2 })
      yield* made.replace(1)
      while ((yield* made.segments).length > 0) yield* made.store.flush()
      assert.deepStrictEqual(yield* idsIn(made.folder), [1, 2])
      const { transactions } = (yield* made.log).snapshot
      const last = [...transactions.values()].find(({ appId }) =>
        appId.startsWith("effect-zerobus-")
      )!
      yield* made.write({ id: 3 })
      const now = (yield* made.log).snapshot.transactions.get(last.appId)!
      assert.isAbove(now.version, last.version)
      assert.deepStrictEqual(yield* idsIn(made.folder), [1, 2, 3])
    })
  )

  it.live("a version was replaced after our checkpoint of it", () =>
    Effect.gen(function* () {
      const made = yield* setup(plain, 60_000)
      const ids = Array.from({ length: 10 }, (_, index) => index + 1)
      for (const id of ids) yield* made.write({ id })
      const checkpoint = Path.join(
        logFolder(made.location),
        `${versionName(10)}.checkpoint.parquet`
      )
      assert.isTrue(yield* onDisk(() => Fs.stat(checkpoint).then((found) => found.isFile())))
      yield* made.replace(10)
      // Readers of the checkpoint get the rows of the replaced version, readers of the commits do
      // not.
      assert.strictEqual((yield* made.log).snapshot.rows, 10)
      assert.deepStrictEqual(yield* idsAfterKill(made.folder), ids)
    })
  )

  it.live("a version was replaced, and others were merged meanwhile", () =>
    Effect.gen(function* () {
      const made = yield* setup(plain, 60_000, 2)
      for (const id of [1, 2, 3, 4]) yield* made.write({ id })
      assert.deepStrictEqual(yield* idsIn(made.folder), [1, 2, 3, 4])
      yield* made.replace(4)
      assert.deepStrictEqual(yield* idsAfterKill(made.folder), [1, 2, 3, 4])
    })
  )

  it.live("a merge of files was replaced after later rows of ours", () =>
    Effect.gen(function* () {
      const { commit, folder, location, replace, write, log } = yield* setup(plain, 0, 3)
      const isMerge = async (version: number) =>
        (
          await Fs.readFile(Path.join(logFolder(location), `${versionName(version)}.json`), "utf8")
        ).includes("OPTIMIZE")
      const ids: Array<number> = []
      const next = () => write({ id: ids[ids.push(ids.length + 1) - 1] })
      yield* next()
      let merge = 0
      while (merge === 0) {
        yield* next()
        const { version } = (yield* log).snapshot
        if (yield* onDisk(() => isMerge(version))) merge = version
      }
      yield* next()
      yield* replace(merge)
      for (let round = 0; round < 1; round++) yield* next()
      assert.deepStrictEqual(yield* idsIn(folder), ids)
      // It continues to read the commits of others.
      yield* commit({ txn: { appId: "theirs", version: 2 } })
      yield* next()
      assert.deepStrictEqual(yield* idsIn(folder), ids)
    })
  )

  it.live("a merge of files was replaced after our checkpoint of it", () =>
    Effect.gen(function* () {
      const { dataFiles, folder, location, write } = yield* setup(plain, 0, 8)
      for (let id = 1; id < 9; id++) yield* write({ id })
      const [deleted] = yield* dataFiles
      yield* write({ id: 9 })
      const version = (number: number, end: string) =>
        Path.join(logFolder(location), `${versionName(number)}${end}`)
      const checkpoint = version(10, ".checkpoint.parquet")
      assert.include(yield* onDisk(() => Fs.readFile(version(10, ".json"), "utf8")), "OPTIMIZE")
      assert.isTrue(yield* onDisk(() => Fs.stat(checkpoint).then((found) => found.isFile())))
      // The other writer deletes a row, with a version that was free when it looked.
      const remove = { path: deleted!.path, deletionTimestamp: 1, dataChange: true }
      yield* onDisk(() => Fs.writeFile(version(10, ".theirs"), `${JSON.stringify({ remove })}\n`))
      yield* onDisk(() => Fs.rename(version(10, ".theirs"), version(10, ".json")))
      assert.deepStrictEqual(yield* idsAfterKill(folder), [2, 3, 4, 5, 6, 7, 8, 9])
      yield* write({ id: 10 })
      assert.deepStrictEqual(yield* idsIn(folder), [2, 3, 4, 5, 6, 7, 8, 9, 10])
    })
  )

  it.live("a merge of files was replaced after a kill and a start", () =>
    Effect.gen(function* () {
      const { dataFiles, folder, location, write } = yield* setup(plain, 0, 3)
      for (const id of [1, 2, 3]) yield* write({ id })
      const [deleted] = yield* dataFiles
      for (const id of [4, 5]) yield* write({ id })
      const killed = yield* temporaryFolder
      yield* onDisk(() => Fs.cp(folder, killed, { recursive: true }))
      yield* onDisk(() => Fs.rm(Path.join(killed, ".lock"), { force: true }))
      const store = yield* makeDurableTableStore({
        ...options,
        folder: killed,
        limits: { lookAfterMillis: 0 }
      })
      const writer = yield* store.openWriter(plain.name, format)
      yield* append(writer, [json({ id: 6 })])
      yield* store.flush()
      const merge = Path.join(
        killed,
        Path.relative(folder, logFolder(location)),
        `${versionName(5)}.json`
      )
      assert.include(yield* onDisk(() => Fs.readFile(merge, "utf8")), "OPTIMIZE")
      const remove = { path: deleted!.path, deletionTimestamp: 1, dataChange: true }
      yield* onDisk(() => Fs.writeFile(`${merge}.theirs`, `${JSON.stringify({ remove })}\n`))
      yield* onDisk(() => Fs.rename(`${merge}.theirs`, merge))
      yield* append(writer, [json({ id: 7 })])
      yield* store.flush()
      assert.strictEqual((yield* store.stats(plain.name)).rows, 6)
    })
  )

  it.live("a data file was deleted: the rows of that file alone", () =>
    Effect.gen(function* () {
      const { dataFiles, folder, log, segments, store, write } = yield* setup(partitioned, 60_000)
      yield* write({ id: 1, side: "a" }, { id: 2, side: "b" }, { id: 3, side: "a" })
      const files = yield* dataFiles
      const lost = files.find(({ partitionValues }) => partitionValues["side"] === "a")!
      yield* onDisk(() => Fs.rm(lost.file))
      assert.deepStrictEqual(yield* idsAfterKill(folder), [1, 2, 3])
      assert.lengthOf(yield* segments, 1)
      assert.strictEqual((yield* log).snapshot.version, 1)
      yield* store.flush()
    })
  )

  it.live("a data file was deleted, and the server looks", () =>
    Effect.gen(function* () {
      const { dataFiles, folder, log, segments, store, write } = yield* setup(partitioned)
      yield* write({ id: 1, side: "a" }, { id: 2, side: "b" })
      const [lost, kept] = yield* dataFiles
      yield* onDisk(() => Fs.rm(lost!.file))
      yield* store.flush()
      assert.deepStrictEqual(yield* idsIn(folder), [1, 2])
      const { files, tombstones } = (yield* log).snapshot
      assert.isTrue(files.has(kept!.path))
      // `dataChange` is false: readers of the change feed already have these rows, and append-only
      // tables allow it.
      assert.isFalse(tombstones.get(lost!.path)!.dataChange)
      yield* store.flush()
      assert.lengthOf(yield* segments, 0)
    })
  )
})

describe("rows that are in place are not committed again", () => {
  it.live("after a kill between the commit and the look", () =>
    Effect.gen(function* () {
      const { folder, write } = yield* setup(plain, 60_000)
      yield* write({ id: 1 })
      yield* write({ id: 2 })
      assert.deepStrictEqual(yield* idsAfterKill(folder), [1, 2])
    })
  )

  it.live("after a kill, where the columns have become others since", () =>
    Effect.gen(function* () {
      const { commit, folder, metadata, write } = yield* setup(partitioned, 60_000)
      yield* write({ id: 1, side: "a" })
      const both = [field("id", "long", false), field("side", "string")]
      yield* commit(withFields(yield* metadata, () => [...both, field("more", "long")]))
      assert.deepStrictEqual(yield* idsAfterKill(folder), [1])
    })
  )

  it.live("when another writer has deleted them", () =>
    Effect.gen(function* () {
      const { commit, dataFiles, folder, segments, store, write } = yield* setup()
      yield* write({ id: 1 })
      const [ours] = yield* dataFiles
      yield* commit({ remove: { path: ours!.path, deletionTimestamp: 1, dataChange: true } })
      yield* onDisk(() => Fs.rm(ours!.file))
      assert.deepStrictEqual(yield* idsAfterKill(folder), [])
      yield* store.flush()
      yield* store.flush()
      assert.deepStrictEqual(yield* idsIn(folder), [])
      assert.lengthOf(yield* segments, 0)
    })
  )

  it.live("after kills, where a failed write had left entries behind those of the commit", () =>
    Effect.gen(function* () {
      const { folder, write } = yield* setup(plain, 60_000)
      yield* write({ id: 1 })
      const killed = yield* killedAfterFailure(folder)
      // The segment's rows are in two commits now, and no look has run.
      yield* Effect.scoped(
        makeDurableTableStore({ ...options, folder: killed, limits: { lookAfterMillis: 60_000 } })
      )
      assert.deepStrictEqual(yield* idsIn(killed), [1, 2])
      assert.deepStrictEqual(yield* idsAfterKill(killed), [1, 2])
    })
  )

  it.live("when the later one of two commits of a segment was replaced", () =>
    Effect.gen(function* () {
      const { folder, location, replace, write } = yield* setup(plain, 60_000)
      yield* write({ id: 1 })
      const killed = yield* killedAfterFailure(folder)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({
            ...options,
            folder: killed,
            limits: { lookAfterMillis: 0 }
          })
          yield* replace(2, Path.join(killed, Path.relative(folder, location)))
          yield* store.flush()
        })
      )
      assert.deepStrictEqual(yield* idsIn(killed), [1, 2])
    })
  )

  it.live("when a tool has copied the files of the table", () =>
    Effect.gen(function* () {
      const { folder, location, log, segments, store, write } = yield* setup()
      yield* write({ id: 1 })
      const file = Path.join(logFolder(location), `${versionName(1)}.json`)
      yield* onDisk(async () => {
        await Fs.copyFile(file, `${file}.copy`)
        await Fs.rename(`${file}.copy`, file)
      })
      yield* store.flush()
      yield* store.flush()
      assert.lengthOf(yield* segments, 0)
      assert.strictEqual((yield* log).snapshot.version, 1)
      assert.deepStrictEqual(yield* idsIn(folder), [1])
    })
  )
})
