/**
 * Flushes in a worker thread: the effect of a worker's end on requests of the next worker, and how
 * failures arrive.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { Worker } from "node:worker_threads"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { workerFlusher } from "../../../src/local/flush/workerFlusher.ts"
import { type StorageFailure, storageFailure } from "../../../src/local/log/storageErrors.ts"
import { collect } from "../../support/garbage.ts"
import { append, byHand, table, temporaryFolder } from "../../support/storedTables.ts"

describe("a flush worker that fails", () => {
  it.live("fails its own requests, and its exit fails none of its successor's", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
      const definition = table("main.default.t(id BIGINT)")
      const { name } = definition
      const { location } = yield* store.create(definition)
      const workers: Array<Worker> = []
      const flusher = workerFlusher("owner", (worker) => workers.push(worker))
      yield* Effect.addFinalizer(() => Effect.promise(() => flusher.close()))
      yield* Effect.promise(async () => {
        const found = await flusher.look(location, name)
        const [first] = workers
        const failing = flusher.look(location, name).then(
          () => assert.fail("the worker failed before it answered"),
          (error: Error) => error.message
        )
        first!.emit("error", new Error("planted"))
        assert.strictEqual(await failing, "The flush worker failed: planted")
        // The successor has a pending request when the first worker exits.
        const exited = new Promise((resolve) => first!.once("exit", resolve))
        void first!.terminate()
        const look = flusher.look(location, name)
        assert.lengthOf(workers, 2)
        await exited
        assert.deepStrictEqual(await look, found)
      })
      assert.lengthOf(workers, 2)
    })
  )
})

describe("a failure in the worker", () => {
  it.live("arrives with its own message and reason", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
      const definition = table("main.default.t(id BIGINT)")
      const { location } = yield* store.create(definition)
      const flusher = workerFlusher()
      yield* Effect.addFinalizer(() => Effect.promise(() => flusher.close()))
      yield* Effect.promise(async () => {
        const failing = (): Promise<StorageFailure> =>
          flusher.open(location, definition.name).then(
            () => assert.fail("the table was opened"),
            (error: unknown) => storageFailure(error, "opening the table", location)
          )
        const version = Path.join(location, "_delta_log", `${"0".repeat(20)}.json`)
        await Fs.appendFile(version, "{")
        assert.match((await failing()).message, /damaged: version 0 is not valid JSON/)
        await Fs.rm(version)
        await Fs.mkdir(version)
        const refused = await failing()
        assert.strictEqual(refused.reason, "TableRefused")
        assert.include(refused.message, version)
      })
    })
  )
})

describe("a worker that fails while tables are opened", () => {
  it.live("leaves them to its successor", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
      const { definition, location, tableId } = yield* store.create(
        table("main.default.t(id BIGINT)")
      )
      const workers: Array<Worker> = []
      const flusher = workerFlusher("owner", (worker) => workers.push(worker))
      yield* Effect.addFinalizer(() => Effect.promise(() => flusher.close()))
      yield* Effect.promise(async () => {
        const opening = flusher.open(location, definition.name)
        workers[0]!.emit("error", new Error("planted"))
        assert.strictEqual((await opening)?.metadata.id, tableId)
        const job = {
          name: definition.name,
          folder: location,
          appId: "a",
          ranges: [],
          streams: [],
          now: 0
        }
        const preparing = flusher.prepare(job)
        workers[1]!.emit("error", new Error("planted"))
        assert.strictEqual((await preparing).committed, 0)
        assert.lengthOf(workers, 3)
        await workers[0]!.terminate()
        await workers[1]!.terminate()
      })
    })
  )
})

describe("the columns of a flush", () => {
  it.live("leave no memory behind once it is answered, without a collection in the worker", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* makeDurableTableStore({ ...byHand, folder, worker: true })
      const definition = table("main.default.t(note STRING)")
      yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
      const records = [Buffer.from(JSON.stringify({ note: "x".repeat(60_000) }))]
      const flush = Effect.andThen(append(writer, records), store.flush())
      yield* flush
      const used = (): number => {
        collect()
        return process.memoryUsage().arrayBuffers
      }
      const before = used()
      let most = 0
      for (let n = 0; n < 20; n++) {
        yield* flush
        most = Math.max(most, used() - before)
      }
      // Each flush passes 60 KB to the worker. This thread allocated them, so they count here until
      // they are freed.
      assert.isAtMost(most, 200_000)
    })
  )
})
