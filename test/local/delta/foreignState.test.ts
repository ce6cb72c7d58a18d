/**
 * State of other writers in a Delta log: deletion vectors, row ids, domains, unknown actions, and
 * checkpoints in every form. A checkpoint of ours carries all of it, or is not written.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { type Action, fileKey, rowsOf, versionName } from "../../../src/local/delta/deltaActions.ts"
import { createLog, type DeltaLog, logFolder, openLog } from "../../../src/local/delta/deltaLog.ts"
import { readLiveTable } from "../../../src/local/delta/liveFiles.ts"
import { sizeOf } from "../../../src/local/delta/tableSize.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

const metaData = {
  id: "t",
  format: { provider: "parquet", options: {} },
  schemaString: '{"type":"struct","fields":[]}',
  partitionColumns: [],
  configuration: {}
}
const first: ReadonlyArray<Action> = [
  { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
  { metaData }
]
const file = (path: string) => ({
  path,
  partitionValues: {},
  size: 10,
  modificationTime: 5,
  dataChange: true,
  stats: '{"numRecords":10}'
})
const vector = (pathOrInlineDv: string) => ({
  storageType: "u",
  pathOrInlineDv,
  offset: 1,
  sizeInBytes: 40,
  cardinality: 5
})

const withLog = (body: (log: DeltaLog, folder: string) => Promise<void>) =>
  Effect.flatMap(temporaryFolder, (folder) =>
    Effect.promise(async () => {
      const location = Path.join(folder, "table")
      await body((await createLog(location, first))!, location)
    })
  )

const commit = async (log: DeltaLog, ...actions: ReadonlyArray<object>) =>
  assert.isTrue(await log.tryCommit(actions as ReadonlyArray<Action>))

/** Deletes the commits up to the newest checkpoint, as a clean-up does. */
const fromCheckpoint = async (location: string, version: number): Promise<DeltaLog> => {
  for (let each = 0; each < version; each++)
    await Fs.rm(Path.join(logFolder(location), `${versionName(each)}.json`))
  return (await openLog(location))!
}

describe("a file with deleted rows", () => {
  it.live("stays live when the commit removes its old entry after adding the new one", () =>
    withLog(async (log, location) => {
      await commit(log, { add: file("a") })
      const deleted = { ...file("a"), deletionVector: vector("x") }
      await commit(
        log,
        { add: deleted },
        { remove: { path: "a", deletionTimestamp: 5, dataChange: true } }
      )
      assert.deepStrictEqual([...log.snapshot.files.keys()], [fileKey(deleted)])
      assert.strictEqual(rowsOf(deleted), 5)
      await log.checkpoint(10)
      const again = await fromCheckpoint(location, log.snapshot.version)
      assert.deepStrictEqual([...again.snapshot.files.values()][0]!.deletionVector, vector("x"))
      assert.deepStrictEqual([...again.snapshot.tombstones.keys()], ["a"])
    })
  )
})

describe("a field that is null", () => {
  it.live("is absent: a file without deleted rows is removed, counted and listed as such", () =>
    withLog(async (log, location) => {
      const none = { deletionVector: null, tags: null, baseRowId: null }
      await commit(
        log,
        { add: { ...file("a"), ...none } },
        { add: { ...file("b"), ...none, stats: null } }
      )
      assert.deepStrictEqual([...log.snapshot.files.values()][0], file("a"))
      assert.strictEqual(sizeOf(log.snapshot).rows, 10)
      const live = (await readLiveTable(location))!.live
      assert.deepStrictEqual(
        live.map(({ deletedRows }) => deletedRows),
        [undefined, undefined]
      )
      await commit(log, { remove: { path: "a", deletionTimestamp: 5, dataChange: true } })
      await commit(log, { remove: { path: "b", deletionTimestamp: 5, dataChange: true, ...none } })
      assert.strictEqual(log.snapshot.files.size, 0)
      assert.deepStrictEqual([...log.snapshot.tombstones.keys()], ["a", "b"])
    })
  )

  it.live("is absent in a deletion vector", () =>
    withLog(async (log) => {
      const { offset: _, ...inline } = vector("x")
      await commit(log, { add: { ...file("a"), deletionVector: { ...inline, offset: null } } })
      await commit(log, {
        remove: { path: "a", deletionTimestamp: 5, dataChange: true, deletionVector: inline }
      })
      assert.strictEqual(log.snapshot.files.size, 0)
    })
  )

  it.live("is a value in the values of partitions", () =>
    withLog(async (log) => {
      await commit(log, { add: { ...file("a"), partitionValues: { day: null } } })
      assert.deepStrictEqual([...log.snapshot.files.values()][0]!.partitionValues, { day: null })
    })
  )

  it.live("is absent in the table's metadata", () =>
    withLog(async (log) => {
      await commit(log, {
        metaData: { ...metaData, name: null, description: null, createdTime: null }
      })
      assert.deepStrictEqual(log.snapshot.metadata, metaData)
    })
  )
})

describe("a checkpoint of ours", () => {
  it.live("carries row ids, clustering, tags and domains", () =>
    withLog(async (log, location) => {
      const add = {
        ...file("a"),
        tags: { k: "v" },
        baseRowId: 100,
        defaultRowCommitVersion: 2,
        clusteringProvider: "liquid"
      }
      const domain = {
        domain: "delta.clustering",
        configuration: '{"clusteringColumns":[]}',
        removed: false
      }
      await commit(log, { add }, { domainMetadata: domain })
      await log.checkpoint(10)
      const again = await fromCheckpoint(location, log.snapshot.version)
      assert.deepStrictEqual([...again.snapshot.files.values()], [{ ...add, dataChange: false }])
      assert.deepStrictEqual([...again.snapshot.domains.values()], [domain])
    })
  )

  for (const [what, action] of [
    ["an unknown action", { timeMachine: { on: true } }],
    ["an unknown field of a file", { add: { ...file("b"), shape: "round" } }],
    [
      "an unknown field of a deletion vector",
      { add: { ...file("b"), deletionVector: { ...vector("x"), hue: 1 } } }
    ]
  ] as const) {
    it.live(`is not written over ${what}`, () =>
      withLog(async (log, location) => {
        await commit(log, action)
        for (let n = 0; n < 25; n++) {
          await commit(log, { add: file(`a${n}`) })
          assert.isFalse(await log.checkpointIfDue(10))
        }
        const names = await Fs.readdir(logFolder(location))
        assert.deepStrictEqual(
          names.filter((name) => name.includes("checkpoint")),
          []
        )
      })
    )
  }

  it.live("is not written where the table wants v2 checkpoints", () =>
    withLog(async (log) => {
      await commit(log, {
        metaData: { ...metaData, configuration: { "delta.checkpointPolicy": "v2" } }
      })
      for (let n = 0; n < 25; n++) await commit(log, { add: file(`a${n}`) })
      assert.isFalse(await log.checkpointIfDue(10))
    })
  )
})

describe("a table whose commits are gone", () => {
  it.live("opens from a v2 checkpoint as JSON", () =>
    withLog(async (log, location) => {
      await commit(log, { add: file("a") }, { add: file("b") })
      const lines = [
        { checkpointMetadata: { version: 1 } },
        ...first,
        { add: { ...file("a"), dataChange: false } },
        { add: { ...file("b"), dataChange: false } }
      ]
      const name = `${versionName(1)}.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json`
      await Fs.writeFile(
        Path.join(logFolder(location), name),
        lines.map((line) => JSON.stringify(line)).join("\n")
      )
      await Fs.rm(Path.join(logFolder(location), `${versionName(0)}.json`))
      await Fs.rm(Path.join(logFolder(location), `${versionName(1)}.json`))
      const again = (await openLog(location))!
      assert.strictEqual(again.snapshot.version, 1)
      assert.deepStrictEqual([...again.snapshot.files.keys()], ["a", "b"])
      assert.isTrue(await again.look())
      await commit(again, { add: file("c") })
    })
  )

  it.live(
    "opens from the sidecars and from all parts of a checkpoint, never from some of them",
    () =>
      withLog(async (log, location) => {
        await commit(log, { add: file("a") }, { add: file("b") })
        await log.checkpoint(10)
        const folder = logFolder(location)
        const whole = Path.join(folder, `${versionName(1)}.checkpoint.parquet`)
        // The file as a sidecar of a v2 checkpoint.
        await Fs.mkdir(Path.join(folder, "_sidecars"))
        await Fs.copyFile(whole, Path.join(folder, "_sidecars", "part.parquet"))
        const sidecar = { path: "part.parquet", sizeInBytes: 1, modificationTime: 1 }
        const lines = [{ checkpointMetadata: { version: 1 } }, ...first, { sidecar }]
        const v2 = Path.join(
          folder,
          `${versionName(1)}.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json`
        )
        await Fs.writeFile(v2, lines.map((line) => JSON.stringify(line)).join("\n"))
        const parts = ["0000000001.0000000002", "0000000002.0000000002"].map((part) =>
          Path.join(folder, `${versionName(1)}.checkpoint.${part}.parquet`)
        )
        await Fs.rename(whole, parts[0]!)
        const fromV2 = await fromCheckpoint(location, 1)
        assert.deepStrictEqual([...fromV2.snapshot.files.keys()], ["a", "b"])
        await Fs.rm(v2)
        await Fs.rm(Path.join(folder, `${versionName(1)}.json`))
        assert.isUndefined(await openLog(location), "one part of two is no checkpoint")
        await Fs.copyFile(parts[0]!, parts[1]!)
        assert.deepStrictEqual([...(await openLog(location))!.snapshot.files.keys()], ["a", "b"])
      })
  )
})

describe("a look at the log", () => {
  it.live("reads what others committed, and notices a replaced or missing version", () =>
    withLog(async (log, location) => {
      const other = (await openLog(location))!
      assert.isTrue(await log.look())
      await commit(other, { add: file("a") })
      assert.isTrue(await log.look())
      assert.deepStrictEqual([...log.snapshot.files.keys()], ["a"])
      const path = Path.join(logFolder(location), `${versionName(1)}.json`)
      await Fs.writeFile(`${path}.new`, `${JSON.stringify({ add: file("bb") })}\n`)
      await Fs.rename(`${path}.new`, path)
      assert.isFalse(await log.look())
      const again = (await openLog(location))!
      assert.isTrue(await again.look())
      await Fs.rm(path)
      assert.isFalse(await again.look())
    })
  )
})
