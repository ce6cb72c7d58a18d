/**
 * Column metadata of Spark: CHAR and VARCHAR with their lengths, and defaults. Also tables with
 * in-commit timestamps.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { toDescriptorProto } from "../../../src/internal/protobuf/descriptor.ts"
import { versionName } from "../../../src/local/delta/deltaActions.ts"
import { logFolder } from "../../../src/local/delta/deltaLog.ts"
import { RecordRejected, SchemaRejected } from "../../../src/local/log/storageErrors.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { field, otherWriter, withFields } from "../../support/otherWriter.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const name = "main.default.t"
const asJson = { _tag: "Json" } as const
const asProto = (columns: string) => ({
  _tag: "Proto" as const,
  descriptor: Result.getOrThrow(toDescriptorProto(table(`${name}(${columns})`)))
})
const text = (number: number, value: string) => {
  const bytes = Buffer.from(value)
  return [number * 8 + 2, bytes.length, ...bytes]
}

/**
 * A table on disk with an `id`, and the fields that another writer adds while no server is running.
 */
const setup = (fields: ReadonlyArray<object>, writerFeatures: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const open = makeDurableTableStore({ ...byHand, folder, worker: false })
    const created = Effect.flatMap(open, (store) =>
      store.create(table(`${name}(id BIGINT NOT NULL)`))
    )
    const { location } = yield* Effect.scoped(created)
    const other = otherWriter(location)
    const features = ["appendOnly", "invariants", ...writerFeatures]
    yield* other.commit({
      protocol: { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: features }
    })
    yield* other.commit(withFields(yield* other.metadata, (known) => [...known, ...fields]))
    const store = yield* open
    const rows = Effect.map(Effect.andThen(store.flush(), store.rows(name)), (found) =>
      [...found]
        .sort((one, two) => Number(one["id"]) - Number(two["id"]))
        .map(({ id: _, ...row }) => row)
    )
    return { ...other, folder, location, rows, store }
  })

describe("CHAR and VARCHAR", () => {
  const noted = (type: string) => ({ __CHAR_VARCHAR_TYPE_STRING: type })
  const struct = { type: "struct", fields: [field("code", "string")] }
  const columns = setup([
    field("c", "string", true, noted("char(3)")),
    field("v", "string", true, noted("varchar(4)")),
    field("s", struct, true, noted("struct<code:varchar(2)>"))
  ])

  it.live("are written as Spark writes them, from JSON and protobuf", () =>
    Effect.gen(function* () {
      const { rows, store } = yield* columns
      const writer = yield* store.openWriter(name, asJson)
      yield* append(writer, [
        json({ id: 1, c: "a", v: "žluť", s: { code: "🐎🐎" } }),
        json({ id: 2, c: "abc", v: "ab  " }),
        json({ id: 3 })
      ])
      const proto = yield* store.openWriter(name, asProto("id BIGINT NOT NULL, c STRING, v STRING"))
      yield* append(proto, [Uint8Array.from([8, 4, ...text(2, "🐎"), ...text(3, "🐎🐎🐎🐎")])])
      assert.deepStrictEqual(yield* rows, [
        { c: "a  ", v: "žluť", s: { code: "🐎🐎" } },
        { c: "abc", v: "ab  ", s: null },
        { c: null, v: null, s: null },
        { c: "🐎  ", v: "🐎🐎🐎🐎", s: null }
      ])
    })
  )

  it.live("refuse longer values by the column's name, before the acknowledgement", () =>
    Effect.gen(function* () {
      const { rows, store } = yield* columns
      const writer = yield* store.openWriter(name, asJson)
      for (const [record, message] of [
        [
          { id: 1, c: "abcd" },
          /column c: expected CHAR\(3\), valid UTF-8 text of at most 3 characters/
        ],
        [{ id: 1, c: "abc " }, /column c: expected CHAR\(3\)/],
        [{ id: 1, v: "abcde" }, /column v: expected VARCHAR\(4\)/],
        [{ id: 1, s: { code: "abc" } }, /column s\.code: expected VARCHAR\(2\)/]
      ] as const) {
        const refused = writer.appendUnsafe([json(record)])
        assert.instanceOf(refused, RecordRejected)
        assert.match((refused as RecordRejected).message, message)
      }
      const proto = yield* store.openWriter(name, asProto("id BIGINT NOT NULL, c STRING, v STRING"))
      const refused = proto.appendUnsafe([Uint8Array.from([8, 4, ...text(3, "abcde")])])
      assert.match((refused as RecordRejected).message, /column v: expected VARCHAR\(4\)/)
      assert.deepStrictEqual(yield* rows, [])
    })
  )
})

describe("defaults", () => {
  const withDefault = (column: string, type: string, sql: string, nullable = true) =>
    field(column, type, nullable, { CURRENT_DEFAULT: sql, EXISTS_DEFAULT: sql })
  const literals = setup(
    [
      withDefault("n", "integer", "7"),
      withDefault("word", "string", "'none'"),
      withDefault("day", "date", "DATE '1970-01-11'"),
      withDefault("must", "long", "1", false),
      field("plain", "string")
    ],
    ["allowColumnDefaults"]
  )
  const filled = { n: 7, word: "none", day: 10, must: 1n, plain: null }

  it.live("are written where a record omits the column; null stays NULL", () =>
    Effect.gen(function* () {
      const { rows, store } = yield* literals
      const writer = yield* store.openWriter(name, asJson)
      yield* append(writer, [
        json({ id: 1 }),
        json({ id: 2, n: null, word: null, day: null, must: 5 }),
        json({ id: 3, n: 0, word: "", plain: "p" })
      ])
      const refused = writer.appendUnsafe([json({ id: 9, must: null })]) as RecordRejected
      assert.match(refused.message, /column must: .*NOT NULL/)
      // A descriptor without the columns, and one with a column that the record omits.
      yield* append(yield* store.openWriter(name, asProto("id BIGINT NOT NULL")), [
        Uint8Array.from([8, 4])
      ])
      const proto = yield* store.openWriter(name, asProto("id BIGINT NOT NULL, n INT"))
      yield* append(proto, [Uint8Array.from([8, 5]), Uint8Array.from([8, 6, 16, 0])])
      assert.deepStrictEqual(yield* rows, [
        filled,
        { n: null, word: null, day: null, must: 5n, plain: null },
        { ...filled, n: 0, word: "", plain: "p" },
        filled,
        filled,
        { ...filled, n: 0 }
      ])
    })
  )

  it.live("that are no literals: a record that omits the column is refused by its name", () =>
    Effect.gen(function* () {
      const at = withDefault("at", "timestamp", "current_timestamp()")
      const must = withDefault("must", "long", "1 + 1", false)
      const { rows, store } = yield* setup([at, must], ["allowColumnDefaults"])
      const writer = yield* store.openWriter(name, asJson)
      const refused = writer.appendUnsafe([json({ id: 1, must: 1 })]) as RecordRejected
      assert.match(
        refused.message,
        /column at: expected a value, because the column's default is not an SQL literal/
      )
      yield* append(writer, [json({ id: 1, at: 5, must: 1 }), json({ id: 2, at: null, must: 2 })])
      const proto = yield* store.openWriter(
        name,
        asProto("id BIGINT NOT NULL, must BIGINT NOT NULL")
      )
      const omitted = proto.appendUnsafe([Uint8Array.from([8, 3, 16, 1])]) as RecordRejected
      assert.match(omitted.message, /column at: expected a value/)
      assert.instanceOf(
        yield* Effect.flip(store.openWriter(name, asProto("id BIGINT NOT NULL"))),
        SchemaRejected
      )
      assert.deepStrictEqual(yield* rows, [
        { at: 5n, must: 1n },
        { at: null, must: 2n }
      ])
    })
  )

  it.live("are the same after a kill, from the log", () =>
    Effect.gen(function* () {
      const { folder, store } = yield* literals
      yield* append(yield* store.openWriter(name, asJson), [json({ id: 1 })])
      const copy = yield* temporaryFolder
      yield* Effect.promise(() => Fs.cp(folder, copy, { recursive: true }))
      yield* Effect.promise(() => Fs.rm(Path.join(copy, ".lock")))
      const again = yield* makeDurableTableStore({ ...byHand, folder: copy, worker: false })
      assert.deepStrictEqual(yield* again.rows(name), [{ id: 1n, ...filled }])
    })
  )
})

describe("in-commit timestamps", () => {
  const enabled = { "delta.enableInCommitTimestamps": "true" }
  const future = 4_000_000_000_000

  const commitOf = (location: string, version: number) =>
    Effect.promise(async () => {
      const file = Path.join(logFolder(location), `${versionName(version)}.json`)
      return (await Fs.readFile(file, "utf8"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
    })

  it.live(
    "rise with each commit, in a commitInfo that comes first, after those of other writers",
    () =>
      Effect.gen(function* () {
        const { commit, location, log, metadata, rows, store } = yield* setup(
          [],
          ["inCommitTimestamp"]
        )
        const before = yield* metadata
        const configuration = { ...before.configuration, ...enabled }
        yield* commit(
          { commitInfo: { inCommitTimestamp: future } },
          { metaData: { ...before, configuration } }
        )
        const writer = yield* store.openWriter(name, asJson)
        const first = (yield* log).snapshot.version + 1
        for (let id = 0; id < 12; id++) {
          yield* append(writer, [json({ id })])
          yield* store.flush()
        }
        yield* commit({ commitInfo: { inCommitTimestamp: future + 5000 } })
        yield* append(writer, [json({ id: 12 })])
        assert.lengthOf(yield* rows, 13)
        yield* store.addColumns(name, [{ name: "more", type: { _tag: "Int" }, nullable: true }])
        const { version } = (yield* log).snapshot
        const times: Array<number> = []
        for (let at = first; at <= version; at++) {
          const [info] = yield* commitOf(location, at)
          times.push(info.commitInfo.inCommitTimestamp)
        }
        assert.deepStrictEqual(times, [
          ...Array.from({ length: 12 }, (_, index) => future + 1 + index),
          future + 5000,
          future + 5001,
          future + 5002
        ])
      })
  )

  it.live("go on after a restart from a checkpoint, and are the clock's where it is ahead", () =>
    Effect.gen(function* () {
      const { commit, folder, location, log, metadata, store } = yield* setup(
        [],
        ["inCommitTimestamp"]
      )
      const before = yield* metadata
      const configuration = { ...before.configuration, ...enabled }
      yield* commit(
        { commitInfo: { inCommitTimestamp: 5 } },
        { metaData: { ...before, configuration } }
      )
      const writer = yield* store.openWriter(name, asJson)
      for (let id = 0; id < 8; id++) {
        yield* append(writer, [json({ id })])
        yield* store.flush()
      }
      const made = yield* log
      const last = (yield* commitOf(location, made.snapshot.version))[0].commitInfo
        .inCommitTimestamp
      assert.isAbove(last, 1_700_000_000_000)
      yield* Effect.promise(() => made.checkpoint(0))
      yield* append(writer, [json({ id: 8 })])
      const copy = yield* temporaryFolder
      yield* Effect.promise(() => Fs.cp(folder, copy, { recursive: true }))
      yield* Effect.promise(() => Fs.rm(Path.join(copy, ".lock")))
      yield* makeDurableTableStore({ ...byHand, folder: copy, worker: false })
      const [info] = yield* commitOf(Path.join(copy, "main/default/t"), made.snapshot.version + 1)
      assert.isAbove(info.commitInfo.inCommitTimestamp, last)
    })
  )

  it.live("are not written where the table does not ask for them", () =>
    Effect.gen(function* () {
      const { location, log, store } = yield* setup([], ["inCommitTimestamp"])
      yield* append(yield* store.openWriter(name, asJson), [json({ id: 1 })])
      yield* store.flush()
      const [info] = yield* commitOf(location, (yield* log).snapshot.version)
      assert.notProperty(info.commitInfo, "inCommitTimestamp")
    })
  )
})
