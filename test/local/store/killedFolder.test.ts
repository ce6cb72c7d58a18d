/**
 * The data folder of an earlier version of the server that was killed
 * (`test/fixtures/killedFolder`): it opens, nothing is lost, and the next write upgrades each
 * table's protocol in one commit.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { openLog } from "../../../src/local/delta/deltaLog.ts"
import { readLiveTable } from "../../../src/local/delta/liveFiles.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { append, byHand, json, temporaryFolder } from "../../support/storedTables.ts"

const fixture = Path.join(import.meta.dirname, "../../fixtures/killedFolder")

/** A copy of the folder, and its rows by table as the earlier version returned them. */
const keptFolder = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  yield* Effect.promise(() => Fs.cp(Path.join(fixture, "data"), folder, { recursive: true }))
  const rows = new Map<string, Array<string>>()
  const text = yield* Effect.promise(() => Fs.readFile(Path.join(fixture, "rows.ndjson"), "utf8"))
  for (const line of text.trim().split("\n")) {
    const { row, table } = JSON.parse(line) as { readonly table: string; readonly row: unknown }
    rows.set(table, [...(rows.get(table) ?? []), JSON.stringify(row)])
  }
  return { folder, rows }
})

const plain = (_: string, value: unknown): unknown =>
  typeof value === "bigint"
    ? String(value)
    : value instanceof Map
      ? [...value]
      : value instanceof Uint8Array
        ? Buffer.from(value).toString("base64")
        : value

const byId = (rows: ReadonlyArray<Record<string, unknown>>) =>
  [...rows]
    .sort((a, b) => Number(a["id"]) - Number(b["id"]))
    .map((row) => JSON.stringify(row, plain))

it.live("a folder of an earlier version opens, and its log reaches the tables", () =>
  Effect.gen(function* () {
    const { folder, rows } = yield* keptFolder
    const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
    const tables = yield* store.listAll
    assert.deepStrictEqual(
      tables.map(({ definition }) => definition.name).sort(),
      [...rows.keys()].sort()
    )
    for (const [name, expected] of rows)
      assert.deepStrictEqual(byId(yield* store.rows(name)), expected, name)
  })
)

it.live("one commit upgrades the protocol at the first write, and later writes need none", () =>
  Effect.gen(function* () {
    const { folder, rows } = yield* keptFolder
    const upgrades = (location: string) =>
      Effect.promise(async () => {
        const log = Path.join(location, "_delta_log")
        const names = (await Fs.readdir(log)).filter((name) => name.endsWith(".json"))
        const texts = await Promise.all(
          names.map((name) => Fs.readFile(Path.join(log, name), "utf8"))
        )
        return texts.filter((text) => text.includes('"UPGRADE PROTOCOL"')).length
      })
    const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
    for (const { definition, location } of yield* store.listAll) {
      const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
      const required = { inner: { a: 1 }, local: 1 }
      yield* append(writer, [
        json({ id: 99, ...(definition.name === "main.kept.required" ? required : {}) })
      ])
      yield* store.flush()
      const log = (yield* Effect.promise(() => openLog(location)))!
      const { minWriterVersion, readerFeatures, writerFeatures } = log.snapshot.protocol!
      if (minWriterVersion === 7) {
        assert.includeMembers(
          [...writerFeatures!],
          [...readerFeatures!, "appendOnly", "invariants"]
        )
        assert.notInclude(readerFeatures!, "invariants")
      }
      assert.strictEqual(yield* upgrades(location), minWriterVersion === 7 ? 1 : 0, definition.name)
      assert.strictEqual(
        (yield* store.rows(definition.name)).length,
        rows.get(definition.name)!.length + 1
      )
    }
  })
)

it.live("merging rewrites the files of VARIANTs without the annotation that Spark refuses", () =>
  Effect.gen(function* () {
    const { folder, rows } = yield* keptFolder
    const store = yield* makeDurableTableStore({
      ...byHand,
      folder,
      worker: false,
      limits: { compactFiles: 5 }
    })
    const name = "main.kept.variants"
    const record = (yield* store.listAll).find(({ definition }) => definition.name === name)!
    assert.deepStrictEqual(byId(yield* store.rows(name)), rows.get(name))
    const live = (yield* Effect.promise(() => readLiveTable(record.location)))!
    // Rows that were only in the log are merged after the look that confirms them.
    assert.strictEqual(live.files, 2)
    for (const { annotatedVariants } of live.live) assert.deepStrictEqual(annotatedVariants, [])
  })
)
