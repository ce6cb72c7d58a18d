/**
 * The Delta log: commits that never overwrite each other, checkpoints, replay, and the refusal of
 * logs that cannot be replayed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { type Action, versionName } from "../../../src/local/delta/deltaActions.ts"
import { createLog, logFolder, openLog } from "../../../src/local/delta/deltaLog.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

const script = fileURLToPath(new URL("../../support/commitProcess.ts", import.meta.url))
const schemaString = '{"type":"struct","fields":[]}'
const metaData = {
  id: "t",
  format: { provider: "parquet", options: {} },
  schemaString,
  partitionColumns: [],
  configuration: {}
}
const first: ReadonlyArray<Action> = [
  { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
  { metaData }
]
const add = (path: string): Action => ({
  add: {
    path,
    partitionValues: { p: null },
    size: 10,
    modificationTime: 5,
    dataChange: true,
    stats: '{"numRecords":3}'
  }
})
const withTable = (body: (folder: string) => Promise<void>) =>
  Effect.flatMap(temporaryFolder, (folder) =>
    Effect.promise(() => body(Path.join(folder, "table")))
  )
const fileOf = (folder: string, version: number) =>
  Path.join(logFolder(folder), `${versionName(version)}.json`)

describe("the Delta log", () => {
  it.live(
    "gives every version to one of three racing processes, and keeps all they wrote",
    () =>
      withTable(async (folder) => {
        assert.isDefined(await createLog(folder, first))
        assert.isUndefined(await createLog(folder, first), "the first version exists already")
        const count = 40
        await Promise.all(
          ["a", "b", "c"].map((name) =>
            promisify(execFile)(process.execPath, [script, folder, name, String(count)])
          )
        )
        const names = (await Fs.readdir(logFolder(folder)))
          .filter((name) => /^\d{20}\.json$/.test(name))
          .sort()
        assert.deepStrictEqual(
          names,
          Array.from({ length: 3 * count + 1 }, (_, version) => `${versionName(version)}.json`)
        )
        const log = await openLog(folder)
        assert.deepStrictEqual(
          [...log!.snapshot.files.keys()].sort(),
          ["a", "b", "c"]
            .flatMap((name) => Array.from({ length: count }, (_, n) => `${name}-${n}`))
            .sort()
        )
        assert.deepStrictEqual(
          (await Fs.readdir(logFolder(folder))).filter((name) => name.startsWith(".tmp")),
          []
        )
      }),
    30_000
  )

  it.live("gives a commit its name once its data files are on disk, and none when they fail", () =>
    withTable(async (folder) => {
      const waiting = (await createLog(folder, first))!
      const other = (await openLog(folder))!
      let written = (): void => {}
      const committed = waiting.commit(
        () => [add("late")],
        new Promise<void>((resolve) => (written = resolve))
      )
      for (const name of ["a", "b", "c"]) await other.commit(() => [add(name)])
      assert.strictEqual(other.snapshot.version, 3, "the other writer had all versions to itself")
      written()
      assert.strictEqual(await committed, 4)
      const lost = new Error("The disk failed.")
      const failed = await waiting
        .commit(() => [add("lost")], Promise.reject(lost))
        .catch((error: unknown) => error)
      assert.strictEqual(failed, lost)
      const names = await Fs.readdir(logFolder(folder))
      assert.deepStrictEqual(
        names.sort(),
        [0, 1, 2, 3, 4].map((version) => `${versionName(version)}.json`)
      )
      assert.deepStrictEqual(
        [...(await openLog(folder))!.snapshot.files.keys()],
        ["a", "b", "c", "late"]
      )
    })
  )

  it.live("opens from a checkpoint as from the commits, and without the commits below it", () =>
    withTable(async (folder) => {
      const log = (await createLog(folder, first))!
      for (let n = 0; n < 12; n++) {
        await log.commit(() => [
          { txn: { appId: "app", version: n, lastUpdated: 7 } },
          add(`f${n}`)
        ])
        if (n % 3 === 2) {
          await log.commit(() => [
            {
              remove: {
                path: `f${n - 1}`,
                dataChange: false,
                deletionTimestamp: 100,
                partitionValues: {},
                size: 10
              }
            }
          ])
        }
      }
      const whole = await openLog(folder)
      await log.checkpoint(1000)
      await log.commit(() => [add("later")])
      for (let version = 0; version < log.snapshot.version; version++)
        await Fs.rm(fileOf(folder, version))
      const opened = (await openLog(folder))!
      assert.strictEqual(opened.snapshot.version, log.snapshot.version)
      assert.deepStrictEqual(
        [...opened.snapshot.files.keys()],
        [...whole!.snapshot.files.keys(), "later"]
      )
      assert.deepStrictEqual(opened.snapshot.files.get("f0"), {
        path: "f0",
        partitionValues: { p: null },
        size: 10,
        modificationTime: 5,
        dataChange: false,
        stats: '{"numRecords":3}'
      })
      assert.deepStrictEqual(opened.snapshot.metadata, metaData)
      assert.deepStrictEqual(opened.snapshot.transactions.get("app"), {
        appId: "app",
        version: 11,
        lastUpdated: 7
      })
      assert.deepStrictEqual([...opened.snapshot.tombstones.keys()].sort(), [
        "f1",
        "f10",
        "f4",
        "f7"
      ])
    })
  )

  it.live("forgets tombstones when their time is over, and only then", () =>
    withTable(async (folder) => {
      const log = (await createLog(folder, first))!
      await log.commit(() => [
        { remove: { path: "old", dataChange: false, deletionTimestamp: 1 } },
        { remove: { path: "new", dataChange: false, deletionTimestamp: 900_000_000 } }
      ])
      await log.checkpoint(1_000_000_000)
      await Fs.rm(fileOf(folder, 0))
      await Fs.rm(fileOf(folder, 1))
      assert.deepStrictEqual([...(await openLog(folder))!.snapshot.tombstones.keys()], ["new"])
    })
  )

  it.live("leaves no checksum of Spark for a checkpoint that takes the place of Spark's", () =>
    withTable(async (folder) => {
      const log = (await createLog(folder, first))!
      await log.tryCommit([add("a")])
      const sums = ["_last_checkpoint", `${versionName(1)}.checkpoint.parquet`].map(
        (name) => `.${name}.crc`
      )
      const kept = `.${versionName(0)}.json.crc`
      for (const name of [...sums, kept])
        await Fs.writeFile(Path.join(logFolder(folder), name), "crc")
      await log.checkpoint(1)
      const names = await Fs.readdir(logFolder(folder))
      assert.deepStrictEqual(
        names.filter((name) => name.endsWith(".crc")),
        [kept]
      )
    })
  )

  it.live("forgets numbers of other applications when the table wants it, and never its own", () =>
    withTable(async (folder) => {
      const configuration = { "delta.setTransactionRetentionDuration": "interval 1 day" }
      const log = (await createLog(folder, [
        ...first,
        { metaData: { ...metaData, configuration } }
      ]))!
      await log.commit(() =>
        ["effect-zerobus-t", "other"].map((appId) => ({
          txn: { appId, version: 1, lastUpdated: 1 }
        }))
      )
      await log.checkpoint(1_000_000_000)
      await Fs.rm(fileOf(folder, 0))
      await Fs.rm(fileOf(folder, 1))
      assert.deepStrictEqual(
        [...(await openLog(folder))!.snapshot.transactions.keys()],
        ["effect-zerobus-t"]
      )
    })
  )

  it.live(
    "falls back to the commits when a checkpoint is damaged, and refuses when they are gone",
    () =>
      withTable(async (folder) => {
        const log = (await createLog(folder, first))!
        await log.commit(() => [add("f")])
        await log.checkpoint(1)
        const checkpoint = Path.join(logFolder(folder), `${versionName(1)}.checkpoint.parquet`)
        await Fs.truncate(checkpoint, 40)
        assert.strictEqual((await openLog(folder))!.snapshot.files.size, 1)
        await Fs.rm(fileOf(folder, 0))
        const failure = await openLog(folder).catch((error: unknown) => error)
        assert.instanceOf(failure, Error)
        assert.include((failure as Error).message, "version 0 is missing")
      })
  )

  it.live("refuses a gap, text that is no JSON, and a log without schema", () =>
    withTable(async (folder) => {
      const log = (await createLog(folder, first))!
      await log.commit(() => [add("f")])
      await log.commit(() => [add("g")])
      const failing = async () => {
        const failure = await openLog(folder).catch((error: unknown) => error)
        assert.instanceOf(failure, Error)
        return (failure as Error).message
      }
      const second = await Fs.readFile(fileOf(folder, 1))
      await Fs.rm(fileOf(folder, 1))
      assert.include(await failing(), "version 1 is missing")
      await Fs.writeFile(fileOf(folder, 1), '{"add"')
      assert.include(await failing(), "version 1 is not valid JSON")
      await Fs.writeFile(fileOf(folder, 1), second)
      await Fs.writeFile(fileOf(folder, 0), '{"commitInfo":{}}\n')
      assert.include(await failing(), "no metaData or no protocol")
    })
  )

  it.live("refuses to append once another writer has changed the schema", () =>
    withTable(async (folder) => {
      const ours = (await createLog(folder, first))!
      const theirs = (await openLog(folder))!
      await theirs.commit(() => [
        { metaData: { ...metaData, schemaString: '{"type":"struct","fields":[1]}' } }
      ])
      const failure = await ours.commit(() => [add("f")]).catch((error: unknown) => error)
      assert.include((failure as Error).message, "Another writer changed the schema")
    })
  )
})
