/**
 * Logs whose records cannot reach their table: the table was changed by another writer, is gone, or
 * its folder belongs to another table. Such logs are listed with what to do, read without changes,
 * and dropped only on request.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Result, Scope } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { toDescriptorProto } from "../../../src/internal/protobuf/descriptor.ts"
import { versionName } from "../../../src/local/delta/deltaActions.ts"
import { logFolder } from "../../../src/local/delta/deltaLog.ts"
import { discard, logsOf, salvage, TableMoved } from "../../../src/local/store/salvage.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { otherWriter } from "../../support/otherWriter.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table("main.default.t(id BIGINT, name STRING)")
const format = { _tag: "Json" } as const
const options = { ...byHand, worker: false, limits: { lookAfterMillis: 0 } }

/** A store that the test stops. */
const start = (folder: string) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const store = yield* makeDurableTableStore({ ...options, folder }).pipe(
      Effect.provideService(Scope.Scope, scope)
    )
    return { store, stop: Scope.close(scope, Exit.void) }
  })

const constraint = { "delta.constraints.positive": "id > 0" }
const constrained = { protocol: { minReaderVersion: 1, minWriterVersion: 3 } }
const plain = { protocol: { minReaderVersion: 1, minWriterVersion: 2 } }

/**
 * A store with one row in the table, two acknowledged records in the log, and a table that is
 * refused.
 */
const refusedTable = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const { stop, store } = yield* start(folder)
  const { location, tableId } = yield* store.create(definition)
  const other = otherWriter(location)
  const writer = yield* store.openWriter(definition.name, format)
  yield* append(writer, [json({ id: 1 })])
  yield* store.flush()
  yield* append(writer, [json({ id: 2, name: "b\nc" }), json({ id: 9007199254740991 })])
  const before = yield* other.metadata
  yield* other.commit(constrained, { metaData: { ...before, configuration: constraint } })
  yield* Effect.exit(store.flush())
  return { before, folder, location, stop, store, tableId, ...other }
})

const read = (folder: string, name = definition.name) =>
  Effect.promise(async () => {
    let text = ""
    const [log] = await logsOf(folder, name)
    const found = await salvage(folder, log!, async (lines) => void (text += lines))
    return { ...found, log: log!, lines: text.split("\n").slice(0, -1) }
  })

/** Every file below a folder with its content. */
const contents = (folder: string) =>
  Effect.promise(async () => {
    const entries = await Fs.readdir(folder, { recursive: true, withFileTypes: true })
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => Path.join(entry.parentPath, entry.name))
    return Object.fromEntries(
      await Promise.all(
        files.sort().map(async (file) => [file, (await Fs.readFile(file)).toString("base64")])
      )
    ) as Record<string, string>
  })

const expected = ['{"id":2,"name":"b\\nc"}', '{"id":9007199254740991}']

describe("the log of a refused table", () => {
  it.live("is read beside the running server and after it, and nothing changes", () =>
    Effect.gen(function* () {
      const { folder, stop } = yield* refusedTable
      const before = yield* contents(folder)
      assert.deepStrictEqual((yield* read(folder)).lines, expected)
      assert.deepStrictEqual(yield* contents(folder), before)
      yield* stop
      assert.deepStrictEqual((yield* read(folder)).lines, expected)
    })
  )

  it.live("is dropped by the running server when that is ordered, and only what was read", () =>
    Effect.gen(function* () {
      const { before, commit, folder, location, store, stop } = yield* refusedTable
      const { log, segments } = yield* read(folder)
      assert.isFalse(
        yield* Effect.promise(() => discard(folder, log, segments)),
        "the server has the folder"
      )
      const again = yield* read(folder)
      assert.deepStrictEqual([again.lines, again.ordered], [[], true], "not a second time")
      yield* Effect.exit(store.openWriter(definition.name, format))
      assert.deepStrictEqual(yield* Effect.promise(() => logsOf(folder, definition.name)), [])
      yield* commit(plain, { metaData: before })
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(writer, [json({ id: 3 })])
      yield* store.flush()
      const ids = (yield* store.rows(definition.name)).map((row) => Number(row["id"]))
      assert.deepStrictEqual(ids.sort(), [1, 3])
      yield* append(writer, [json({ id: 4 })])
      yield* stop
      const restarted = yield* start(folder)
      assert.lengthOf(yield* restarted.store.rows(definition.name), 3)
      yield* restarted.stop
      assert.isTrue(
        yield* Effect.promise(() => Fs.stat(location).then((found) => found.isDirectory()))
      )
    })
  )

  it.live("is kept where it got records after it was read", () =>
    Effect.gen(function* () {
      const { before, commit, folder, store, stop } = yield* refusedTable
      const { log, segments } = yield* read(folder)
      yield* commit(plain, { metaData: before })
      const writer = yield* store.openWriter(definition.name, format)
      // The order names a segment with its size, so it does not apply to one that has grown.
      const grown = segments.map((segment) => ({ ...segment, bytes: segment.bytes - 1 }))
      yield* append(writer, [json({ id: 3 })])
      yield* stop
      assert.isTrue(yield* Effect.promise(() => discard(folder, log, grown)))
      const again = yield* start(folder)
      const ids = (yield* again.store.rows(definition.name)).map((row) => Number(row["id"]))
      assert.sameMembers(ids, [1, 2, 3, 9007199254740991])
      yield* again.stop
    })
  )

  it.live("is dropped in a folder without a server, and the table goes on with what it has", () =>
    Effect.gen(function* () {
      const { before, commit, folder, stop } = yield* refusedTable
      yield* stop
      const { log, segments } = yield* read(folder)
      assert.isTrue(yield* Effect.promise(() => discard(folder, log, segments)))
      yield* commit(plain, { metaData: before })
      const { stop: end, store } = yield* start(folder)
      assert.deepStrictEqual(yield* store.rows(definition.name), [{ id: 1n, name: null }])
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(writer, [json({ id: 5 })])
      yield* store.flush()
      assert.lengthOf(yield* store.rows(definition.name), 2)
      yield* end
    })
  )

  it.live("of protobuf records is read with the names of their descriptor", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { stop, store } = yield* start(folder)
      const { location } = yield* store.create(definition)
      const descriptor = Result.getOrThrow(toDescriptorProto(definition))
      const writer = yield* store.openWriter(definition.name, { _tag: "Proto", descriptor })
      yield* append(writer, [Buffer.from([8, 7, 18, 1, 97])])
      const { commit, metadata } = otherWriter(location)
      const renamed = (yield* metadata).schemaString.replace('"name":"name"', '"name":"title"')
      yield* commit({ metaData: { ...(yield* metadata), schemaString: renamed } })
      yield* stop
      assert.deepStrictEqual((yield* read(folder)).lines, ['{"id":7,"name":"a"}'])
      // After a restart, the reason is as exact as before.
      const again = yield* start(folder)
      const [refused] = yield* again.store.unserved
      assert.match(
        refused!.problem,
        /do not fit its columns any more \(the table has no column name\)/
      )
      assert.match(refused!.problem, /zerobus table salvage main\.default\.t --to FILE/)
      yield* again.stop
    })
  )

  it.live(
    "gives the rows of a commit that another writer replaced, although later ones stand",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const scope = yield* Scope.make()
        // There are no looks, so all segments stay.
        const store = yield* makeDurableTableStore({
          ...options,
          folder,
          limits: { lookAfterMillis: 3_600_000 }
        }).pipe(Effect.provideService(Scope.Scope, scope))
        const { location } = yield* store.create(definition)
        const { commit, metadata } = otherWriter(location)
        const writer = yield* store.openWriter(definition.name, format)
        for (const id of [1, 2, 3]) {
          yield* append(writer, [json({ id })])
          yield* store.flush()
        }
        const theirs = Path.join(folder, "theirs.json")
        const second = Path.join(logFolder(location), `${versionName(2)}.json`)
        yield* Effect.promise(async () => {
          await Fs.writeFile(
            theirs,
            `${JSON.stringify({ txn: { appId: "theirs", version: 1 } })}\n`
          )
          await Fs.rename(theirs, second)
        })
        yield* commit(constrained, {
          metaData: { ...(yield* metadata), configuration: constraint }
        })
        const { lines, segments } = yield* read(folder)
        assert.deepStrictEqual(lines, ['{"id":2}'])
        // The server is running and has the records in the shared log.
        assert.lengthOf(segments, 0)
        yield* Scope.close(scope, Exit.void)
      })
  )

  it.live("of a served table is not salvaged while the server writes it", () =>
    Effect.gen(function* () {
      const { before, commit, folder, store } = yield* refusedTable
      yield* commit(plain, { metaData: before })
      const moved = yield* Effect.flip(
        Effect.tryPromise({
          try: async () => {
            const [log] = await logsOf(folder, definition.name)
            await salvage(folder, log!, async () => Effect.runPromise(store.flush()))
          },
          catch: (error) => error
        })
      )
      assert.instanceOf(moved, TableMoved)
    })
  )
})

describe("a restart after the columns changed says what does not fit", () => {
  it.live("for JSON records", () =>
    Effect.gen(function* () {
      const { before, commit, folder, stop } = yield* refusedTable
      yield* commit(plain, {
        metaData: {
          ...before,
          schemaString: before.schemaString.replace('"name":"name"', '"name":"title"')
        }
      })
      yield* stop
      const { stop: end, store } = yield* start(folder)
      const [refused] = yield* store.unserved
      assert.match(
        refused!.problem,
        /do not fit its columns any more \(name: the table has no such column/
      )
      const opened = yield* Effect.flip(store.openWriter(definition.name, format))
      assert.match(opened.message, /do not fit its columns any more/)
      yield* end
    })
  )
})

describe("a log without its table", () => {
  it.live("is listed with the way out, read and dropped, and disturbs no other table", () =>
    Effect.gen(function* () {
      const { folder, location, stop, tableId } = yield* refusedTable
      yield* stop
      yield* Effect.promise(() => Fs.rm(location, { recursive: true }))
      const { stop: end, store } = yield* start(folder)
      const listed = yield* store.unserved
      assert.deepStrictEqual(
        listed.map(({ name, tableId }) => [name, tableId]),
        [[definition.name, tableId]]
      )
      assert.match(
        listed[0]!.problem,
        /the table with its id is gone\. .*zerobus table salvage main\.default\.t --to FILE/
      )
      const other = table("main.default.other(id BIGINT)")
      yield* store.create(other)
      const { lines, log, segments } = yield* read(folder)
      assert.includeMembers([...lines], expected)
      yield* end
      assert.isTrue(yield* Effect.promise(() => discard(folder, log, segments)))
      const again = yield* start(folder)
      assert.deepStrictEqual(yield* again.store.unserved, [])
      assert.lengthOf(yield* again.store.listAll, 1)
      yield* again.stop
    })
  )

  it.live(
    "whose folder was renamed, is found under both names, and gives what its table lacks",
    () =>
      Effect.gen(function* () {
        const { folder, location, stop } = yield* refusedTable
        yield* stop
        // The table already has the first record of this log.
        yield* Effect.promise(() =>
          Fs.rename(location, Path.join(Path.dirname(location), "renamed"))
        )
        assert.deepStrictEqual((yield* read(folder)).lines, expected)
        assert.deepStrictEqual((yield* read(folder, "main.default.RENAMED")).lines, expected)
        assert.deepStrictEqual(
          yield* Effect.promise(() => logsOf(folder, "main.default.other")),
          []
        )
      })
  )

  it.live("whose folder another table has, is listed beside that table", () =>
    Effect.gen(function* () {
      const { folder, metadata, commit, stop, tableId } = yield* refusedTable
      yield* stop
      const now = yield* metadata
      yield* commit(plain, { metaData: { ...now, id: "another", configuration: {} } })
      const { stop: end, store } = yield* start(folder)
      assert.deepStrictEqual(
        (yield* store.listAll).map((record) => record.tableId),
        ["another"]
      )
      assert.deepStrictEqual(
        (yield* store.unserved).map((each) => each.tableId),
        [tableId]
      )
      assert.deepStrictEqual((yield* read(folder)).lines, expected)
      yield* end
    })
  )
})

it.live("damage in a log is told, and what is whole before it is read", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const { stop, store } = yield* start(folder)
    const { location, tableId } = yield* store.create(definition)
    const { commit, metadata } = otherWriter(location)
    const writer = yield* store.openWriter(definition.name, format)
    // Each is on disk before the next one, so the third proves that the second was durable.
    for (const name of ["first", "second", "third"]) yield* append(writer, [json({ id: 1, name })])
    yield* commit(constrained, { metaData: { ...(yield* metadata), configuration: constraint } })
    yield* stop
    const wal = Path.join(folder, ".wal", tableId)
    const [name] = yield* Effect.promise(() => Fs.readdir(wal))
    const path = Path.join(wal, name!)
    const bytes = yield* Effect.promise(() => Fs.readFile(path))
    bytes[bytes.indexOf("second")]! ^= 1
    yield* Effect.promise(() => Fs.writeFile(path, bytes))
    const { damage, lines } = yield* read(folder)
    assert.deepStrictEqual(lines, ['{"id":1,"name":"first"}'])
    assert.match(damage.join(), /is damaged at byte \d+ of \d+/)
    assert.include(damage.join(), path)
    // A torn end was never acknowledged, so it is not damage.
    yield* Effect.promise(() => Fs.writeFile(path, bytes.subarray(0, bytes.indexOf("first") + 20)))
    assert.lengthOf((yield* read(folder)).damage, 0)
  })
)
