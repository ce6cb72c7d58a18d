/**
 * Arrow batches in the log: acknowledged batches are in the table after a kill, can be salvaged,
 * and are read with their format only.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Fs from "node:fs/promises"
import { FrameBuffer } from "../../../src/internal/log/frames.ts"
import { parseDescriptorProto } from "../../../src/internal/protobuf/descriptor.ts"
import { checkDescriptor } from "../../../src/local/records/schemaCheck.ts"
import { readFlightData } from "../../../src/internal/flight/flightData.ts"
import { findRows } from "../../../src/local/log/foundRows.ts"
import { sharedFolder } from "../../../src/local/log/logFolders.ts"
import { formatBytes, formatOf, type LogFormat } from "../../../src/local/log/logFrames.ts"
import { readNotice, writeOwned } from "../../../src/local/log/sharedFrames.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { logsOf, salvage } from "../../../src/local/store/salvage.ts"
import { flightOfRows } from "../../support/arrowRows.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table(
  "main.default.batches(id BIGINT NOT NULL, name STRING, tags ARRAY<STRING>, d DECIMAL(4, 2), v " +
    "VARIANT)"
)
const rowOf = (n: number) => ({
  id: BigInt(n),
  name: n % 3 === 0 ? null : `row ${n}`,
  tags: n % 4 === 0 ? null : [`${n}`, null],
  d: "1.50",
  v: `{"n":${n}}`
})
const rows = Array.from({ length: 250 }, (_, n) => rowOf(n))

const formatFor = (schema: Uint8Array): LogFormat => ({
  _tag: "Arrow",
  schema: readFlightData(schema)!.header
})

/** A data folder whose server was killed with these rows in its log and not in its table. */
const killedFolder = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const copy = yield* temporaryFolder
  yield* Effect.gen(function* () {
    const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
    yield* store.create(definition)
    const [schema, ...batches] = flightOfRows(definition.columns, rows, 100)
    const writer = yield* store.openWriter(definition.name, formatFor(schema!))
    for (const batch of batches) yield* append(writer, [batch])
    // The current state of the disk is that after a kill.
    yield* Effect.promise(() => Fs.cp(folder, copy, { recursive: true }))
  }).pipe(Effect.scoped)
  yield* Effect.promise(() => Fs.rm(`${copy}/.lock`, { force: true }))
  return copy
})

it.live("AS-23 acknowledged batches are in the table after a kill, each row once", () =>
  Effect.gen(function* () {
    const folder = yield* killedFolder
    const { tables } = yield* Effect.promise(() => findRows(sharedFolder(folder), false))
    const parts = [...tables.values()].flatMap((found) => found.parts)
    assert.strictEqual(
      parts.reduce((sum, part) => sum + part.rows, 0),
      rows.length
    )
    for (let start = 0; start < 2; start++) {
      const found = yield* Effect.gen(function* () {
        const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
        yield* store.flush()
        return yield* store.rows(definition.name)
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(found, rows)
    }
  })
)

it.live("batches that a table does not take any more are salvaged as JSON, one line a row", () =>
  Effect.gen(function* () {
    const folder = yield* killedFolder
    yield* Effect.promise(() => Fs.rm(`${folder}/main`, { recursive: true }))
    const [log] = yield* Effect.promise(() => logsOf(folder, definition.name))
    const lines: Array<string> = []
    const { records } = yield* Effect.promise(() =>
      salvage(folder, log!, async (text) => void lines.push(...text.trimEnd().split("\n")))
    )
    assert.strictEqual(records, rows.length)
    // A table accepts the lines as records.
    const store = yield* makeDurableTableStore({
      ...byHand,
      folder: yield* temporaryFolder,
      worker: false
    })
    yield* store.create(definition)
    const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
    yield* append(
      writer,
      lines.map((line) => Buffer.from(line))
    )
    yield* store.flush()
    assert.deepStrictEqual(yield* store.rows(definition.name), rows)
  })
)

it.live(
  "a log with batches and with JSON records of the same table is read by the format of each",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
      yield* store.create(definition)
      const [schema, batch] = flightOfRows(definition.columns, rows.slice(0, 10))
      const arrow = yield* store.openWriter(definition.name, formatFor(schema!))
      const texts = yield* store.openWriter(definition.name, { _tag: "Json" })
      yield* append(arrow, [batch!])
      yield* append(texts, [json({ id: 10, name: "row 10" })])
      yield* store.flush()
      const found = yield* store.rows(definition.name)
      assert.deepStrictEqual(found.slice(0, 10), rows.slice(0, 10))
      assert.deepStrictEqual(found[10], { id: 10n, name: "row 10", tags: null, d: null, v: null })
    })
)

it("a log of this format is read as written, and one of a later version is refused", () => {
  const owner = { tableId: "id", table: "a.b.c" }
  for (const format of [
    { _tag: "Json" },
    { _tag: "Proto", descriptor: Uint8Array.of(1, 2) },
    { _tag: "Arrow", schema: Uint8Array.of(3) }
  ] as ReadonlyArray<LogFormat>) {
    const frames = new FrameBuffer()
    writeOwned(frames, 7, { owner, format })
    assert.deepStrictEqual(readNotice(frames.bytes.subarray(8, frames.size)), {
      writer: 7,
      owned: { owner, format }
    })
  }
  assert.throws(() => formatOf(2, new Uint8Array(0)), /later version/)
  // Versions without Arrow read it as this descriptor, which fits no table, and keep the records.
  const shape = parseDescriptorProto(formatBytes({ _tag: "Arrow", schema: Uint8Array.of(3) }))
  const [finding] = checkDescriptor(definition.columns, Result.getOrThrow(shape))
  assert.strictEqual(
    finding?.message,
    "the table has no column records_of_arrow_from_a_later_version"
  )
})
