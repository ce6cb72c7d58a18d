/**
 * The tables as ClickHouse reads them through delta-kernel-rs, a Delta implementation that is
 * independent of delta-rs' reader.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import {
  append,
  byHand,
  everyPlainType,
  everyType,
  fullRecord,
  json,
  table,
  temporaryFolder
} from "../../support/storedTables.ts"

const script = fileURLToPath(new URL("../../support/queryChdb.py", import.meta.url))

const query = (location: string, sql: string) =>
  Effect.tryPromise(() =>
    promisify(execFile)(process.env["DELTA_PYTHON"] ?? "python3", [script, location, sql])
  ).pipe(Effect.map(({ stdout }) => JSON.parse(stdout) as ReadonlyArray<Record<string, unknown>>))

const { local: _, ...plainRecord } = fullRecord
const seenPlain = {
  flag: true,
  tiny: -128,
  small: 32767,
  whole: -5,
  real: 1.5,
  precise: 0.1,
  words: fullRecord.words,
  blob: "\u0000\u0001\u0002",
  day: "2024-10-04",
  at: "2026-01-01 00:00:00.000001",
  price: "-12.5",
  total: "99999999999999.9999",
  huge: "1234567890123456789012345678.0123456789",
  tags: ["a", "", "c"],
  counts: { x: 1, y: null },
  place: {
    lat: 44.8,
    names: [
      { lang: "cs", text: null },
      { lang: "en", text: null }
    ]
  }
}

describe("delta-kernel-rs", () => {
  for (const [definition, record, seen] of [
    [everyPlainType, plainRecord, seenPlain],
    [everyType, fullRecord, { ...seenPlain, local: "1969-12-31 23:59:59.999999" }]
  ] as const) {
    it.live(
      `reads every type of ${definition.name}, old versions, and the checkpoint alone`,
      () =>
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({
            ...byHand,
            folder: yield* temporaryFolder,
            worker: false
          })
          const { location } = yield* store.create(definition)
          const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
          for (let n = 0; n < 12; n++) {
            yield* append(writer, [json({ ...record, id: n }), json({ id: n + 100 })])
            yield* store.flush()
          }
          const totals =
            "SELECT count() AS n, uniqExact(id) AS ids, sum(id) AS total, min(words) AS words, " +
            "countIf(isNull(flag)) AS nulls FROM {table}"
          const expected = [
            {
              n: "24",
              ids: "24",
              total: String(66 * 2 + 1200),
              words: fullRecord.words,
              nulls: "12"
            }
          ]
          assert.deepStrictEqual(yield* query(location, totals), expected)
          assert.deepStrictEqual(yield* query(location, "SELECT * FROM {table} WHERE id = 5"), [
            { id: "5", ...seen }
          ])
          const old = yield* query(
            location,
            "SELECT count() AS n FROM {table} SETTINGS delta_lake_snapshot_version = 3"
          )
          assert.deepStrictEqual(old, [{ n: "6" }])
          for (let version = 0; version <= 10; version++) {
            yield* Effect.promise(() =>
              Fs.rm(Path.join(location, "_delta_log", `${String(version).padStart(20, "0")}.json`))
            )
          }
          assert.deepStrictEqual(yield* query(location, totals), expected)
        }),
      120_000
    )
  }

  it.live(
    "reads partition values, and the table after compaction",
    () =>
      Effect.gen(function* () {
        const definition = table(
          "main.default.parted(n INT NOT NULL, word STRING, day DATE, at TIMESTAMP) PARTITIONED " +
            "BY (word, day, at)"
        )
        const store = yield* makeDurableTableStore({
          ...byHand,
          folder: yield* temporaryFolder,
          worker: false,
          limits: { compactFiles: 3, lookAfterMillis: 0 }
        })
        const { location } = yield* store.create(definition)
        const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
        const words = ["plain", "a/b=c d%e", "žluť 🐎", null]
        for (let round = 0; round < 4; round++) {
          yield* append(
            writer,
            words.map((word, n) => json({ n, word, day: 20_000 + n, at: 1767225600000001 }))
          )
          yield* store.flush()
        }
        assert.isBelow((yield* store.stats(definition.name)).files, 16)
        const rows = yield* query(
          location,
          "SELECT n, word, toString(day) AS day, toString(at) AS at, count() AS times FROM " +
            "{table} GROUP BY ALL ORDER BY n"
        )
        assert.deepStrictEqual(
          rows,
          words.map((word, n) => ({
            n,
            word,
            day: `2024-10-0${4 + n}`,
            at: "2026-01-01 00:00:00.000001",
            times: "4"
          }))
        )
      }),
    120_000
  )

  it.live(
    "notices damage: it refuses a gap in the log and a missing data file",
    () =>
      Effect.gen(function* () {
        const definition = table("main.default.broken(id BIGINT)")
        const store = yield* makeDurableTableStore({
          ...byHand,
          folder: yield* temporaryFolder,
          worker: false
        })
        const { location } = yield* store.create(definition)
        const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
        for (let id = 0; id < 3; id++) {
          yield* append(writer, [json({ id })])
          yield* store.flush()
        }
        const sum = "SELECT sum(id) AS total FROM {table}"
        assert.deepStrictEqual(yield* query(location, sum), [{ total: "3" }])
        const data = (yield* Effect.promise(() => Fs.readdir(location))).find((name) =>
          name.endsWith(".parquet")
        )!
        yield* Effect.promise(() =>
          Fs.rename(Path.join(location, data), Path.join(location, "aside"))
        )
        yield* Effect.flip(query(location, sum))
        yield* Effect.promise(() =>
          Fs.rename(Path.join(location, "aside"), Path.join(location, data))
        )
        yield* Effect.promise(() =>
          Fs.rm(Path.join(location, "_delta_log", "00000000000000000002.json"))
        )
        yield* Effect.flip(query(location, sum))
      }),
    120_000
  )
})
