/**
 * New columns for a table while its streams continue, in memory and on disk.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { parseColumns, type TableDefinition } from "../../../src/internal/columns/columnType.ts"
import { toDescriptorProto } from "../../../src/internal/protobuf/descriptor.ts"
import { logFolder } from "../../../src/local/delta/deltaLog.ts"
import { SchemaRejected } from "../../../src/local/log/storageErrors.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { makeMemoryTableStore } from "../../../src/local/store/memoryTableStore.ts"
import type { TableStoreShape } from "../../../src/local/store/tableStore.ts"
import { field, otherWriter, withFields } from "../../support/otherWriter.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const before = table("main.default.t(id BIGINT NOT NULL, name STRING)")
const after = table(
  "main.default.t(id BIGINT NOT NULL, name STRING, n INT, tags ARRAY<STRING>, s STRUCT<a: INT, " +
    "b: DATE>)"
)
const added = after.columns.slice(2)
const columns = (text: string) => Result.getOrThrowWith(parseColumns(text), (why) => new Error(why))
const asJson = { _tag: "Json" } as const
const asProto = (definition: TableDefinition) => ({
  _tag: "Proto" as const,
  descriptor: Result.getOrThrow(toDescriptorProto(definition))
})
/** `id` and, in the new table, `n`. */
const message = (id: number, n?: number) =>
  Uint8Array.from(n === undefined ? [8, id] : [8, id, 24, n])

const bothStores = (
  name: string,
  body: (store: TableStoreShape) => Effect.Effect<void, unknown>
) => {
  it.live(`${name} (memory)`, () => Effect.flatMap(makeMemoryTableStore, body))
  it.live(`${name} (disk)`, () =>
    Effect.flatMap(temporaryFolder, (folder) =>
      Effect.flatMap(makeDurableTableStore({ ...byHand, folder, worker: false }), body)
    )
  )
}

const byId = (rows: ReadonlyArray<Record<string, unknown>>) =>
  [...rows].sort((one, other) => Number(one["id"]) - Number(other["id"]))

const empty = { name: null, n: null, tags: null, s: null }

describe("addColumns", () => {
  const nested =
    "s STRUCT<a: INT, b: DATE>, list ARRAY<STRUCT<x: INT>>, m MAP<STRING, STRUCT<k: ARRAY<INT>>>"
  const paths =
    "s.c INT, s.d.e STRING, list.element.y ARRAY<STRING>, m.value.z INT, m.VALUE.v VARIANT"

  bothStores("fields of STRUCTs, also in ARRAYs and MAPs", (store) =>
    Effect.gen(function* () {
      yield* store.create(table(`main.default.n(id BIGINT NOT NULL, ${nested})`))
      const writer = yield* store.openWriter("main.default.n", asJson)
      const rows = [
        {
          id: 1,
          s: { a: 1 },
          list: [{ x: 1 }, null, {}],
          m: { p: { k: [1, 2, 3] }, q: null, r: { k: [] } }
        },
        { id: 2, s: null, list: [], m: {} },
        { id: 3 }
      ]
      yield* append(writer, rows.slice(0, 1).map(json))
      yield* store.flush()
      yield* append(writer, rows.slice(1).map(json))
      const problem = yield* Effect.flip(store.addColumns("main.default.n", columns(paths)))
      assert.match(problem.message, /main\.default\.n has no column s\.d\. Add that first/)
      yield* store.addColumns(
        "main.default.n",
        columns(`s.d STRUCT<f: INT>, ${paths.replace("VALUE", "value")}`)
      )
      for (const [text, says] of [
        ["s.C INT", /has the column s\.c already/],
        ["list.y INT", /list is not a STRUCT.*Its fields are those of list\.element\./],
        ["id.y INT", /id is not a STRUCT/],
        ["s.n INT NOT NULL", /cannot be added as NOT NULL/]
      ] as const) {
        assert.match(
          (yield* Effect.flip(store.addColumns("main.default.n", columns(text)))).message,
          says
        )
      }
      const more = {
        id: 4,
        s: { a: 2, c: 3, d: { e: "e" } },
        list: [{ y: ["y"] }],
        m: { p: { k: [4], z: 5, v: "true" } }
      }
      yield* append(writer, [json(more)])
      yield* store.flush()
      const s = { b: null, c: null, d: null }
      const value = { z: null, v: null }
      assert.deepStrictEqual(byId(yield* store.rows("main.default.n")), [
        {
          id: 1n,
          s: { a: 1, ...s },
          list: [{ x: 1, y: null }, null, { x: null, y: null }],
          m: new Map([
            ["p", { k: [1, 2, 3], ...value }],
            ["q", null],
            ["r", { k: [], ...value }]
          ])
        },
        { id: 2n, s: null, list: [], m: new Map() },
        { id: 3n, s: null, list: null, m: null },
        {
          id: 4n,
          s: { a: 2, ...s, c: 3, d: { f: null, e: "e" } },
          list: [{ x: null, y: ["y"] }],
          m: new Map([["p", { k: [4], z: 5, v: "true" }]])
        }
      ])
    })
  )

  it.live("fields beside what other writers noted of a column", () =>
    Effect.gen(function* () {
      const store = yield* makeDurableTableStore({
        ...byHand,
        folder: yield* temporaryFolder,
        worker: false
      })
      const { location } = yield* store.create(table("main.default.n(id BIGINT NOT NULL)"))
      const other = otherWriter(location)
      const code = {
        type: "struct",
        fields: [field("code", "string", true, { comment: "theirs" })]
      }
      const noted = { __CHAR_VARCHAR_TYPE_STRING: "struct<code:char(3)>", owner: "them" }
      yield* other.commit(
        withFields(yield* other.metadata, (fields) => [...fields, field("s", code, true, noted)])
      )
      yield* store.addColumns("main.default.n", columns("s.more STRING COMMENT 'ours'"))
      const { schemaString } = yield* other.metadata
      assert.deepStrictEqual(JSON.parse(schemaString).fields[1], {
        ...field("s", {
          type: "struct",
          fields: [...code.fields, field("more", "string", true, { comment: "ours" })]
        }),
        metadata: { ...noted, __CHAR_VARCHAR_TYPE_STRING: "struct<code:char(3),more:string>" }
      })
      yield* append(yield* store.openWriter("main.default.n", asJson), [
        json({ id: 1, s: { code: "a", more: "b" } })
      ])
      yield* store.flush()
      assert.deepStrictEqual(yield* store.rows("main.default.n"), [
        { id: 1n, s: { code: "a  ", more: "b" } }
      ])
    })
  )

  bothStores("streams of the old and the new columns both go on", (store) =>
    Effect.gen(function* () {
      yield* store.create(before)
      const oldJson = yield* store.openWriter(before.name, asJson)
      const oldProto = yield* store.openWriter(before.name, asProto(before))
      yield* append(oldJson, [json({ id: 1, name: "a" })])
      yield* append(oldProto, [message(2)])
      yield* store.flush()
      yield* append(oldJson, [json({ id: 3 })])
      assert.instanceOf(
        yield* Effect.flip(store.openWriter(before.name, asProto(after))),
        SchemaRejected
      )

      const record = yield* store.addColumns("MAIN.default.t", added)
      assert.deepStrictEqual(record.definition, after)
      assert.deepStrictEqual(Option.getOrThrow(yield* store.get(before.name)).definition, after)
      yield* append(oldProto, [message(4)])
      yield* append(oldJson, [json({ id: 5, n: 50, s: { a: 1 } })])
      yield* append(yield* store.openWriter(before.name, asProto(after)), [message(6, 60)])
      yield* append(yield* store.openWriter(before.name, asJson), [json({ id: 7, tags: ["x"] })])
      yield* store.flush()
      assert.deepStrictEqual(byId(yield* store.rows(before.name)), [
        { ...empty, id: 1n, name: "a" },
        { ...empty, id: 2n },
        { ...empty, id: 3n },
        { ...empty, id: 4n },
        { ...empty, id: 5n, n: 50, s: { a: 1, b: null } },
        // In protobuf an absent array is empty.
        { ...empty, id: 6n, n: 60, tags: [] },
        { ...empty, id: 7n, tags: ["x"] }
      ])
    })
  )

  bothStores("refuses what would not fit, and changes nothing", (store) =>
    Effect.gen(function* () {
      yield* store.create(before)
      for (const [text, says] of [
        ["must INT NOT NULL", /must cannot be added as NOT NULL: the rows .* would be NULL/],
        ["more INT, NAME STRING", /has the column name already/],
        ["more INT, More INT", /differ in more than case/],
        ["deep ARRAY<STRUCT<a: INT NOT NULL>>", /NOT NULL inside an ARRAY or a MAP/]
      ] as const) {
        assert.match(
          (yield* Effect.flip(store.addColumns(before.name, columns(text)))).message,
          says
        )
      }
      assert.match(
        (yield* Effect.flip(store.addColumns(before.name, []))).message,
        /No column is named/
      )
      assert.match(
        (yield* Effect.flip(store.addColumns("a.b.c", added))).message,
        /a\.b\.c does not exist/
      )
      assert.deepStrictEqual(Option.getOrThrow(yield* store.get(before.name)).definition, before)
    })
  )

  const onDisk = Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
    const { location } = yield* store.create(before)
    return { folder, store, ...otherWriter(location), location }
  })

  it.live(
    "keeps what other writers put into the schema, and what the table's version stands for",
    () =>
      Effect.gen(function* () {
        const { commit, log, metadata, store } = yield* onDisk
        const theirs = field("theirs", "string", true, { comment: "kept", other: { x: 1 } })
        yield* commit(withFields(yield* metadata, (fields) => [...fields, theirs]))
        yield* commit({ protocol: { minReaderVersion: 1, minWriterVersion: 4 } })
        yield* store.addColumns(before.name, columns("at TIMESTAMP_NTZ COMMENT 'wall'"))
        const { fields } = JSON.parse((yield* metadata).schemaString)
        assert.deepStrictEqual(fields[2], theirs)
        assert.deepStrictEqual(fields[3], field("at", "timestamp_ntz", true, { comment: "wall" }))
        const protocol = (yield* log).snapshot.protocol!
        assert.deepStrictEqual(
          [protocol.minReaderVersion, protocol.minWriterVersion, protocol.readerFeatures],
          [3, 7, ["timestampNtz"]]
        )
        const implied = [
          "appendOnly",
          "invariants",
          "checkConstraints",
          "changeDataFeed",
          "generatedColumns"
        ]
        assert.sameMembers([...protocol.writerFeatures!], [...implied, "timestampNtz"])
        yield* append(yield* store.openWriter(before.name, asJson), [json({ id: 1, at: 5 })])
        yield* store.flush()
        assert.strictEqual((yield* store.rows(before.name))[0]!["at"], 5n)
        const version = (yield* log).snapshot.version
        yield* store.addColumns(before.name, columns("plain INT"))
        assert.strictEqual((yield* log).snapshot.version, version + 1)
        assert.deepStrictEqual((yield* log).snapshot.protocol, protocol)
      })
  )

  it.live("lasts over a restart, with records that only the log holds", () =>
    Effect.gen(function* () {
      const { folder, store } = yield* onDisk
      const writer = yield* store.openWriter(before.name, asJson)
      yield* append(writer, [json({ id: 1 })])
      yield* store.addColumns(before.name, columns("n INT"))
      yield* append(writer, [json({ id: 2, n: 20 })])
      const copy = yield* temporaryFolder
      yield* Effect.promise(() => Fs.cp(folder, copy, { recursive: true }))
      yield* Effect.promise(() => Fs.rm(Path.join(copy, ".lock")))
      const again = yield* makeDurableTableStore({ ...byHand, folder: copy, worker: false })
      assert.deepStrictEqual(byId(yield* again.rows(before.name)), [
        { id: 1n, name: null, n: null },
        { id: 2n, name: null, n: 20 }
      ])
    })
  )

  it.live("is refused where another table has taken the folder", () =>
    Effect.gen(function* () {
      const { commit, location, metadata, store } = yield* onDisk
      yield* commit({ metaData: { ...(yield* metadata), id: "theirs" } })
      const names = yield* Effect.promise(() => Fs.readdir(logFolder(location)))
      assert.match(
        (yield* Effect.flip(store.addColumns(before.name, added))).message,
        /another table/
      )
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(logFolder(location))), names)
    })
  )
})
