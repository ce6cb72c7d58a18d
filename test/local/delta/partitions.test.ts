/** Partitioned tables: rows are written to the file of their values and read back unchanged. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import { partitionValue } from "../../../src/local/delta/partitions.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { record } from "../../support/randomRecords.ts"
import { seeded } from "../../support/randomTables.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

it.live("rows of a partitioned table read back unchanged, file by file", () =>
  Effect.gen(function* () {
    const definition =
      table(`a.b.parts(word STRING, flag BOOLEAN, tags ARRAY<STRING>, n INT NOT NULL,
      p STRUCT<x: INT, l: ARRAY<STRUCT<y: STRING>>>,
      day DATE, at TIMESTAMP, price DECIMAL(20,2), big BIGINT)
      PARTITIONED BY (word, flag, day, at, price, big)`)
    const store = yield* makeDurableTableStore({
      ...byHand,
      folder: yield* temporaryFolder,
      worker: true
    })
    const { location } = yield* store.create(definition)
    const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
    const random = seeded(5)
    const expected: Array<Record<string, unknown>> = []
    const words = ["", "plain", "a/b=c d%e", "../..", "žluťoučký 🐎", "x".repeat(300), null]
    for (let n = 0; n < 60; n++) {
      const { json: sent, row } = record(random, definition.columns) as {
        json: Record<string, unknown>
        row: Record<string, unknown>
      }
      const word = words[n % words.length]
      yield* append(writer, [json({ ...sent, word, n })])
      // Delta has one partition value for NULL and the empty string.
      expected.push({ ...row, word: word === "" ? null : word, n })
    }
    yield* store.flush()
    const rows = [...(yield* store.rows(definition.name))].sort(
      (a, b) => Number(a["n"]) - Number(b["n"])
    )
    assert.deepStrictEqual(rows, expected)
    assert.deepStrictEqual(
      (yield* Effect.promise(() => Fs.readdir(location))).filter(
        (name) => !/^(word=|partition-|_delta_log$)/.test(name)
      ),
      []
    )
  })
)

it.live("rows of one value share one file", () =>
  Effect.gen(function* () {
    const definition = table("a.b.days(n INT NOT NULL, day DATE) PARTITIONED BY (day)")
    const folder = yield* temporaryFolder
    yield* Effect.scoped(
      Effect.gen(function* () {
        const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
        yield* store.create(definition)
        const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
        yield* append(
          writer,
          Array.from({ length: 30 }, (_, n) => json({ n, day: n % 3 }))
        )
        yield* store.flush()
        assert.strictEqual((yield* store.stats(definition.name)).files, 3)
      })
    )
    const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
    assert.strictEqual((yield* store.stats(definition.name)).files, 3)
    assert.strictEqual((yield* store.rows(definition.name)).length, 30)
  })
)

it("partition values of other writers read as their type, unreadable ones as text", () => {
  for (const [type, text, value] of [
    ["Date", "2026-11-22", 20_779],
    ["Date", "soon", "soon"],
    ["Timestamp", "2026-11-22 08:30:00", 1_795_336_200_000_000n],
    ["Timestamp", "2026-11-22T08:30:00.000001Z", 1_795_336_200_000_001n],
    ["Timestamp", "2026-11-22T10:30:00.5+02:00", 1_795_336_200_500_000n],
    ["Timestamp", "soon", "soon"],
    ["TimestampNtz", "2026-11-22 08:30:00.123", 1_795_336_200_123_000n]
  ] as const) {
    assert.strictEqual(partitionValue({ _tag: type }, text), value)
  }
})
