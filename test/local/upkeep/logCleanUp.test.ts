/**
 * Which of our checkpoints may be deleted early, in logs with missing commits or an unreadable
 * checkpoint.
 */
import { assert, describe, it } from "@effect/vitest"
import { vi } from "vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { versionName } from "../../../src/local/delta/deltaActions.ts"
import { createLog, type DeltaLog, logFolder, openLog } from "../../../src/local/delta/deltaLog.ts"
import { checkpointsIn, replay } from "../../../src/local/delta/replay.ts"
import { cleanUpLog } from "../../../src/local/upkeep/logCleanUp.ts"
import { removeExpired } from "../../../src/local/upkeep/retention.ts"
import { day } from "../../support/agedTable.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

const hour = day / 24
vi.setConfig({ testTimeout: 60_000 })
/**
 * The middle of a checkpoint period, so that files of the hours around it are in the same period.
 */
const noon = Math.floor(1_800_000_000_000 / day) * day + day / 2

/**
 * A log of 45 commits with checkpoints at 10, 20, 30 and 40, all files with the given age; `change`
 * runs before.
 */
const logOf = (
  ageOf: (version: number) => number,
  change: (folder: string) => Promise<void> = async () => {},
  properties: Readonly<Record<string, string>> = {}
) =>
  Effect.flatMap(temporaryFolder, (folder) =>
    Effect.promise(async () => {
      const table = Path.join(folder, "t")
      const format = { provider: "parquet", options: {} }
      const configuration = { "delta.checkpointInterval": "10", ...properties }
      const log = (await createLog(table, [
        { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
        { metaData: { id: "t", format, schemaString: "{}", partitionColumns: [], configuration } }
      ]))!
      for (let n = 1; n <= 45; n++) {
        const add = {
          path: `f${n}`,
          partitionValues: {},
          size: 1,
          modificationTime: 1,
          dataChange: true
        }
        await log.commit(() => [{ add }])
        await log.checkpointIfDue(noon)
      }
      await change(logFolder(table))
      for (const name of await Fs.readdir(logFolder(table))) {
        const version = /^\d{20}/.exec(name)?.[0]
        const time = (noon - ageOf(Number(version ?? 0))) / 1000
        if (version !== undefined) await Fs.utimes(Path.join(logFolder(table), name), time, time)
      }
      return (await openLog(table))!
    })
  )

const checkpointsOf = async ({ table }: DeltaLog): Promise<ReadonlyArray<number>> =>
  checkpointsIn(await Fs.readdir(logFolder(table))).map(({ version }) => version)
const commit = (version: number): string => `${versionName(version)}.json`
const checkpoint = (version: number): string => `${versionName(version)}.checkpoint.parquet`
const deleteCommits = (from: number, end: number) => async (folder: string) => {
  for (let version = from; version < end; version++) await Fs.rm(Path.join(folder, commit(version)))
}

/**
 * Cleans up, and checks that the versions from this one on have their files. Returns the remaining
 * checkpoints.
 */
const cleanedUp = async (
  log: DeltaLog,
  firstReadable: number,
  cleanUp: (log: DeltaLog, now: number) => Promise<number> = removeExpired
): Promise<ReadonlyArray<number>> => {
  await cleanUp(log, noon)
  const names = await Fs.readdir(logFolder(log.table))
  for (let version = firstReadable; version <= 45; version++) {
    const { snapshot } = await replay(
      log.table,
      names.filter((name) => Number(/^\d{20}/.exec(name)?.[0] ?? Infinity) <= version)
    )
    assert.strictEqual(snapshot.files.size, version, `version ${version}`)
  }
  return checkpointsOf(log)
}

describe("a checkpoint of ours", () => {
  it.live("goes after an hour, except the two newest", () =>
    Effect.gen(function* () {
      const log = yield* logOf((version) =>
        version <= 20 ? 2 * hour : version <= 30 ? hour / 2 : 0
      )
      assert.deepStrictEqual(yield* Effect.promise(() => cleanedUp(log, 0)), [40, 30])
      const old = yield* logOf(() => 2 * hour)
      assert.deepStrictEqual(yield* Effect.promise(() => cleanedUp(old, 0)), [40, 30])
      const young = yield* logOf(() => hour / 2)
      assert.deepStrictEqual(yield* Effect.promise(() => cleanedUp(young, 0)), [40, 30, 20, 10])
    })
  )

  it.live("stays as the last of its day", () =>
    Effect.gen(function* () {
      const log = yield* logOf((version) => (version <= 20 ? day : 2 * hour))
      assert.deepStrictEqual(yield* Effect.promise(() => cleanedUp(log, 0)), [40, 30, 20])
    })
  )

  it.live("stays while `_last_checkpoint` names it", () =>
    Effect.gen(function* () {
      const log = yield* logOf(
        () => 2 * hour,
        (folder) => Fs.writeFile(Path.join(folder, "_last_checkpoint"), '{"version":10,"size":1}')
      )
      assert.deepStrictEqual(yield* Effect.promise(() => cleanedUp(log, 0)), [40, 30, 10])
    })
  )

  it.live("stays where versions are read from it, because commits below it are gone", () =>
    Effect.gen(function* () {
      const first = yield* logOf(() => 2 * hour, deleteCommits(0, 10))
      assert.deepStrictEqual(yield* Effect.promise(() => cleanedUp(first, 10)), [40, 30, 10])
      const gap = yield* logOf(() => 2 * hour, deleteCommits(12, 15))
      assert.deepStrictEqual(yield* Effect.promise(() => cleanedUp(gap, 20)), [40, 30, 20])
    })
  )

  it.live("stays where the one before it cannot be read", () =>
    Effect.gen(function* () {
      const log = yield* logOf(
        () => 2 * hour,
        async (folder) => {
          await deleteCommits(0, 10)(folder)
          await Fs.truncate(Path.join(folder, checkpoint(10)), 100)
        }
      )
      assert.deepStrictEqual(yield* Effect.promise(() => cleanedUp(log, 20)), [40, 30, 20, 10])
    })
  )

  it.live("of another writer stays, also by our kind of name", () =>
    Effect.gen(function* () {
      const log = yield* logOf(
        () => 40 * day,
        async (folder) => {
          const path = Path.join(folder, checkpoint(20))
          const bytes = await Fs.readFile(path)
          bytes.write("someone-else-1", bytes.lastIndexOf("effect-zerobus"))
          await Fs.writeFile(path, bytes)
        }
      )
      assert.deepStrictEqual(yield* Effect.promise(() => cleanedUp(log, 40)), [40, 20])
    })
  )
})

describe("commits", () => {
  it.live("stay below a checkpoint when one of them is within the retention", () =>
    Effect.gen(function* () {
      const log = yield* logOf((version) => (version === 15 ? day : 40 * day))
      yield* Effect.promise(() => cleanedUp(log, 10))
      const names = yield* Effect.promise(() => Fs.readdir(logFolder(log.table)))
      assert.notInclude(names, commit(9))
      assert.includeMembers(names, [commit(10), commit(15), commit(45), checkpoint(10)])
    })
  )

  it.live(
    "stay for an hour whatever the table asks for, since writers take the version after the one " +
      "they read",
    () =>
      Effect.gen(function* () {
        const retention = { "delta.logRetentionDuration": "interval 0 seconds" }
        const log = yield* logOf(
          (version) => (version < 15 ? 2 * hour : hour / 2),
          undefined,
          retention
        )
        yield* Effect.promise(() => cleanedUp(log, 10))
        const names = yield* Effect.promise(() => Fs.readdir(logFolder(log.table)))
        assert.notInclude(names, commit(9))
        assert.includeMembers(names, [commit(10), commit(15), commit(45), checkpoint(10)])
      })
  )

  it.live("go in rounds, and each leaves what the versions between need", () =>
    Effect.gen(function* () {
      const log = yield* logOf(() => 40 * day)
      const round = (count: number) => cleanedUp(log, count, () => cleanUpLog(log, noon, 11))
      assert.deepStrictEqual(yield* Effect.promise(() => round(11)), [40, 30, 10])
      assert.deepStrictEqual(yield* Effect.promise(() => round(30)), [40, 30])
    })
  )
})
