/**
 * The tables as delta-rs reads them. Needs Python with deltalake and pyarrow in `DELTA_PYTHON`;
 * `npm run test:delta` provides it.
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

const script = fileURLToPath(new URL("../../support/readDelta.py", import.meta.url))

interface Seen {
  readonly version: number
  readonly reader: number
  readonly files: number
  readonly types: Record<string, string>
  readonly rows: ReadonlyArray<Record<string, unknown>>
}

const python = (...args: ReadonlyArray<string>) =>
  Effect.tryPromise(() =>
    promisify(execFile)(process.env["DELTA_PYTHON"] ?? "python3", [script, ...args], {
      maxBuffer: 1 << 28
    })
  ).pipe(Effect.map(({ stdout }) => JSON.parse(stdout) as Seen))
const read = (...args: ReadonlyArray<string>) => python("read", ...args)

const seenRecord = {
  ...fullRecord,
  tiny: "-128",
  small: "32767",
  whole: "-5",
  day: "20000",
  at: "1767225600000001",
  counts: [
    ["x", "1"],
    ["y", null]
  ],
  place: {
    lat: 44.8,
    names: [
      { lang: "cs", text: null },
      { lang: "en", text: null }
    ]
  },
  local: "-1"
}

const { local: _, ...plainRecord } = fullRecord
const { local: __, ...seenPlain } = seenRecord

describe("delta-rs", () => {
  for (const [definition, record, seen, reader] of [
    [everyPlainType, plainRecord, seenPlain, 1],
    [everyType, fullRecord, seenRecord, 3]
  ] as const) {
    it.live(
      `reads every type of ${definition.name}`,
      () =>
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({
            ...byHand,
            folder: yield* temporaryFolder,
            worker: false
          })
          const { location } = yield* store.create(definition)
          const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
          yield* append(writer, [json(record), json({ id: 2 })])
          yield* store.flush()
          const found = yield* read(location)
          assert.deepStrictEqual(found.rows[0], seen)
          assert.deepStrictEqual(
            Object.values(found.rows[1]!).filter((value) => value !== null),
            ["2"]
          )
          assert.strictEqual(found.reader, reader)
          assert.strictEqual(found.types["huge"], "decimal128(38, 10)")
          assert.strictEqual(found.types["tiny"], "int8")
          assert.strictEqual(found.types["at"], "timestamp[us, tz=UTC]")
        }),
      60_000
    )
  }

  it.live(
    "skips files by our statistics, and travels in time",
    () =>
      Effect.gen(function* () {
        const store = yield* makeDurableTableStore({
          ...byHand,
          folder: yield* temporaryFolder,
          worker: false
        })
        const { location } = yield* store.create(everyPlainType)
        const writer = yield* store.openWriter(everyPlainType.name, { _tag: "Json" })
        for (let file = 0; file < 4; file++) {
          const rows = Array.from({ length: 10 }, (_, i) =>
            json({
              id: file * 10 + i,
              words: `w${file}-${"long ".repeat(20)}${i}`,
              day: file,
              price: `${file}.25`
            })
          )
          yield* append(writer, rows)
          yield* store.flush()
        }
        assert.strictEqual((yield* read(location)).rows.length, 40)
        for (const [column, operator, value, rows] of [
          ["id", "=", "25", 1],
          ["id", ">", "35", 4],
          ["words", "<", "w1", 10],
          ["day", "=", "1970-01-03", 10],
          ["price", "=", "3.25", 10]
        ] as const) {
          const found = yield* read(location, "--where", column, operator, value)
          assert.strictEqual(found.rows.length, rows, column)
          assert.strictEqual(found.files, 1, `${column}: only one file may be read`)
        }
        assert.strictEqual((yield* read(location, "--version", "2")).rows.length, 20)
      }),
    60_000
  )

  it.live(
    "opens a table with VARIANT and gets its two binary parts",
    () =>
      Effect.gen(function* () {
        const definition = table("main.default.variants(n INT NOT NULL, v VARIANT)")
        const store = yield* makeDurableTableStore({
          ...byHand,
          folder: yield* temporaryFolder,
          worker: false
        })
        const { location } = yield* store.create(definition)
        const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
        yield* append(writer, [json({ n: 1, v: '{"a":[1,2]}' }), json({ n: 2 })])
        yield* store.flush()
        const found = yield* read(location)
        assert.strictEqual(
          found.types["v"],
          "struct<metadata: binary not null, value: binary not null>"
        )
        // Metadata: version 1, sorted, one name "a". Value: an object whose field 0 is an array of
        // the 8-bit integers 1 and 2.
        const bytes = (...parts: ReadonlyArray<number>) => Buffer.from(parts).toString("base64")
        assert.deepStrictEqual(found.rows, [
          {
            n: "1",
            v: {
              metadata: bytes(0x11, 1, 0, 1, 97),
              value: bytes(2, 1, 0, 0, 9, 3, 2, 0, 2, 4, 12, 1, 12, 2)
            }
          },
          { n: "2", v: null }
        ])
      }),
    60_000
  )

  it.live(
    "reads a partitioned table and its values",
    () =>
      Effect.gen(function* () {
        const definition =
          table(`main.default.parted(n INT NOT NULL, word STRING, day DATE, at TIMESTAMP,
        price DECIMAL(9,2), flag BOOLEAN, big BIGINT)
        PARTITIONED BY (word, day, at, price, flag, big)`)
        const store = yield* makeDurableTableStore({
          ...byHand,
          folder: yield* temporaryFolder,
          worker: false
        })
        const { location } = yield* store.create(definition)
        const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
        const rows = ["plain", "a/b=c d%e", "žluť 🐎", null].map((word, n) => ({
          n,
          word,
          day: 20_000 + n,
          at: 1767225600000001 + n,
          price: `${n}.50`,
          flag: n % 2 === 0,
          big: n - 2
        }))
        yield* append(writer, rows.map(json))
        yield* store.flush()
        const found = yield* read(location)
        const sorted = [...found.rows].sort((a, b) => Number(a["n"]) - Number(b["n"]))
        assert.deepStrictEqual(
          sorted,
          rows.map((row) => ({
            ...row,
            n: String(row.n),
            day: String(row.day),
            at: String(row.at),
            big: String(row.big)
          }))
        )
        assert.strictEqual((yield* read(location, "--where", "word", "=", "a/b=c d%e")).files, 1)
      }),
    60_000
  )

  it.live(
    "reads the checkpoint alone",
    () =>
      Effect.gen(function* () {
        const store = yield* makeDurableTableStore({
          ...byHand,
          folder: yield* temporaryFolder,
          worker: false
        })
        const { location } = yield* store.create(everyType)
        const writer = yield* store.openWriter(everyType.name, { _tag: "Json" })
        for (let i = 0; i < 12; i++) {
          yield* append(writer, [json({ ...fullRecord, id: i })])
          yield* store.flush()
        }
        const log = Path.join(location, "_delta_log")
        const last = JSON.parse(
          yield* Effect.promise(() => Fs.readFile(Path.join(log, "_last_checkpoint"), "utf8"))
        ) as { version: number }
        assert.strictEqual(last.version, 10)
        for (let version = 0; version <= last.version; version++) {
          yield* Effect.promise(() =>
            Fs.rm(Path.join(log, `${String(version).padStart(20, "0")}.json`))
          )
        }
        const found = yield* read(location)
        assert.strictEqual(found.version, 12)
        assert.deepStrictEqual(
          found.rows.map((row) => Number(row["id"])).sort((a, b) => a - b),
          [...Array(12).keys()]
        )
        assert.strictEqual((yield* store.rows(everyType.name)).length, 12)
      }),
    60_000
  )

  it.live(
    "may take the version we wanted: both sets of rows stay",
    () =>
      Effect.gen(function* () {
        const definition = table("main.default.shared(id BIGINT, note STRING)")
        const store = yield* makeDurableTableStore({
          ...byHand,
          folder: yield* temporaryFolder,
          worker: true
        })
        const { location } = yield* store.create(definition)
        const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
        yield* append(writer, [json({ id: 1 })])
        yield* store.flush()
        yield* append(writer, [json({ id: 2, note: "ours" })])
        assert.strictEqual((yield* python("append", location, "id", "100", "101")).version, 2)
        yield* store.flush()
        const found = yield* read(location)
        assert.deepStrictEqual(
          found.rows.map((row) => Number(row["id"])).sort((a, b) => a - b),
          [1, 2, 100, 101]
        )
        for (let i = 3; i < 15; i++) {
          yield* append(writer, [json({ id: i })])
          yield* store.flush()
        }
        assert.strictEqual((yield* read(location)).rows.length, 16)
        assert.strictEqual((yield* store.rows(definition.name)).length, 16)
      }),
    60_000
  )

  it.live(
    "notices damage: it refuses a table with a missing data file and one with a gap in the log",
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
        for (let i = 0; i < 3; i++) {
          yield* append(writer, [json({ id: i })])
          yield* store.flush()
        }
        const data = (yield* Effect.promise(() => Fs.readdir(location))).find((name) =>
          name.endsWith(".parquet")
        )!
        yield* Effect.promise(() =>
          Fs.rename(Path.join(location, data), Path.join(location, "aside"))
        )
        yield* Effect.flip(read(location))
        yield* Effect.promise(() =>
          Fs.rename(Path.join(location, "aside"), Path.join(location, data))
        )
        assert.strictEqual((yield* read(location)).rows.length, 3)
        yield* Effect.promise(() =>
          Fs.rm(Path.join(location, "_delta_log", "00000000000000000002.json"))
        )
        yield* Effect.flip(read(location))
      }),
    60_000
  )
})
