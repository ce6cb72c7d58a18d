/**
 * Data files that another writer deletes after their commit, when a commit and a log file do not
 * hold the same rows: a log continues in a new file after a failed write, and a restart processes
 * each file separately. Each row is in the table once.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync, spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { FrameBuffer } from "../../../src/internal/log/frames.ts"
import { nodeDisk } from "../../../src/internal/log/logDisk.ts"
import { SegmentWriter } from "../../../src/internal/log/segmentWriter.ts"
import { versionName } from "../../../src/local/delta/deltaActions.ts"
import { logFolder, openLog } from "../../../src/local/delta/deltaLog.ts"
import { filePath } from "../../../src/local/delta/filePaths.ts"
import { type TableLogHeader, writeFormat, writeRecords } from "../../../src/local/log/logFrames.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import {
  append,
  byHand,
  json,
  logFiles,
  table,
  temporaryFolder
} from "../../support/storedTables.ts"

const definition = table("main.default.t(id BIGINT NOT NULL, side STRING) PARTITIONED BY (side)")
const format = { _tag: "Json" } as const
const onDisk = <A>(work: () => Promise<A>) => Effect.promise(work)

/** Opens the store of a folder, with looks at each flush or never. */
const open = (folder: string, lookAfterMillis: number) =>
  makeDurableTableStore({
    ...byHand,
    folder,
    worker: false,
    limits: { lookAfterMillis, compactFiles: 0 }
  })

const location = (folder: string) => Path.join(folder, "main", "default", "t")

/** Deletes the live data files of a side. */
const lose = (folder: string, ...sides: ReadonlyArray<string>) =>
  onDisk(async () => {
    const { files } = (await openLog(location(folder)))!.snapshot
    for (const { partitionValues, path } of files.values()) {
      if (sides.includes(partitionValues["side"]!))
        await Fs.rm(filePath(location(folder), path), { force: true })
    }
  })

/**
 * A restart that commits the missing rows, looks at them, and has no log afterwards. Returns the
 * ids.
 */
const restarted = (folder: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const store = yield* open(folder, 0)
      yield* store.flush()
      yield* store.flush()
      assert.deepStrictEqual(yield* onDisk(() => logFiles(folder)), [])
      return (yield* store.rows(definition.name))
        .map((row) => Number(row["id"]))
        .sort((a, b) => a - b)
    })
  )

/** A start without looks, as before a kill. */
const startedAndKilled = (folder: string) => Effect.scoped(open(folder, 1e9))

type Row = { readonly id: number; readonly side: string }

/**
 * A folder after a kill: the rows of a commit, and a log with differently divided files. Each file
 * holds one group, with one entry per row.
 */
const killed = (committed: ReadonlyArray<Row>, files: ReadonlyArray<ReadonlyArray<Row>>) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const { tableId } = yield* Effect.scoped(
      Effect.gen(function* () {
        const store = yield* open(folder, 1e9)
        const record = yield* store.create(definition)
        const writer = yield* store.openWriter(definition.name, format)
        for (const row of committed) yield* append(writer, [json(row)])
        yield* store.flush()
        return record
      })
    )
    const wal = Path.join(folder, ".wal", tableId)
    yield* onDisk(async () => {
      for (const path of await logFiles(folder)) await Fs.rm(path)
      await Fs.mkdir(wal)
      const writer = new SegmentWriter<TableLogHeader>({
        disk: nodeDisk,
        folder: wal,
        first: 1,
        before: undefined,
        sync: true,
        header: () => ({ version: 1, table: definition.name, tableId }),
        begun: () => {}
      })
      let sequence = 1
      for (const rows of files) {
        const frames = new FrameBuffer()
        writeFormat(frames, 1, format)
        for (const row of rows) writeRecords(frames, 1, sequence++, [json(row)])
        await writer.write(frames)
        await writer.end()
      }
    })
    return folder
  })

const a = (id: number): Row => ({ id, side: "a" })
const b = (id: number): Row => ({ id, side: "b" })

describe("a data file that was deleted", () => {
  it.live("held the rows of two log files", () =>
    Effect.gen(function* () {
      for (const sides of [["a"], ["b"], ["a", "b"]]) {
        const folder = yield* killed(
          [a(1), b(2), a(3), b(4)],
          [
            [a(1), b(2)],
            [a(3), b(4)]
          ]
        )
        yield* lose(folder, ...sides)
        assert.deepStrictEqual(yield* restarted(folder), [1, 2, 3, 4], sides.join())
      }
    })
  )

  it.live("held rows of the second log file only", () =>
    Effect.gen(function* () {
      const folder = yield* killed([b(1), a(2), b(3)], [[b(1)], [a(2), b(3)]])
      yield* lose(folder, "a")
      assert.deepStrictEqual(yield* restarted(folder), [1, 2, 3])
    })
  )

  it.live("held the rows of two log files, and the server was killed after each step", () =>
    Effect.gen(function* () {
      const folder = yield* killed(
        [a(1), b(2), a(3), b(4)],
        [
          [a(1), b(2)],
          [a(3), b(4)]
        ]
      )
      yield* lose(folder, "a")
      yield* startedAndKilled(folder)
      yield* lose(folder, "b")
      yield* startedAndKilled(folder)
      // The files that replaced the lost ones are lost too.
      yield* lose(folder, "a", "b")
      yield* startedAndKilled(folder)
      assert.deepStrictEqual(yield* restarted(folder), [1, 2, 3, 4])
    })
  )

  it.live(
    "lay beside others of its commit, and the log has entries that were never committed",
    () =>
      Effect.gen(function* () {
        const folder = yield* killed([a(1), b(2)], [[a(1), b(2), a(3)]])
        yield* lose(folder, "a")
        assert.deepStrictEqual(yield* restarted(folder), [1, 2, 3])
      })
  )

  it.live("is of one of two commits whose rows are in one log file", () =>
    Effect.gen(function* () {
      for (const lost of ["first", "both"]) {
        const folder = yield* killed([a(1)], [[a(1), a(2)]])
        if (lost === "first") {
          yield* lose(folder, "a")
          yield* startedAndKilled(folder)
        } else {
          yield* startedAndKilled(folder)
          yield* lose(folder, "a")
        }
        yield* lose(folder, "a")
        assert.deepStrictEqual(yield* restarted(folder), [1, 2], lost)
      }
    })
  )

  it.live("is followed by another of the same commit, after the first was written again", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(folder, 0)
          yield* store.create(definition)
          const writer = yield* store.openWriter(definition.name, format)
          yield* append(writer, [json(a(1)), json(b(2))])
          yield* store.flush()
          yield* lose(folder, "a")
          yield* store.flush()
          yield* lose(folder, "b")
          yield* store.flush()
          yield* store.flush()
          const ids = (yield* store.rows(definition.name)).map((row) => Number(row["id"]))
          assert.sameMembers(ids, [1, 2])
        })
      )
      assert.deepStrictEqual(yield* restarted(folder), [1, 2])
    })
  )

  it.live("was written again, and the commit it was of was replaced", () =>
    Effect.gen(function* () {
      const folder = yield* killed([a(1), b(2)], [[a(1), b(2)]])
      yield* lose(folder, "a")
      yield* startedAndKilled(folder)
      const version = Path.join(logFolder(location(folder)), `${versionName(1)}.json`)
      yield* onDisk(async () => {
        await Fs.writeFile(
          `${version}.theirs`,
          `${JSON.stringify({ txn: { appId: "theirs", version: 1 } })}\n`
        )
        await Fs.rename(`${version}.theirs`, version)
      })
      assert.deepStrictEqual(yield* restarted(folder), [1, 2])
    })
  )
})

describe.runIf(process.platform === "linux")("a server that is killed", () => {
  it.live(
    "after a failed write of its log, a commit and a VACUUM of the commit's file loses nothing",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const script = fileURLToPath(new URL("../../support/fullDisk.ts", import.meta.url))
        const child = spawn(
          "prlimit",
          ["--fsize=200000:unlimited", process.execPath, script, folder, "kill"],
          {
            stdio: ["pipe", "pipe", "inherit"]
          }
        )
        let output = ""
        const signal = yield* onDisk(
          () =>
            new Promise<string | null>((resolve) => {
              child.stdout.on("data", (chunk: Buffer) => {
                output += chunk.toString()
                if (!output.includes("again") || output.includes("acked")) return
                execFileSync("prlimit", ["--pid", String(child.pid), "--fsize=unlimited"])
                child.stdin.write("go on\n")
              })
              child.on("exit", (_, signal) => resolve(signal))
            })
        )
        assert.strictEqual(signal, "SIGKILL")
        const acked = Number(/acked (\d+)/.exec(output)![1])
        assert.isAbove(acked, 50)
        const full = Path.join(folder, "main", "default", "full")
        yield* onDisk(async () => {
          const [data, ...others] = (await Fs.readdir(full)).filter((name) =>
            name.endsWith(".parquet")
          )
          assert.deepStrictEqual(others, [])
          await Fs.rm(Path.join(full, data!))
        })
        const store = yield* open(folder, 0)
        yield* store.flush()
        const ids = (yield* store.rows("main.default.full")).map((row) => Number(row["id"]))
        assert.sameMembers(
          ids,
          Array.from({ length: acked }, (_, id) => id)
        )
      })
  )
})
