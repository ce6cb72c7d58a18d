/**
 * What the retention removes from a table, and what it never removes, on a virtual clock and with
 * file times set to it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import Fs from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"
import * as Path from "node:path"
import type { Snapshot } from "../../../src/local/delta/deltaActions.ts"
import { logFolder, openLog } from "../../../src/local/delta/deltaLog.ts"
import { filePath } from "../../../src/local/delta/filePaths.ts"
import { checkpointsIn, replay, versionOf } from "../../../src/local/delta/replay.ts"
import { readParquet } from "../../../src/local/parquet/parquetRows.ts"
import { removeExpired } from "../../../src/local/upkeep/retention.ts"
import {
  agedDefinition,
  agedTable,
  type AgedTable,
  type AgedVersion,
  copyAged,
  day
} from "../../support/agedTable.ts"
import { otherWriter } from "../../support/otherWriter.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

const hour = day / 24

/** The state at one version, as a reader of that version finds it. */
const stateAt = async (location: string, version: number): Promise<Snapshot> => {
  const names = await Fs.readdir(logFolder(location))
  const { snapshot } = await replay(
    location,
    names.filter((name) => Number(/^\d{20}/.exec(name)?.[0] ?? Infinity) <= version)
  )
  assert.strictEqual(snapshot.version, version)
  return snapshot
}

/** The ids of the rows at one version, read from its files. */
const idsAt = async (location: string, version: number): Promise<ReadonlyArray<number>> => {
  const snapshot = await stateAt(location, version)
  const ids: Array<number> = []
  for (const { path } of snapshot.files.values()) {
    const rows = await readParquet(
      await Fs.readFile(filePath(location, path)),
      agedDefinition.columns
    )
    ids.push(...rows.map((row) => Number(row["id"])))
  }
  return ids.sort((a, b) => a - b)
}
const upTo = (rows: number): ReadonlyArray<number> => Array.from({ length: rows }, (_, id) => id)

/** The versions that were the latest one at some time within this many last milliseconds. */
const within = (
  { now, versions }: Pick<AgedTable, "now" | "versions">,
  age: number
): ReadonlyArray<AgedVersion> =>
  versions.filter((_, index) => (versions[index + 1]?.time ?? now) > now - age)

const commitsIn = async (location: string): Promise<ReadonlyArray<number>> =>
  (await Fs.readdir(logFolder(location)))
    .flatMap((name) => versionOf(name) ?? [])
    .sort((a, b) => a - b)

describe("forty days", () => {
  it.live(
    "by Delta's defaults: merged files go after a week, commits after thirty days, and versions " +
      "in between read",
    () =>
      Effect.gen(function* () {
        const aged = yield* agedTable({
          folder: yield* temporaryFolder,
          days: 40,
          commitsPerDay: 4
        })
        const { lastSeen, location, now, versions } = aged
        yield* Effect.promise(async () => {
          for (const { rows, version } of within(aged, 7 * day)) {
            assert.deepStrictEqual(await idsAt(location, version), upTo(rows), `version ${version}`)
          }
          const commits = await commitsIn(location)
          const first = versions[commits[0]!]!
          assert.isAtMost(first.time, now - 30 * day, "commits of thirty days stay")
          assert.isAtLeast(first.time, now - 32 * day, "older ones go")
          // A version whose data files are deleted still has its state.
          for (const version of [commits[0]!, commits[10]!]) {
            assert.strictEqual((await stateAt(location, version)).rows, versions[version]!.rows)
          }
          const files = (await Fs.readdir(location)).filter((name) => name.startsWith("zerobus-"))
          const { snapshot } = (await openLog(location))!
          const gone = [...lastSeen].filter(([name]) => !files.includes(name))
          assert.isAbove(
            gone.length,
            100,
            "of 160 files and their merges most are older than a week"
          )
          assert.isAtMost(
            files.length,
            snapshot.files.size + 8 * 6,
            "a week of files and their merges"
          )
        })
      }),
    60_000
  )

  it.live(
    "by the table's properties, with checkpoints of another writer, which stay",
    () =>
      Effect.gen(function* () {
        const foreign: Array<string> = []
        const aged = yield* agedTable({
          folder: yield* temporaryFolder,
          days: 40,
          commitsPerDay: 4,
          configuration: {
            "delta.deletedFileRetentionDuration": "interval 2 days",
            "delta.logRetentionDuration": "interval 1 week",
            "delta.checkpointInterval": "2"
          },
          atNight: async (night, location) => {
            if (night % 9 !== 4) return
            // The same content under the name of a multi-part checkpoint, which this server never
            // writes.
            const folder = logFolder(location)
            const [newest] = checkpointsIn(await Fs.readdir(folder))
            const name = newest!.files[0]!.replace(/parquet$/, "0000000001.0000000001.parquet")
            await Fs.copyFile(Path.join(folder, newest!.files[0]!), Path.join(folder, name))
            const { mtime } = await Fs.stat(Path.join(folder, newest!.files[0]!))
            await Fs.utimes(Path.join(folder, name), mtime, mtime)
            foreign.push(name)
          }
        })
        const { location, now, versions } = aged
        yield* Effect.promise(async () => {
          for (const { rows, version } of within(aged, 2 * day)) {
            assert.deepStrictEqual(await idsAt(location, version), upTo(rows), `version ${version}`)
          }
          const names = await Fs.readdir(logFolder(location))
          for (const { rows, version } of within(aged, 7 * day)) {
            assert.strictEqual((await stateAt(location, version)).rows, rows)
          }
          const commits = await commitsIn(location)
          const first = versions[commits[0]!]!.time
          assert.isAtMost(first, now - 7 * day)
          assert.isAtLeast(first, now - 9 * day)
          assert.lengthOf(foreign, 4)
          assert.includeMembers([...names], foreign)
          const ours = checkpointsIn(names).filter(({ files }) => !foreign.includes(files[0]!))
          assert.isAbove(versions.length / 2, 90, "so many were written")
          assert.isAtMost(ours.length, 30, "those of a week stay")
          assert.isAtLeast(ours.length, 14)
        })
      }),
    60_000
  )
})

describe("removal", () => {
  it.live(
    "that ends at any step keeps the table and every version of the retention",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const aged = yield* agedTable({
          folder: Path.join(folder, "data"),
          days: 6,
          commitsPerDay: 6,
          configuration: {
            "delta.deletedFileRetentionDuration": "interval 30 days",
            "delta.logRetentionDuration": "interval 30 days",
            "delta.checkpointInterval": "2"
          }
        })
        // A shorter retention from now on, so that one round removes many files.
        const other = otherWriter(aged.location)
        yield* other.commit({
          metaData: {
            ...(yield* other.metadata),
            configuration: {
              "delta.deletedFileRetentionDuration": "interval 2 days",
              "delta.logRetentionDuration": "interval 3 days"
            }
          }
        })
        const files = Fs as unknown as { rm: typeof Fs.rm }
        const { rm } = files
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            files.rm = rm
            syncBuiltinESMExports()
          })
        )
        /**
         * One round on a copy, which ends before the removal with this number. Returns the number
         * of removals.
         */
        const round = async (end: number): Promise<number> => {
          const copy = Path.join(folder, "copy")
          await copyAged(aged.location, copy)
          const log = (await openLog(copy))!
          let removals = 0
          files.rm = async (...args) => {
            if (removals === end) throw new Error("ended")
            removals++
            return rm(...args)
          }
          syncBuiltinESMExports()
          await removeExpired(log, aged.now).catch(() => {})
          files.rm = rm
          syncBuiltinESMExports()
          assert.strictEqual((await openLog(copy))!.snapshot.rows, aged.versions.at(-1)!.rows)
          const commits = await commitsIn(copy)
          assert.strictEqual(
            commits.at(-1)! - commits[0]!,
            commits.length - 1,
            "commits follow one another"
          )
          for (const { rows, version } of within(aged, 3 * day)) {
            assert.strictEqual((await stateAt(copy, version)).rows, rows)
          }
          const recent = within(aged, 2 * day)
          for (const { rows, version } of [recent[0]!, recent.at(-1)!]) {
            assert.deepStrictEqual(await idsAt(copy, version), upTo(rows))
          }
          await rm(copy, { recursive: true })
          return removals
        }
        yield* Effect.promise(async () => {
          const all = await round(Infinity)
          assert.isAbove(all, 25)
          for (let end = 0; end < all; end += 3) assert.strictEqual(await round(end), end)
        })
      }),
    120_000
  )

  it.live(
    "leaves what is live again, what others removed, files outside, and what the table wants to " +
      "keep",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { location, now } = yield* agedTable({
          folder: Path.join(folder, "data"),
          days: 2,
          commitsPerDay: 6
        })
        const other = otherWriter(location)
        const { snapshot } = yield* other.log
        const merged = [...snapshot.tombstones.values()]
        assert.isAtLeast(merged.length, 8)
        const [restored, aliased, ...rest] = merged
        const add = { partitionValues: {}, size: 1, modificationTime: 1, dataChange: true }
        const outside = Path.join(folder, "zerobus-outside.parquet")
        const theirs = Path.join(location, "zerobus-theirs.parquet")
        yield* Effect.promise(async () => {
          await Fs.writeFile(outside, "x")
          await Fs.writeFile(theirs, "x")
        })
        const remove = { deletionTimestamp: 1, dataChange: false }
        // Opened before the change: the latest version is read before anything is deleted.
        const log = yield* other.log
        yield* other.commit(
          { add: { ...add, path: restored!.path } },
          { add: { ...add, path: `file://${filePath(location, aliased!.path)}` } },
          {
            remove: {
              ...remove,
              path: "../../../../zerobus-outside.parquet",
              tags: { "effect-zerobus.merged": "true" }
            }
          },
          { remove: { ...remove, path: "zerobus-theirs.parquet" } }
        )
        const there = (path: string) =>
          Fs.lstat(path).then(
            () => true,
            () => false
          )
        yield* Effect.promise(async () => {
          const early = (await openLog(location))!
          await removeExpired(early, now + 4 * day)
          for (const { path } of rest)
            assert.isTrue(await there(filePath(location, path)), "a week is not over")
          await removeExpired(log, now + 10 * day)
          for (const { path } of rest) assert.isFalse(await there(filePath(location, path)))
          for (const path of [
            filePath(location, restored!.path),
            filePath(location, aliased!.path),
            outside,
            theirs
          ]) {
            assert.isTrue(await there(path), path)
          }
        })
      }),
    30_000
  )

  it.live(
    "leaves a merged file for so long as rows of it were in the table by a deletion vector",
    () =>
      Effect.gen(function* () {
        const { location, now } = yield* agedTable({
          folder: yield* temporaryFolder,
          days: 2,
          commitsPerDay: 6
        })
        const other = otherWriter(location)
        const { snapshot } = yield* other.log
        const live = [...snapshot.files.values()].find(({ tags }) => tags !== undefined)!
        // As Spark does it: a remove keeps the tags of its add. A checkpoint sets `dataChange` of
        // all entries to false.
        const { modificationTime: _, stats: __, ...add } = live
        const deletionVector = {
          storageType: "i",
          pathOrInlineDv: "x",
          sizeInBytes: 1,
          cardinality: 1
        }
        yield* other.commit(
          { remove: { ...add, deletionTimestamp: now, dataChange: false } },
          { add: { ...live, deletionVector, dataChange: true } }
        )
        yield* other.commit({
          remove: { ...add, deletionVector, deletionTimestamp: now + 9 * day, dataChange: false }
        })
        yield* Effect.promise(async () => {
          const path = filePath(location, live.path)
          await removeExpired((await openLog(location))!, now + 10 * day)
          assert.isTrue((await Fs.lstat(path)).isFile(), "a version of the day before has its rows")
          await removeExpired((await openLog(location))!, now + 17 * day)
          assert.isUndefined(await Fs.lstat(path).catch(() => undefined))
        })
      })
  )

  it.live("leaves what another writer brings back during a round", () =>
    Effect.gen(function* () {
      const { location, now } = yield* agedTable({
        folder: yield* temporaryFolder,
        days: 2,
        commitsPerDay: 6
      })
      const log = (yield* Effect.promise(() => openLog(location)))!
      const paths = [...log.snapshot.tombstones.values()].map(({ path }) => path)
      const restored = paths.at(-1)!
      const files = Fs as unknown as { rm: typeof Fs.rm }
      const { rm } = files
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          files.rm = rm
          syncBuiltinESMExports()
        })
      )
      const other = otherWriter(location)
      let removals = 0
      files.rm = async (...args) => {
        const add = {
          path: restored,
          partitionValues: {},
          size: 1,
          modificationTime: 1,
          dataChange: true
        }
        if (removals++ === 0) await Effect.runPromise(other.commit({ add }))
        return rm(...args)
      }
      syncBuiltinESMExports()
      yield* Effect.promise(async () => {
        await removeExpired(log, now + 10 * day)
        assert.isAtLeast(removals, 4)
        assert.isTrue((await Fs.lstat(filePath(location, restored))).isFile())
      })
    })
  )

  it.live(
    "keeps the log where the table turns clean-up off, and where nothing tells which checkpoint " +
      "counts",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const aged = yield* agedTable({
          folder,
          days: 3,
          commitsPerDay: 6,
          configuration: {
            "delta.logRetentionDuration": "interval 1 hour",
            "delta.checkpointInterval": "1",
            "delta.enableExpiredLogCleanup": "false"
          }
        })
        const names = () => Fs.readdir(logFolder(aged.location))
        const other = otherWriter(aged.location)
        const { configuration, ...metadata } = yield* other.metadata
        const count = aged.versions.length
        assert.lengthOf(yield* Effect.promise(() => commitsIn(aged.location)), count)
        assert.lengthOf(
          checkpointsIn(yield* Effect.promise(names)),
          18,
          "one for each flush, with its merge"
        )
        yield* other.commit({
          metaData: {
            ...metadata,
            configuration: {
              ...configuration,
              "delta.logRetentionDuration": "interval 1 week",
              "delta.enableExpiredLogCleanup": "true"
            }
          }
        })
        yield* Effect.promise(async () => {
          const pointer = Path.join(logFolder(aged.location), "_last_checkpoint")
          const content = await Fs.readFile(pointer)
          await Fs.writeFile(pointer, "{")
          assert.strictEqual(await removeExpired((await openLog(aged.location))!, aged.now), 0)
          await Fs.writeFile(pointer, content)
          assert.isAbove(
            await removeExpired((await openLog(aged.location))!, aged.now + 2 * hour),
            0
          )
          for (const { rows, version } of aged.versions) {
            assert.deepStrictEqual(
              await idsAt(aged.location, version),
              upTo(rows),
              "early removal costs no version"
            )
          }
        })
      })
  )

  it.live("keeps the commits below a checkpoint that cannot be read", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const aged = yield* agedTable({ folder, days: 2, commitsPerDay: 12 })
      const damaged = checkpointsIn(
        yield* Effect.promise(() => Fs.readdir(logFolder(aged.location)))
      )
      assert.isAtLeast(damaged.length, 2)
      yield* Effect.promise(async () => {
        for (const { files } of damaged) {
          const path = Path.join(logFolder(aged.location), files[0]!)
          const { mtime } = await Fs.stat(path)
          await Fs.truncate(path, 100)
          await Fs.utimes(path, mtime, mtime)
        }
        await removeExpired((await openLog(aged.location))!, aged.now + 60 * day)
        assert.lengthOf(await commitsIn(aged.location), aged.versions.length)
        assert.deepStrictEqual(await idsAt(aged.location, aged.versions.at(-1)!.version), upTo(72))
      })
    })
  )
})
