import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseTableDefinition } from "../../src/internal/columnType.ts"
import { makeDurableTableStore } from "../../src/local/durableTableStore.ts"
import { makeMemoryTableStore } from "../../src/local/memoryTableStore.ts"
import { RecordRejected, type StorageFailure } from "../../src/local/storageErrors.ts"
import type { TableStoreShape, TableWriter } from "../../src/local/tableStore.ts"

const table = (text: string) => Result.getOrThrow(parseTableDefinition(text))
const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const everything = table(`main.default.every(id BIGINT NOT NULL, flag BOOLEAN, tiny TINYINT, small SMALLINT, whole INT, real FLOAT, precise DOUBLE,
  words STRING, blob BINARY, day DATE, at TIMESTAMP, local TIMESTAMP_NTZ, price DECIMAL(9,2), total DECIMAL(18,4), huge DECIMAL(38,10),
  tags ARRAY<STRING>, counts MAP<STRING, INT>, place STRUCT<lat: DOUBLE, names: ARRAY<STRUCT<lang: STRING, text: STRING>>>)`)

const folder = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "zerobus-store-"))),
  (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true }))
)
const durable = (writer: TableWriter, records: ReadonlyArray<Uint8Array>) =>
  Effect.callback<void, StorageFailure | RecordRejected>((resume) => {
    const ticket = writer.appendUnsafe(records)
    if (ticket instanceof RecordRejected) return resume(Effect.fail(ticket))
    writer.onDurable(ticket, (failure) => resume(failure === undefined ? Effect.void : Effect.fail(failure)))
  })

const full = {
  id: "9007199254740993", flag: true, tiny: -128, small: 32767, whole: -5, real: 1.5, precise: 0.1, words: "žluťoučký 🐎", blob: "AAEC",
  day: 20000, at: 1767225600000001, local: -1, price: "-12.50", total: "99999999999999.9999", huge: "1234567890123456789012345678.0123456789",
  tags: ["a", "", "c"], counts: { x: 1, y: null }, place: { lat: 44.8, names: [{ lang: "cs", text: null }, { lang: "en" }] }
}
const fullRow = {
  id: 9007199254740993n, flag: true, tiny: -128, small: 32767, whole: -5, real: 1.5, precise: 0.1, words: "žluťoučký 🐎",
  blob: new Uint8Array([0, 1, 2]), day: 20000, at: 1767225600000001n, local: -1n, price: "-12.50", total: "99999999999999.9999",
  huge: "1234567890123456789012345678.0123456789", tags: ["a", "", "c"], counts: new Map([["x", 1], ["y", null]]),
  place: { lat: 44.8, names: [{ lang: "cs", text: null }, { lang: "en", text: null }] }
}

const bothStores = (name: string, body: (store: TableStoreShape) => Effect.Effect<void, unknown>) => {
  it.live(`${name} (memory)`, () => Effect.flatMap(makeMemoryTableStore, body))
  it.live(`${name} (disk)`, () =>
    Effect.flatMap(folder, (path) => Effect.flatMap(makeDurableTableStore({ folder: path, worker: false }), body)))
}

describe("TableStore", () => {
  bothStores("keeps every type of a JSON record", (store) =>
    Effect.gen(function*() {
      yield* store.create(everything)
      const writer = yield* store.openWriter("main.default.every", { _tag: "Json" })
      yield* durable(writer, [json(full), json({ id: 1 }), json({ ...full, tags: [], counts: {}, place: { lat: null, names: [] } })])
      yield* store.flush()
      const rows = yield* store.rows("main.default.every")
      assert.deepStrictEqual(rows[0], fullRow)
      assert.deepStrictEqual(Object.values(rows[1]!).filter((value) => value !== null), [1n])
      assert.deepStrictEqual([rows[2]!["tags"], rows[2]!["counts"], rows[2]!["place"]], [[], new Map(), { lat: null, names: [] }])
      assert.strictEqual((yield* store.stats("main.default.every")).rows, 3)
    }))

  bothStores("refuses a batch whole, says where, and takes the next one", (store) =>
    Effect.gen(function*() {
      yield* store.create(everything)
      const writer = yield* store.openWriter("main.default.every", { _tag: "Json" })
      const problem = writer.appendUnsafe([json({ id: 1 }), json({ id: 2, place: { names: [{ lang: "a" }, { lang: 5 }] } })])
      assert.instanceOf(problem, RecordRejected)
      assert.deepStrictEqual([(problem as RecordRejected).index, (problem as RecordRejected).path], [1, "place.names.element.lang"])
      yield* durable(writer, [json({ id: 3 })])
      yield* store.flush()
      assert.deepStrictEqual((yield* store.rows("main.default.every")).map((row) => row["id"]), [3n])
    }))

  it.live("finds acknowledged records again after a restart, once", () =>
    Effect.gen(function*() {
      const path = yield* folder
      yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* makeDurableTableStore({ folder: path, worker: true })
        yield* store.create(everything)
        const writer = yield* store.openWriter("main.default.every", { _tag: "Json" })
        for (let i = 0; i < 10; i++) yield* durable(writer, [json({ id: i }), json({ id: i + 100 })])
        yield* store.flush("main.default.every")
        for (let i = 10; i < 20; i++) yield* durable(writer, [json({ id: i }), json({ id: i + 100 })])
      }))
      const store = yield* makeDurableTableStore({ folder: path, worker: false })
      const ids = (yield* store.rows("main.default.every")).map((row) => Number(row["id"])).sort((a, b) => a - b)
      assert.deepStrictEqual(ids, [...Array(20).keys(), ...Array.from({ length: 20 }, (_, i) => i + 100)])
    }))
})
