/**
 * Forms of logs and data files of other writers: omitted fields, names in another case, absolute
 * paths, and preview or shredded VARIANTs.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result } from "effect"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import {
  filesProblem,
  loadDuckdb,
  runQuery,
  withReadableFiles
} from "../../../src/cli/deltaQuery.ts"
import { filePath } from "../../../src/local/delta/filePaths.ts"
import { readLiveTable } from "../../../src/local/delta/liveFiles.ts"
import { StorageFailure } from "../../../src/local/log/storageErrors.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { otherWriter } from "../../support/otherWriter.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const fixtures = Path.join(import.meta.dirname, "../../fixtures/foreignTables/data")
const definition = table("main.default.t(id BIGINT, day STRING, name STRING) PARTITIONED BY (day)")

const filled = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const store = yield* makeDurableTableStore({
    ...byHand,
    folder,
    worker: false,
    limits: { compactFiles: 3, lookAfterMillis: 0 }
  })
  const { location } = yield* store.create(definition)
  const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
  yield* append(writer, [json({ id: 1, day: "mon", name: "a" })])
  yield* store.flush()
  return { folder, location, store, writer, ...otherWriter(location) }
})

const query = (location: string, { columns, name }: typeof definition, sql: string) =>
  Effect.promise(async () => {
    const live = (await readLiveTable(location))!
    return (await runQuery((await loadDuckdb())!, [{ name, columns, live }], sql)).rows
  })

describe("a log of another writer", () => {
  it.live(
    "whose metaData has neither configuration nor partition columns is followed, opened and " +
      "written",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const plain = table("main.default.t(id BIGINT)")
        const seen = yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
            const { location } = yield* store.create(plain)
            const { commit, metadata } = otherWriter(location)
            const { configuration: _, partitionColumns: __, ...bare } = yield* metadata
            yield* commit({ metaData: bare })
            const writer = yield* store.openWriter(plain.name, { _tag: "Json" })
            yield* append(writer, [json({ id: 1 })])
            yield* store.flush()
            return yield* store.rows(plain.name)
          })
        )
        assert.deepStrictEqual(seen, [{ id: 1n }])
        const again = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
        assert.deepStrictEqual(yield* again.rows(plain.name), [{ id: 1n }])
      })
  )

  it.live(
    "that spells out absent fields as null, and keeps the tags of a merged file, is opened",
    () =>
      Effect.gen(function* () {
        const other = yield* filled
        const merged = {
          path: "m",
          partitionValues: {},
          size: 1,
          tags: { "effect-zerobus.merged": "true" }
        }
        const vector = { storageType: "i", pathOrInlineDv: "x", sizeInBytes: 1, cardinality: 1 }
        const add = { ...merged, modificationTime: 1, dataChange: true, stats: null }
        const remove = { ...merged, deletionTimestamp: 1, dataChange: true, stats: null }
        yield* other.commit({ add: { ...add, deletionVector: null }, remove: null })
        yield* other.commit(
          { add: null, remove: { ...remove, deletionVector: null } },
          { add: { ...add, deletionVector: { ...vector, offset: null } }, remove: null }
        )
        yield* other.commit({
          add: null,
          remove: { ...remove, deletionVector: { ...vector, offset: null } }
        })
        const log = yield* other.log
        assert.isFalse(log.hasBrokenMerges)
        assert.strictEqual(log.snapshot.files.size, 1)
      })
  )

  it.live(
    "that names partition columns, their values and columns of files in another case is read " +
      "and written",
    () =>
      Effect.gen(function* () {
        const { commit, location, log, metadata, store, writer } = yield* filled
        const [ours] = (yield* log).snapshot.files.values()
        const upper = { ...ours!, partitionValues: { DAY: "mon" } }
        yield* commit(
          { metaData: { ...(yield* metadata), partitionColumns: ["DAY"] } },
          { remove: { path: ours!.path, deletionTimestamp: 1, dataChange: true } },
          { add: upper }
        )
        for (const id of [2, 3, 4, 5]) {
          yield* append(writer, [json({ id, day: "tue", name: "b" })])
          yield* store.flush()
        }
        const rows = (yield* store.rows(definition.name)).map(
          ({ day, id }) => `${Number(id)} ${String(day)}`
        )
        const all = ["1 mon", "2 tue", "3 tue", "4 tue", "5 tue"]
        assert.deepStrictEqual(rows.sort(), all)
        const sql = "SELECT id || ' ' || day FROM main.default.t ORDER BY id"
        assert.deepStrictEqual((yield* query(location, definition, sql)).flat(), all)
        assert.isBelow((yield* store.stats(definition.name)).files, 5, "files were merged")
      })
  )

  it.live("that names a column of the files in another case is read", () =>
    Effect.gen(function* () {
      const { commit, folder, location, metadata } = yield* filled
      const before = yield* metadata
      yield* commit({
        metaData: {
          ...before,
          schemaString: before.schemaString.replace('"name":"name"', '"name":"Name"')
        }
      })
      const again = table("main.default.t(id BIGINT, day STRING, Name STRING) PARTITIONED BY (day)")
      assert.deepStrictEqual(yield* query(location, again, "SELECT Name FROM main.default.t"), [
        ["a"]
      ])
      const copy = yield* temporaryFolder
      yield* Effect.promise(() => Fs.cp(folder, copy, { recursive: true }))
      yield* Effect.promise(() => Fs.rm(Path.join(copy, ".lock")))
      const store = yield* makeDurableTableStore({ ...byHand, folder: copy, worker: false })
      assert.deepStrictEqual(yield* store.rows(again.name), [{ id: 1n, day: "mon", Name: "a" }])
    })
  )

  it.live("with absolute paths of data files, as a plain path and as a URL, is read", () =>
    Effect.gen(function* () {
      const { commit, location, log, store } = yield* filled
      const [ours] = (yield* log).snapshot.files.values()
      const elsewhere = Path.join(yield* temporaryFolder, "with space ž%.parquet")
      yield* Effect.promise(() => Fs.copyFile(filePath(location, ours!.path), elsewhere))
      const encoded = elsewhere.split("/").map(encodeURIComponent).join("/")
      const url = pathToFileURL(elsewhere).href
      for (const path of [encoded, url, url.replace("file:///", "file:/")])
        yield* commit({ add: { ...ours!, path } })
      const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
      yield* append(writer, [json({ id: 1, day: "mon", name: "a" })])
      yield* store.flush()
      assert.lengthOf(yield* store.rows(definition.name), 5)
      assert.deepStrictEqual(
        yield* query(location, definition, "SELECT count(*), sum(id) FROM main.default.t"),
        [["5", "5"]]
      )
    })
  )

  it.live("with the path of a file in another store is refused with the path when it is read", () =>
    Effect.gen(function* () {
      const { commit, location, log, store } = yield* filled
      const [ours] = (yield* log).snapshot.files.values()
      yield* commit({ add: { ...ours!, path: "s3://bucket/part.parquet" } })
      const failure = yield* Effect.flip(store.rows(definition.name))
      assert.instanceOf(failure, StorageFailure)
      assert.include(
        failure.message,
        "names the file s3://bucket/part.parquet, which is not on this machine"
      )
      const live = yield* Effect.flip(
        Effect.tryPromise({ try: () => readLiveTable(location), catch: (error) => error })
      )
      assert.include((live as Error).message, "s3://bucket/part.parquet")
    })
  )
})

describe("VARIANTs of Spark", () => {
  const variants = (name: string) => table(`main.spark.${name}(id INT, v VARIANT)`)
  const opened = Effect.gen(function* () {
    const folder = yield* temporaryFolder
    yield* Effect.promise(() => Fs.cp(fixtures, folder, { recursive: true }))
    return yield* makeDurableTableStore({
      ...byHand,
      folder,
      worker: false,
      limits: { compactFiles: 2, lookAfterMillis: 0 }
    })
  })

  it.live("of the preview of the feature are read and written", () =>
    Effect.gen(function* () {
      const store = yield* opened
      const { name } = variants("preview")
      const writer = yield* store.openWriter(name, { _tag: "Json" })
      yield* append(writer, [json({ id: 9, v: '{"a":9}' })])
      yield* store.flush()
      const rows = (yield* store.rows(name)).map((row) => row["v"])
      assert.sameMembers(rows, ['{"a":0,"b":"x"}', '{"a":1,"b":"x"}', '{"a":2,"b":"x"}', '{"a":9}'])
    })
  )

  it.live(
    "in parts are written whole beside them and never merged; queries put them together",
    () =>
      Effect.gen(function* () {
        const store = yield* opened
        const { columns, name } = variants("shredded")
        const { location } = Option.getOrThrow(yield* store.get(name))
        const before = (yield* otherWriter(location).log).snapshot.files
        const writer = yield* store.openWriter(name, { _tag: "Json" })
        for (const id of [6, 7, 8, 9]) {
          yield* append(writer, [json({ id, v: `{"a":${id}}` })])
          yield* store.flush()
        }
        const files = [...(yield* otherWriter(location).log).snapshot.files.keys()]
        const [shredded] = before.keys()
        assert.include(files, shredded)
        assert.isBelow(files.length, 5, "ours were merged")
        const failure = yield* Effect.flip(store.rows(name))
        assert.include(failure.message, shredded!)
        assert.include(failure.message, "VARIANT column v in columns of their own (shredded)")
        assert.include(failure.message, "zerobus query")
        const live = (yield* Effect.promise(() => readLiveTable(location)))!
        assert.include(filesProblem({ name, columns, live }), shredded!)
        const bytes = yield* Effect.promise(() => Fs.readFile(Path.join(location, shredded!)))
        const copies = Effect.promise(async () =>
          (await Fs.readdir(Os.tmpdir())).filter((each) => each.startsWith("zerobus-query-"))
        )
        const copiesBefore = yield* copies
        const { rows } = yield* Effect.promise(async () => {
          const duckdb = (await loadDuckdb())!
          const sql = `SELECT id, v, v.a::INT + 1 FROM ${name} ORDER BY id`
          return withReadableFiles([{ name, columns, live }], (tables) =>
            runQuery(duckdb, tables, sql)
          )
        })
        assert.deepStrictEqual(rows, [
          ...[0, 1, 2].map((id) => [`${id}`, `{'a': ${id}, 'b': 'x'}`, `${id + 1}`]),
          ...[6, 7, 8, 9].map((id) => [`${id}`, `{'a': ${id}}`, `${id + 1}`])
        ])
        // The table's own file is unchanged, and no copy remains.
        assert.deepStrictEqual(
          yield* Effect.promise(() => Fs.readFile(Path.join(location, shredded!))),
          bytes
        )
        assert.deepStrictEqual(yield* copies, copiesBefore)
      })
  )
})

it.live("timestamps of Spark are the same in every unit that it writes", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    yield* Effect.promise(() => Fs.cp(fixtures, folder, { recursive: true }))
    const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
    const times = table("main.spark.times(id INT, at TIMESTAMP, l ARRAY<TIMESTAMP>)")
    const [old, last] = [BigInt(Date.UTC(1677, 0, 1)) * 1000n, 253_402_300_799_999_999n]
    const fine = [-1n, 1_767_225_600_000_001n, old, last, null]
    const coarse = [-1_000n, 1_767_225_600_000_000n, old, last - 999n, null]
    const expected = [fine, fine, coarse].flatMap((moments, unit) =>
      moments.map((at, n) => ({ id: 10 * unit + n, at, l: at === null ? null : [at, null] }))
    )
    const rows = [...(yield* store.rows(times.name))].sort(
      (a, b) => Number(a["id"]) - Number(b["id"])
    )
    assert.deepStrictEqual(rows, expected)
    const { location } = Option.getOrThrow(yield* store.get(times.name))
    const asked = yield* query(
      location,
      times,
      'SELECT id, epoch_us("at") FROM main.spark.times ORDER BY id'
    )
    assert.deepStrictEqual(
      asked,
      expected.map(({ at, id }) => [String(id), at === null ? null : String(at)])
    )
  })
)

it("a path of the log that cannot be decoded is refused with its text", () => {
  for (const path of ["100%.parquet", "a%00b.parquet", "file:///%zz"]) {
    const found = Result.try({ try: () => filePath("/t", path), catch: (error) => error })
    assert.include(
      (Result.getOrThrow(Result.flip(found)) as Error).message,
      `names the file ${path}`
    )
  }
})
