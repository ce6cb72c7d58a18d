/** Compaction and clean-up: fewer files, the same rows, and older versions stay readable. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { applyCommit, emptySnapshot, versionName } from "../../../src/local/delta/deltaActions.ts"
import { createLog, logFolder, openLog } from "../../../src/local/delta/deltaLog.ts"
import { removeExpired } from "../../../src/local/upkeep/retention.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { readParquet } from "../../../src/local/parquet/parquetRows.ts"
import { record, withoutVariant } from "../../support/randomRecords.ts"
import { randomTable, seeded, storable } from "../../support/randomTables.ts"
import { append, byHand, json, temporaryFolder } from "../../support/storedTables.ts"

const thirtyDays = 30 * 24 * 3600 * 1000

it.live(
  "merges small files of random tables without changing a row, and leaves older versions readable",
  () =>
    Effect.gen(function* () {
      for (const seed of [31, 32, 33]) {
        const definition = withoutVariant(storable(randomTable(seed)))
        const store = yield* makeDurableTableStore({
          ...byHand,
          folder: yield* temporaryFolder,
          worker: false,
          limits: { compactFiles: 6, lookAfterMillis: 0 }
        })
        const { location } = yield* store.create(definition)
        const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
        const random = seeded(seed)
        const expected: Array<Record<string, unknown>> = []
        for (let n = 0; n < 14; n++) {
          const made = [record(random, definition.columns), record(random, definition.columns)]
          yield* append(
            writer,
            made.map((each) => json(each.json))
          )
          yield* store.flush()
          expected.push(...made.map((each) => each.row as Record<string, unknown>))
        }
        const stats = yield* store.stats(definition.name)
        assert.isBelow(stats.files, 6)
        assert.strictEqual(stats.rows, 28)
        const text = (rows: ReadonlyArray<Record<string, unknown>>) =>
          rows
            .map((row) =>
              JSON.stringify(row, (_, value: unknown) =>
                typeof value === "bigint" ? `${value}n` : value instanceof Map ? [...value] : value
              )
            )
            .sort()
        assert.deepStrictEqual(text(yield* store.rows(definition.name)), text(expected))
        // Version 5 is before the first merge: all its files still exist.
        const old = emptySnapshot()
        for (let version = 0; version <= 5; version++) {
          applyCommit(
            old,
            version,
            yield* Effect.promise(() =>
              Fs.readFile(Path.join(logFolder(location), `${versionName(version)}.json`), "utf8")
            )
          )
        }
        assert.strictEqual(old.files.size, 5)
        for (const path of old.files.keys()) {
          assert.strictEqual(
            (yield* Effect.promise(async () =>
              readParquet(await Fs.readFile(Path.join(location, path)), definition.columns)
            )).length,
            2
          )
        }
      }
    })
)

it.live(
  "deletes old commits only below a checkpoint as old, and never a version of the last thirty days",
  () =>
    Effect.flatMap(temporaryFolder, (folder) =>
      Effect.promise(async () => {
        const table = Path.join(folder, "t")
        const log = (await createLog(table, [
          { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
          {
            metaData: {
              id: "t",
              format: { provider: "parquet", options: {} },
              schemaString: "{}",
              partitionColumns: [],
              configuration: {}
            }
          }
        ]))!
        const now = Date.now()
        for (let n = 1; n <= 30; n++) {
          await log.commit(() => [
            {
              add: {
                path: `f${n}`,
                partitionValues: {},
                size: 1,
                modificationTime: 1,
                dataChange: true
              }
            }
          ])
          await log.checkpointIfDue(now)
        }
        const age = async (upTo: number) => {
          for (const name of await Fs.readdir(logFolder(table))) {
            const version = /^(\d{20})\./.exec(name)?.[1]
            const old = new Date(now - thirtyDays - 60_000)
            if (version !== undefined && Number(version) <= upTo)
              await Fs.utimes(Path.join(logFolder(table), name), old, old)
          }
        }
        assert.strictEqual(await removeExpired(log, now), 0)
        await age(25)
        assert.strictEqual(await removeExpired(log, now + 1), 0, "not twice in an hour")
        const again = (await openLog(table))!
        // The checkpoints are 10, 20 and 30, and 20 is the newest expired one: versions 0 to 19 are
        // deleted, with checkpoint 10.
        assert.strictEqual(await removeExpired(again, now), 21)
        const left = (await Fs.readdir(logFolder(table)))
          .filter((name) => /^\d{20}\.json$/.test(name))
          .map((name) => Number(name.slice(0, 20)))
        assert.deepStrictEqual(
          left,
          Array.from({ length: 11 }, (_, n) => n + 20)
        )
        assert.strictEqual((await openLog(table))!.snapshot.files.size, 30)
      })
    )
)
