/**
 * Failures around a store: locks, folders, damaged logs, failing flushes, a dying worker, a full
 * disk.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Scope } from "effect"
import { execFileSync, spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import type { Worker } from "node:worker_threads"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { type Flusher, localFlusher } from "../../../src/local/flush/flusher.ts"
import { StorageFailure, TableNotFound } from "../../../src/local/log/storageErrors.ts"
import { workerFlusher } from "../../../src/local/flush/workerFlusher.ts"
import {
  append,
  byHand,
  json,
  logFiles,
  table,
  temporaryFolder
} from "../../support/storedTables.ts"

const definition = table("main.default.t(id BIGINT NOT NULL)")
const other = table("main.default.other(id BIGINT NOT NULL)")
const format = { _tag: "Json" } as const
const idsOf = (rows: ReadonlyArray<Record<string, unknown>>) =>
  rows.map((row) => Number(row["id"])).sort((a, b) => a - b)
const expectFailure = (
  exit: Exit.Exit<unknown, unknown>,
  reason: StorageFailure["reason"]
): StorageFailure => {
  const failure = Option.getOrThrow(Exit.findErrorOption(exit))
  assert.instanceOf(failure, StorageFailure)
  assert.strictEqual((failure as StorageFailure).reason, reason)
  return failure as StorageFailure
}

describe("a data folder", () => {
  it.live("belongs to one store at a time", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const scope = yield* Scope.make()
      yield* makeDurableTableStore({ ...byHand, folder, worker: false }).pipe(Scope.provide(scope))
      const failure = expectFailure(
        yield* Effect.exit(makeDurableTableStore({ ...byHand, folder, worker: false })),
        "Locked"
      )
      assert.include(failure.message, String(process.pid))
      yield* Scope.close(scope, Exit.void)
      yield* makeDurableTableStore({ ...byHand, folder, worker: false })
    })
  )

  it.live("is made with those above it, and refused where none can be made", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const deep = Path.join(folder, "not", "there", "yet")
      yield* Effect.scoped(makeDurableTableStore({ ...byHand, folder: deep, worker: false }))
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(deep)), [".gitignore"])
      // On systems with /proc, a folder in it does not exist and cannot be created.
      const exit = yield* Effect.exit(
        makeDurableTableStore({ ...byHand, folder: "/proc/effect-zerobus/data", worker: false })
      )
      assert.instanceOf(Option.getOrThrow(Exit.findErrorOption(exit)), StorageFailure)
      // A file in place of the folder.
      const file = Path.join(folder, "file")
      yield* Effect.promise(() => Fs.writeFile(file, ""))
      for (const below of [file, Path.join(file, "data")]) {
        const refused = yield* Effect.exit(
          makeDurableTableStore({ ...byHand, folder: below, worker: false })
        )
        assert.instanceOf(Option.getOrThrow(Exit.findErrorOption(refused)), StorageFailure)
      }
    })
  )

  it.live("is taken over from a process that is gone", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const gone = spawn(process.execPath, ["-e", ""])
      yield* Effect.promise(() => new Promise((resolve) => gone.once("exit", resolve)))
      const lock = (owner: object) =>
        Fs.writeFile(Path.join(folder, ".lock"), JSON.stringify(owner))
      const host = (yield* Effect.promise(() => import("node:os"))).hostname()
      yield* Effect.promise(() => lock({ pid: gone.pid, started: "1", host, token: "old" }))
      yield* Effect.scoped(makeDurableTableStore({ ...byHand, folder, worker: false }))
      // The process id may belong to another process, as in a container where the server is always
      // process 1.
      yield* Effect.promise(() => lock({ pid: process.pid, started: "1", host, token: "older" }))
      yield* Effect.scoped(makeDurableTableStore({ ...byHand, folder, worker: false }))
      yield* Effect.promise(() => Fs.writeFile(Path.join(folder, ".lock"), ""))
      yield* Effect.scoped(makeDurableTableStore({ ...byHand, folder, worker: false }))
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(folder)), [])
    })
  )

  it.live("that cannot be written gives its own error", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = Path.join(folder, "file")
      yield* Effect.promise(() => Fs.writeFile(file, ""))
      const failure = expectFailure(
        yield* Effect.exit(makeDurableTableStore({ ...byHand, folder: Path.join(file, "data") })),
        "NotWritable"
      )
      assert.include(failure.message, "choose another data folder")
    })
  )
})

describe("a table", () => {
  it.live("with a damaged log is refused, the others work, and nothing of it is touched", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const never: Flusher = {
        open: () => new Promise(() => {}),
        prepare: () => new Promise(() => {}),
        look: () => new Promise(() => {}),
        flush: () => Promise.reject(new Error("not now")),
        forget: async () => {},
        close: async () => {}
      }
      const { tableId } = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({ ...byHand, folder, flusher: never })
          const record = yield* store.create(definition)
          yield* store.create(other)
          const writer = yield* store.openWriter(definition.name, format)
          for (let id = 0; id < 3; id++) yield* append(writer, [json({ id })])
          // A failure moves the records into the table's own log.
          yield* Effect.exit(store.flush())
          yield* append(yield* store.openWriter(other.name, format), [json({ id: 7 })])
          return record
        })
      )
      const [path = ""] = (yield* Effect.promise(() => logFiles(folder))).filter((each) =>
        each.includes(tableId)
      )
      const whole = yield* Effect.promise(() => Fs.readFile(path))
      const damaged = Buffer.from(whole)
      damaged[200]! ^= 1
      yield* Effect.promise(() => Fs.writeFile(path, damaged))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
          const failure = expectFailure(
            yield* Effect.exit(store.openWriter(definition.name, format)),
            "CorruptLog"
          )
          assert.include(failure.message, path)
          assert.deepStrictEqual(idsOf(yield* store.rows(other.name)), [7])
          yield* append(yield* store.openWriter(other.name, format), [json({ id: 8 })])
        })
      )
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readFile(path)), damaged)
      yield* Effect.promise(() => Fs.writeFile(path, whole))
      const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
      assert.deepStrictEqual(idsOf(yield* store.rows(definition.name)), [0, 1, 2])
      assert.deepStrictEqual(idsOf(yield* store.rows(other.name)), [7, 8])
    })
  )

  it.live(
    "takes each row once when the answer of a flush is lost, or the flush fails half-way",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const inner = localFlusher()
        let calls = 0
        const flusher: Flusher = {
          ...inner,
          flush: async (job) => {
            calls++
            if (calls % 3 === 1) throw Object.assign(new Error("no space"), { code: "ENOSPC" })
            const outcome = await inner.flush(job)
            if (calls % 3 === 2) throw new Error("the answer was lost")
            return outcome
          }
        }
        const store = yield* makeDurableTableStore({ ...byHand, folder, flusher })
        yield* store.create(definition)
        const writer = yield* store.openWriter(definition.name, format)
        const expected: Array<number> = []
        for (let id = 0; id < 5; id++) {
          yield* append(writer, [json({ id })])
          expected.push(id)
          expectFailure(yield* Effect.exit(store.flush()), "DiskFull")
          expectFailure(yield* Effect.exit(store.flush()), "Io")
          yield* store.flush()
          assert.deepStrictEqual(idsOf(yield* store.rows(definition.name)), expected)
        }
        assert.strictEqual(calls, 15)
      })
  )

  it.live("survives the death of the flush worker in the middle of a flush", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const workers: Array<Worker> = []
      const store = yield* makeDurableTableStore({
        ...byHand,
        folder,
        flusher: workerFlusher("owner", (worker) => workers.push(worker))
      })
      yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(writer, [json({ id: 1 })])
      yield* store.flush()
      yield* append(
        writer,
        Array.from({ length: 20_000 }, (_, id) => json({ id: id + 2 }))
      )
      const flushing = yield* Effect.forkChild(Effect.exit(store.flush()), {
        startImmediately: true
      })
      yield* Effect.promise(() => workers[0]!.terminate())
      const failure = expectFailure(yield* Fiber.join(flushing), "Io")
      assert.include(failure.message, "worker")
      yield* store.flush()
      assert.strictEqual(workers.length, 2)
      assert.deepStrictEqual(
        idsOf(yield* store.rows(definition.name)),
        Array.from({ length: 20_001 }, (_, id) => id + 1)
      )
    })
  )

  it.live("whose log file is deleted says so, and does not call lost records written", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const never: Flusher = {
        open: () => new Promise(() => {}),
        prepare: () => new Promise(() => {}),
        look: () => new Promise(() => {}),
        flush: () => Promise.reject(new Error("not now")),
        forget: async () => {},
        close: async () => {}
      }
      const store = yield* makeDurableTableStore({ ...byHand, folder, flusher: never })
      yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(writer, [json({ id: 1 })])
      for (const path of yield* Effect.promise(() => logFiles(folder)))
        yield* Effect.promise(() => Fs.rm(path))
      const failure = expectFailure(
        yield* Effect.exit(append(writer, [json({ id: 2 })])),
        "CorruptLog"
      )
      assert.include(failure.message, "was deleted while the server ran")
      yield* append(writer, [json({ id: 3 })])
      expectFailure(yield* Effect.exit(store.flush()), "Io")
      const lost = expectFailure(yield* Effect.exit(store.flush()), "CorruptLog")
      assert.include(lost.message, "lost acknowledged records of")
    })
  )

  it.live("asks writers to pause while too much waits for its flush", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const inner = localFlusher()
      let open = () => {}
      const gate = new Promise<void>((resolve) => (open = resolve))
      const flusher: Flusher = { ...inner, flush: (job) => gate.then(() => inner.flush(job)) }
      const store = yield* makeDurableTableStore({
        ...byHand,
        folder,
        flusher,
        limits: { maxBatchRows: 10, maxPendingRows: 30 }
      })
      yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, format)
      for (let id = 0; id < 31; id++) {
        assert.isFalse(writer.pressure(), `before ${id}`)
        yield* append(writer, [json({ id })])
      }
      assert.isTrue(writer.pressure())
      const room = yield* Effect.forkChild(
        Effect.callback<void>((resume) => writer.onRoom(() => resume(Effect.void))),
        { startImmediately: true }
      )
      open()
      yield* Fiber.join(room)
      assert.isFalse(writer.pressure())
      yield* store.flush()
      assert.strictEqual((yield* store.stats(definition.name)).files, 4)
    })
  )

  it.live("that is dropped fails its writers, and its name is free again", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
      yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(writer, [json({ id: 1 })])
      assert.isTrue(yield* store.drop("MAIN.default.T"))
      assert.isFalse(yield* store.drop(definition.name))
      expectFailure(yield* Effect.exit(append(writer, [json({ id: 2 })])), "TableDropped")
      assert.instanceOf(
        yield* Effect.flip(store.openWriter(definition.name, format)),
        TableNotFound
      )
      yield* store.create(definition)
      yield* append(yield* store.openWriter(definition.name, format), [json({ id: 3 })])
      yield* store.flush()
      assert.deepStrictEqual(idsOf(yield* store.rows(definition.name)), [3])
    })
  )
})

describe.runIf(process.platform === "linux")("a full disk", () => {
  it.live(
    "fails what cannot be logged, keeps what was acknowledged, and goes on when there is room",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const script = fileURLToPath(new URL("../../support/fullDisk.ts", import.meta.url))
        const child = spawn(
          "prlimit",
          ["--fsize=200000:unlimited", process.execPath, script, folder],
          {
            stdio: ["pipe", "pipe", "inherit"]
          }
        )
        const lines: Array<string> = []
        yield* Effect.promise(
          () =>
            new Promise<void>((resolve) => {
              child.stdout.on("data", (chunk: Buffer) => {
                lines.push(...chunk.toString().trim().split("\n"))
                if (lines.length === 2) {
                  execFileSync("prlimit", ["--pid", String(child.pid), "--fsize=unlimited"])
                  child.stdin.write("go on\n")
                }
              })
              child.on("exit", () => resolve())
            })
        )
        assert.deepStrictEqual(lines.slice(0, 2), ["failed DiskFull", "again Failure"])
        const counts = /^rows (\d+) (\d+) acked (\d+)$/.exec(lines[2] ?? "")
        assert.isNotNull(counts, lines.join())
        const [unique, rows, acked] = counts!.slice(1).map(Number)
        assert.isAbove(acked!, 50)
        assert.deepStrictEqual([unique, rows], [acked, acked])
      })
  )
})
