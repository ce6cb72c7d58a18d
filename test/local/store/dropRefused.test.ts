/**
 * Tables that are listed and not served are dropped like others, unless acknowledged records would
 * be lost. Changes of one table run one at a time.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Result } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { parseColumns } from "../../../src/internal/columns/columnType.ts"
import { versionName } from "../../../src/local/delta/deltaActions.ts"
import { logFolder } from "../../../src/local/delta/deltaLog.ts"
import { deleteTable } from "../../../src/local/endpoints/catalogApi.ts"
import { logsIn } from "../../../src/local/log/logFolders.ts"
import { StorageFailure } from "../../../src/local/log/storageErrors.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { type Flusher, localFlusher } from "../../../src/local/flush/flusher.ts"
import { discard, salvage } from "../../../src/local/store/salvage.ts"
import { otherWriter } from "../../support/otherWriter.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table("main.default.t(id BIGINT NOT NULL)")
const other = table("main.default.other(id BIGINT NOT NULL)")
const format = { _tag: "Json" } as const
const onDisk = <A>(work: () => Promise<A>) => Effect.promise(work)
const open = (folder: string, flusher?: Flusher) =>
  makeDurableTableStore({ ...byHand, folder, worker: false, flusher })
const rowTracking = {
  protocol: {
    minReaderVersion: 1,
    minWriterVersion: 7,
    writerFeatures: ["rowTracking", "domainMetadata"]
  }
}

const refusal = (exit: Exit.Exit<unknown, unknown>): StorageFailure => {
  const failure = Option.getOrThrow(Exit.findErrorOption(exit))
  assert.instanceOf(failure, StorageFailure)
  assert.strictEqual((failure as StorageFailure).reason, "TableRefused")
  return failure as StorageFailure
}

const isThere = (path: string) =>
  onDisk(() =>
    Fs.lstat(path).then(
      () => true,
      () => false
    )
  )

/**
 * The folder of a stopped server, with a refused table that has records in its log, and another
 * table that is served.
 */
const refusedFolder = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const location = yield* Effect.scoped(
    Effect.gen(function* () {
      const store = yield* open(folder)
      const { location } = yield* store.create(definition)
      yield* store.create(other)
      yield* append(yield* store.openWriter(other.name, format), [json({ id: 7 })])
      yield* otherWriter(location).commit(rowTracking)
      return location
    })
  )
  return { folder, location }
})

/** The same, with three acknowledged records that the table lacks. */
const withRecords = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const location = yield* Effect.scoped(
    Effect.gen(function* () {
      const store = yield* open(folder)
      const { location } = yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, format)
      for (const id of [1, 2, 3]) yield* append(writer, [json({ id })])
      yield* otherWriter(location).commit(rowTracking)
      return location
    })
  )
  return { folder, location }
})

/** Salvages the records of the refused table and orders to discard them. */
const salvaged = (folder: string) =>
  onDisk(async () => {
    const log = (await logsIn(folder)).find(({ table }) => table === definition.name)!
    const { records, segments } = await salvage(folder, log, async () => {})
    await discard(folder, log, segments)
    return records
  })

describe("a table that is listed and not served", () => {
  it.live("is dropped with its folder, and nothing else", () =>
    Effect.gen(function* () {
      const { folder, location } = yield* refusedFolder
      const outside = Path.join(yield* temporaryFolder, "file")
      yield* onDisk(async () => {
        await Fs.writeFile(outside, "theirs")
        await Fs.symlink(outside, Path.join(location, "link"))
        await Fs.symlink(Path.dirname(outside), Path.join(location, "folder"))
      })
      const store = yield* open(folder)
      refusal(yield* Effect.exit(store.openWriter(definition.name, format)))
      assert.isTrue(yield* store.drop("MAIN.default.T"))
      assert.isFalse(yield* isThere(location))
      assert.isTrue(yield* isThere(outside))
      assert.isFalse(yield* store.drop(definition.name))
      assert.deepStrictEqual(yield* store.unserved, [])
      assert.lengthOf(yield* store.rows(other.name), 1)
      yield* store.create(definition)
      yield* append(yield* store.openWriter(definition.name, format), [json({ id: 2 })])
    })
  )

  it.live("stays while its log holds acknowledged records that it lacks", () =>
    Effect.gen(function* () {
      const { folder, location } = yield* withRecords
      const store = yield* open(folder)
      const message = /not in the table \(3\).*table salvage main\.default\.t --to FILE --discard/
      assert.match(refusal(yield* Effect.exit(store.drop(definition.name))).message, message)
      const answer = yield* deleteTable(store, definition.name)
      assert.strictEqual(answer.status, 400)
      assert.match((answer.body as { readonly message: string }).message, message)
      assert.isTrue(yield* isThere(location))
      assert.strictEqual(yield* salvaged(folder), 3)
      assert.isTrue(yield* store.drop(definition.name))
      assert.isFalse(yield* isThere(location))
      assert.deepStrictEqual(yield* onDisk(() => logsIn(folder)), [])
    })
  )

  it.live("stays so where it was refused while it was served", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* open(folder)
      const { location } = yield* store.create(definition)
      yield* append(yield* store.openWriter(definition.name, format), [json({ id: 1 })])
      yield* otherWriter(location).commit(rowTracking)
      refusal(yield* Effect.exit(store.flush()))
      assert.match(
        refusal(yield* Effect.exit(store.drop(definition.name))).message,
        /holds acknowledged records that are not in the table \(1\)/
      )
      assert.isTrue(yield* isThere(location))
      yield* salvaged(folder)
      assert.isTrue(yield* store.drop(definition.name))
      assert.isFalse(yield* isThere(location))
      assert.deepStrictEqual(yield* store.unserved, [])
    })
  )

  it.live("stays so where its folder was renamed, and its log has the name from before", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const location = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(folder)
          const { location } = yield* store.create(definition)
          yield* append(yield* store.openWriter(definition.name, format), [json({ id: 1 })])
          return location
        })
      )
      const renamed = `${location}2`
      yield* onDisk(() => Fs.rename(location, renamed))
      const store = yield* open(folder)
      const name = `${definition.name}2`
      yield* append(yield* store.openWriter(name, format), [json({ id: 2 })])
      yield* otherWriter(renamed).commit(rowTracking)
      refusal(yield* Effect.exit(store.flush()))
      assert.match(
        refusal(yield* Effect.exit(store.drop(name))).message,
        /holds acknowledged records that are not in the table \(1\)/
      )
      assert.isTrue(yield* isThere(renamed))
    })
  )

  it.live("stays where its Delta log is damaged, so that nobody knows what it lacks", () =>
    Effect.gen(function* () {
      const { folder, location } = yield* withRecords
      yield* onDisk(() =>
        Fs.writeFile(Path.join(logFolder(location), `${versionName(0)}.json`), "{")
      )
      const store = yield* open(folder)
      assert.match(
        refusal(yield* Effect.exit(store.drop(definition.name))).message,
        /holds acknowledged records that are not in the table \(3\)/
      )
      yield* salvaged(folder)
      assert.isTrue(yield* store.drop(definition.name))
      assert.isFalse(yield* isThere(location))
    })
  )

  it.live("stays where its own log is damaged, until that is given up", () =>
    Effect.gen(function* () {
      const { folder, location } = yield* withRecords
      const [log] = yield* onDisk(() => logsIn(folder))
      yield* onDisk(async () => {
        const [segment = ""] = await Fs.readdir(log!.folder)
        const path = Path.join(log!.folder, segment)
        const bytes = await Fs.readFile(path)
        bytes[bytes.indexOf('{"id":1}')]! ^= 1
        await Fs.writeFile(path, bytes)
      })
      const store = yield* open(folder)
      assert.match(
        refusal(yield* Effect.exit(store.drop(definition.name))).message,
        /is damaged.*or move .* away/
      )
      yield* onDisk(() => Fs.rm(log!.folder, { recursive: true }))
      assert.isTrue(yield* store.drop(definition.name))
      assert.isFalse(yield* isThere(location))
    })
  )

  it.live("with the id of another table goes without the other's log", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* open(folder)
      const { location } = yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(writer, [json({ id: 1 })])
      yield* store.flush()
      yield* append(writer, [json({ id: 2 })])
      const copy = Path.join(Path.dirname(location), "copy")
      yield* onDisk(() => Fs.cp(location, copy, { recursive: true }))
      refusal(yield* Effect.exit(store.register(copy)))
      assert.isTrue(yield* store.drop("main.default.copy"))
      assert.isFalse(yield* isThere(copy))
      yield* append(writer, [json({ id: 3 })])
      yield* store.flush()
      assert.lengthOf(yield* store.rows(definition.name), 3)
    })
  )

  it.live("is left where a folder above it has become a link", () =>
    Effect.gen(function* () {
      const { folder, location } = yield* refusedFolder
      const store = yield* open(folder)
      const elsewhere = yield* temporaryFolder
      const schema = Path.dirname(location)
      yield* onDisk(async () => {
        await Fs.rename(schema, Path.join(elsewhere, "default"))
        await Fs.symlink(Path.join(elsewhere, "default"), schema)
      })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(store.drop(definition.name))))
      assert.isTrue(yield* isThere(Path.join(elsewhere, "default", "t", "_delta_log")))
    })
  )

  it.live("is missing when only a log is left: the response tells how to export its records", () =>
    Effect.gen(function* () {
      const { folder, location } = yield* withRecords
      yield* onDisk(() => Fs.rm(location, { recursive: true }))
      const store = yield* open(folder)
      const answer = yield* deleteTable(store, definition.name)
      assert.strictEqual(answer.status, 400)
      assert.match(
        (answer.body as { readonly message: string }).message,
        /table salvage main\.default\.t --to FILE/
      )
      assert.lengthOf(yield* onDisk(() => logsIn(folder)), 1)
      yield* salvaged(folder)
      assert.lengthOf(yield* onDisk(() => logsIn(folder)), 1)
      const again = yield* deleteTable(store, definition.name)
      assert.strictEqual(again.status, 404)
    })
  )
})

/** A flusher whose calls of one kind wait at a gate. */
const gated = (kind: "flush" | "look") => {
  const inner = localFlusher()
  const state = { closed: false, reached: () => {}, open: () => {} }
  const gate = new Promise<void>((resolve) => (state.open = resolve))
  const pass = async () => {
    if (!state.closed) return
    state.reached()
    await gate
  }
  const flusher: Flusher = {
    ...inner,
    flush: async (job) => {
      if (kind === "flush") await pass()
      return inner.flush(job)
    },
    look: async (folder, name) => {
      if (kind === "look") await pass()
      return inner.look(folder, name)
    }
  }
  const close = () => {
    state.closed = true
    return new Promise<void>((resolve) => (state.reached = resolve))
  }
  return { flusher, close, open: () => state.open() }
}

/** Lets everything else run that is ready. */
const settle = onDisk(async () => {
  for (let turn = 0; turn < 50; turn++) await Fs.readdir("/")
})

describe("changes of a table take turns", () => {
  it.live("dropping it, and discarding what was salvaged of it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { close, flusher, open: openGate } = gated("look")
      const store = yield* open(folder, flusher)
      const { location } = yield* store.create(definition)
      yield* append(yield* store.openWriter(definition.name, format), [json({ id: 1 })])
      yield* otherWriter(location).commit(rowTracking)
      refusal(yield* Effect.exit(store.flush()))
      yield* salvaged(folder)
      // The engine is about to try again, and is stopped only afterwards.
      const reached = close()
      const flushing = yield* Effect.forkChild(Effect.exit(store.flush()), {
        startImmediately: true
      })
      yield* onDisk(() => reached)
      const opening = yield* Effect.forkChild(
        Effect.exit(store.openWriter(definition.name, format)),
        {
          startImmediately: true
        }
      )
      yield* settle
      const dropping = yield* Effect.forkChild(Effect.exit(store.drop(definition.name)), {
        startImmediately: true
      })
      yield* settle
      openGate()
      yield* Fiber.join(flushing)
      yield* Fiber.join(opening)
      assert.deepStrictEqual(yield* Fiber.join(dropping), Exit.succeed(true))
      assert.deepStrictEqual(yield* store.unserved, [])
      yield* store.create(definition)
      yield* append(yield* store.openWriter(definition.name, format), [json({ id: 2 })])
      yield* store.flush()
      assert.lengthOf(yield* store.rows(definition.name), 1)
    })
  )

  it.live("dropping it, and adding columns to it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { close, flusher, open: openGate } = gated("look")
      const store = yield* open(folder, flusher)
      const { location } = yield* store.create(definition)
      yield* otherWriter(location).commit({ txn: { appId: "theirs", version: 1 } })
      const reached = close()
      const columns = Result.getOrThrow(parseColumns("note STRING"))
      const adding = yield* Effect.forkChild(
        Effect.exit(store.addColumns(definition.name, columns)),
        {
          startImmediately: true
        }
      )
      yield* onDisk(() => reached)
      const dropping = yield* Effect.forkChild(Effect.exit(store.drop(definition.name)), {
        startImmediately: true
      })
      yield* settle
      openGate()
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(adding)))
      assert.deepStrictEqual(yield* Fiber.join(dropping), Exit.succeed(true))
      assert.isFalse(yield* isThere(location))
    })
  )
})
