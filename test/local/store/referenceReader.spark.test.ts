/**
 * The tables as Spark with Delta Lake, the reference, reads them. Needs `SPARK_PYTHON`; `npm run
 * test:spark` provides it.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { ColumnDefinition } from "../../../src/internal/columns/columnType.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { edgeJson } from "../../support/edgeRecords.ts"
import { cellRecords, compareCells, everyTypeColumns } from "../../support/foreignCells.ts"
import { killAfter } from "../../support/killedProcess.ts"
import { seeded } from "../../support/randomTables.ts"
import { agreesWithMatrix } from "../../support/readersMatrix.ts"
import {
  hasSpark,
  longForm,
  sharedSpark,
  startSpark,
  type SparkSession
} from "../../support/sparkSession.ts"
import { append, byHand, table, temporaryFolder } from "../../support/storedTables.ts"

let spark: SparkSession
const sql = (text: string) =>
  Effect.tryPromise({ try: () => spark.sql(text), catch: (error) => error as Error })
const read = (location: string, what = "*", rest = "") =>
  sql(`SELECT ${what} FROM delta.\`${location}\` ${rest}`)

/** A store, one table with these columns, and a way to append rows and to commit them. */
const makeTable = (
  name: string,
  columns: ReadonlyArray<ColumnDefinition>,
  partitionColumns?: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const definition = {
      name: `main.default.${name}`,
      columns,
      ...(partitionColumns && { partitionColumns })
    }
    const folder = yield* temporaryFolder
    const store = yield* makeDurableTableStore({
      ...byHand,
      folder,
      worker: false,
      limits: { compactFiles: 8, lookAfterMillis: 0 }
    })
    const { location } = yield* store.create(definition)
    const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
    return {
      location,
      stats: store.stats(definition.name),
      flush: store.flush(),
      add: (records: ReadonlyArray<unknown>) => append(writer, records.map(edgeJson))
    }
  })

describe.skipIf(!hasSpark)("Spark with Delta Lake", () => {
  beforeAll(async () => {
    spark = await sharedSpark()
  }, 180_000)

  const [count, rows] = longForm ? [2_000, 150] : [60, 1_700]
  it.live(
    `reads ${count} columns of every type, through commits, merges, a checkpoint and the ` +
      `checkpoint alone`,
    () =>
      Effect.gen(function* () {
        const columns = everyTypeColumns(count)
        const made = yield* makeTable("every", columns)
        const records = cellRecords(columns, rows)
        const first = rows - 11 * 10
        for (let from = 0; from < rows; from += from === 0 ? first : 10) {
          yield* made.add(
            records.slice(from, from === 0 ? first : from + 10).map((each) => each.json)
          )
          yield* made.flush
        }
        assert.isBelow((yield* made.stats).files, 12, "files were merged")
        const sent = records.map((each) => each.row)
        const found = compareCells(columns, sent, yield* read(made.location))
        console.log(`Spark ${spark.version}: ${found.cells} cells, ${found.wrong.length} wrong`)
        assert.deepStrictEqual(found.wrong.slice(0, 5), [])
        assert.strictEqual(found.cells, count * rows)
        agreesWithMatrix(`Spark ${spark.version}, Delta Lake 4.0.0`, found.types)

        const log = Path.join(made.location, "_delta_log")
        for (const name of yield* Effect.promise(() => Fs.readdir(log))) {
          if (/^0*[0-9]\.json$/.test(name)) yield* Effect.promise(() => Fs.rm(Path.join(log, name)))
        }
        const alone = yield* read(made.location, "count(*) AS n, count(DISTINCT id) AS ids")
        assert.deepStrictEqual(alone, [{ n: String(rows), ids: String(rows) }])
      }),
    longForm ? 1_800_000 : 300_000
  )

  if (longForm) {
    it.live(
      "a later Spark without Delta Lake reads every cell of the files alone",
      () =>
        Effect.gen(function* () {
          const later = yield* Effect.acquireRelease(
            Effect.promise(() => startSpark(process.env["SPARK_LATER_PYTHON"])),
            (session) => Effect.promise(session.stop)
          )
          const columns = everyTypeColumns(60)
          const made = yield* makeTable("files", columns)
          const records = cellRecords(columns)
          yield* made.add(records.map((each) => each.json))
          yield* made.flush
          const seen = yield* Effect.promise(() =>
            later.sql(`SELECT * FROM parquet.\`${made.location}\``)
          )
          const sent = records.map((each) => each.row)
          const found = compareCells(columns, sent, seen)
          console.log(
            `Spark ${later.version}, files alone: ${found.cells} cells, ${found.wrong.length} wrong`
          )
          assert.deepStrictEqual(found.wrong.slice(0, 5), [])
          agreesWithMatrix(`Spark ${later.version}, files alone`, found.types)
        }).pipe(Effect.scoped),
      1_800_000
    )
  }

  it.live(
    "gives the values of a VARIANT",
    () =>
      Effect.gen(function* () {
        const made = yield* makeTable(
          "variants",
          table("a.b.c(id BIGINT NOT NULL, v VARIANT)").columns
        )
        const values = [
          "null",
          "true",
          "-129",
          "9223372036854775807",
          "0.25",
          '"žluť 🐎"',
          "[]",
          '{"a":[1,{"b":null}]}'
        ]
        yield* made.add([...values.map((v, id) => ({ id, v })), { id: 99 }])
        yield* made.flush
        const seen = yield* read(made.location, "to_json(v) AS text", "ORDER BY id")
        assert.deepStrictEqual(
          seen.map(({ text }) => text),
          [...values, null]
        )
        const inner = yield* read(
          made.location,
          "variant_get(v, '$.a[0]', 'int') AS n",
          "WHERE id = 7"
        )
        assert.deepStrictEqual(inner, [{ n: "1" }])
      }),
    300_000
  )

  it.live(
    "reads partition values of every type and script, from the log and from the folders alone",
    () =>
      Effect.gen(function* () {
        const { columns } = table(
          "a.b.c(id BIGINT NOT NULL, word STRING, day DATE, at TIMESTAMP, ntz TIMESTAMP_NTZ, " +
            "price DECIMAL(9,2), flag BOOLEAN, real DOUBLE)"
        )
        const names = columns.slice(1).map((column) => column.name)
        const made = yield* makeTable("parts", columns, names)
        const words = [
          "plain",
          "a/b=c d%e",
          "двадцать кириллических букв",
          "žluť 🐎",
          "x".repeat(300),
          "",
          null
        ]
        const sent = words.map((word, id) => ({
          id,
          word: word === "" ? null : word,
          day: 20_000 - id,
          at: 1767225600000001n + BigInt(id),
          ntz: -1n,
          price: `${id}.50`,
          flag: id % 2 === 0,
          real: id === 3 ? 1e300 : 0.1 - id
        }))
        yield* made.add(
          sent.map((row) => ({
            ...row,
            word: words[row.id],
            at: String(row.at),
            ntz: String(row.ntz)
          }))
        )
        yield* made.flush
        assert.deepStrictEqual(compareCells(columns, sent, yield* read(made.location)).wrong, [])
        const only = yield* read(
          made.location,
          "id",
          "WHERE word = 'двадцать кириллических букв' AND price = 2.50"
        )
        assert.deepStrictEqual(only, [{ id: "2" }])

        // Without its log, the table is Parquet files in folders. The folder of the long value must
        // not be read as a value.
        const alone = yield* temporaryFolder
        const filter = (path: string) =>
          !path.includes("_delta_log") && !path.includes("partition-")
        yield* Effect.promise(() => Fs.cp(made.location, alone, { recursive: true, filter }))
        const told = yield* sql(`SELECT id, word FROM parquet.\`${alone}\` ORDER BY id`)
        assert.deepStrictEqual(
          told,
          sent
            .filter(({ word }) => (word?.length ?? 0) < 300)
            .map(({ id, word }) => ({ id: String(id), word }))
        )
      }),
    300_000
  )

  it.live(
    "skips files by our statistics without losing a row",
    () =>
      Effect.gen(function* () {
        const random = seeded(7)
        const { columns } = table(
          `a.b.c(id BIGINT NOT NULL, flag BOOLEAN, n INT, real DOUBLE, word STRING, day DATE,
            at TIMESTAMP, ntz TIMESTAMP_NTZ,
            price DECIMAL(9,2), huge DECIMAL(38,10), s STRUCT<x: SMALLINT, w: STRING>)`
        )
        const made = yield* makeTable("skipped", columns)
        const words = ["a", "b".repeat(40), `${"b".repeat(32)}\u{10FFFF}`, "žluť", "", "Z"]
        const sent: Array<Record<string, unknown>> = []
        for (let file = 0; file < 6; file++) {
          const records = Array.from({ length: 8 }, (_, n) => {
            const value = Math.floor(random() * 40) + file * 10
            return {
              id: sent.length + n,
              flag: file % 3 === 2 ? n % 2 === 0 : file % 3 === 0,
              n: n === 0 ? null : value,
              real: n === 1 && file === 2 ? "NaN" : value / 4,
              word: words[(file + (n >> 2)) % words.length]!,
              day: value,
              at: value * 1_000_001,
              ntz: -value * 1_000_001,
              price: `${value}.25`,
              huge: `-${value}.0000000001`,
              s: n === 2 ? null : { x: value, w: words[value % words.length]! }
            }
          })
          yield* made.add(records)
          yield* made.flush
          sent.push(...records)
        }
        const number = (field: (row: any) => unknown) => (row: any) =>
          field(row) === null ? null : Number(field(row))
        const fields: ReadonlyArray<
          readonly [string, (value: number) => string, (row: any) => number | null]
        > = [
          ["n", String, number((row) => row.n)],
          // Spark orders NaN above every other number.
          [
            "real",
            (value) => String(value / 4),
            (row) => (row.real === "NaN" ? Infinity : row.real * 4)
          ],
          ["day", (value) => `date_from_unix_date(${value})`, number((row) => row.day)],
          [
            "at",
            (value) => `timestamp_micros(${value * 1_000_001})`,
            number((row) => row.at / 1_000_001)
          ],
          ["price", (value) => `${value}.25`, number((row) => Math.floor(row.price))],
          ["s.x", String, number((row) => row.s?.x ?? null)]
        ]
        const compare: Record<string, (a: number, b: number) => boolean> = {
          "<": (a, b) => a < b,
          "=": (a, b) => a === b,
          ">=": (a, b) => a >= b
        }
        const cases: Array<readonly [string, ReadonlyArray<number>]> = []
        const ids = (keep: (row: any) => boolean) =>
          sent.filter(keep).map((row) => row["id"] as number)
        for (const [column, literal, valueOf] of fields) {
          for (let round = 0; round < (longForm ? 20 : 1); round++) {
            for (const [operator, holds] of Object.entries(compare)) {
              const value = Math.floor(random() * 100)
              const keep = (row: any) => valueOf(row) !== null && holds(valueOf(row)!, value)
              cases.push([`${column} ${operator} ${literal(value)}`, ids(keep)])
            }
          }
        }
        for (const word of words) cases.push([`word = '${word}'`, ids((row) => row.word === word)])
        for (const flag of [true, false])
          cases.push([`flag = ${flag}`, ids((row) => row.flag === flag)])
        cases.push(
          ["isnan(real)", ids((row) => row.real === "NaN")],
          ["n IS NULL", ids((row) => row.n === null)]
        )
        // Several predicates in one statement: each selects its own files, and a statement costs
        // much more than a predicate.
        for (let first = 0; first < cases.length; first += 15) {
          const some = cases.slice(first, first + 15)
          const seen = yield* sql(
            some
              .map(
                ([where], n) =>
                  `SELECT ${n} AS n, id FROM delta.\`${made.location}\` WHERE ${where}`
              )
              .join(" UNION ALL ")
          )
          some.forEach(([where, expected], n) => {
            const found = seen
              .filter((row) => row["n"] === String(n))
              .map((row) => Number(row["id"]))
            assert.deepStrictEqual(
              found.sort((a, b) => a - b),
              expected,
              where
            )
          })
        }
      }),
    longForm ? 1_800_000 : 300_000
  )

  it.live(
    "travels in time, shows the history, and its OPTIMIZE and VACUUM leave the table to both",
    () =>
      Effect.gen(function* () {
        const made = yield* makeTable(
          "history",
          table("a.b.c(id BIGINT NOT NULL, ntz TIMESTAMP_NTZ)").columns
        )
        for (let id = 0; id < 4; id++) {
          yield* made.add([{ id, ntz: id }])
          yield* made.flush
        }
        assert.deepStrictEqual(yield* read(made.location, "count(*) AS n", "VERSION AS OF 2"), [
          { n: "2" }
        ])
        const history = yield* sql(`DESCRIBE HISTORY delta.\`${made.location}\``)
        assert.deepStrictEqual(
          history.map(({ operation, version }) => `${String(version)} ${String(operation)}`),
          ["4", "3", "2", "1"]
            .map((version) => `${version} STREAMING UPDATE`)
            .concat("0 CREATE TABLE")
        )
        yield* sql(`OPTIMIZE delta.\`${made.location}\``)
        const files = () =>
          Fs.readdir(made.location).then((names) =>
            names.filter((name) => name.endsWith(".parquet"))
          )
        assert.lengthOf(yield* Effect.promise(files), 5)
        yield* sql(`VACUUM delta.\`${made.location}\` RETAIN 0 HOURS`)
        assert.lengthOf(yield* Effect.promise(files), 1)
        yield* made.add([{ id: 4 }])
        yield* made.flush
        const ids = yield* read(made.location, "id", "ORDER BY id")
        assert.deepStrictEqual(
          ids,
          ["0", "1", "2", "3", "4"].map((id) => ({ id }))
        )
        assert.strictEqual((yield* made.stats).rows, 5)
      }),
    300_000
  )

  it.live(
    "finds every acknowledged record once after a kill",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const acknowledged = yield* Effect.promise(() => killAfter(folder, 0, 2_000, []))
        yield* makeDurableTableStore({ ...byHand, folder, worker: false })
        const rows = yield* read(Path.join(folder, "main/default/killed"), "id")
        const ids = new Set(rows.map(({ id }) => Number(id)))
        assert.strictEqual(ids.size, rows.length)
        assert.deepStrictEqual(
          acknowledged.filter((id) => !ids.has(id)),
          []
        )
        assert.isAbove(acknowledged.length, 1_000)
      }),
    300_000
  )

  it.live(
    "opens the tables of an earlier version after their next write",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const kept = Path.join(import.meta.dirname, "../../fixtures/killedFolder/data")
        yield* Effect.promise(() => Fs.cp(kept, folder, { recursive: true }))
        // Opening commits the logged rows; merging rewrites files with the annotation that Spark
        // refuses.
        yield* makeDurableTableStore({
          ...byHand,
          folder,
          worker: false,
          limits: { compactFiles: 5 }
        })
        for (const [name, rows] of [
          ["plain", 8],
          ["zoneless", 8],
          ["variants", 58],
          ["parts", 8]
        ] as const) {
          const seen = yield* read(Path.join(folder, "main/kept", name))
          assert.strictEqual(seen.length, rows, name)
        }
      }),
    300_000
  )

  it.live(
    "refuses NOT NULL inside a collection, as we do",
    () =>
      Effect.gen(function* () {
        const place = yield* temporaryFolder
        const create = (columns: string) =>
          sql(`CREATE TABLE delta.\`${place}/${columns.length}\` (${columns}) USING delta`)
        const refused = yield* Effect.flip(create("l ARRAY<STRUCT<x: INT NOT NULL>>"))
        assert.include(refused.message, "DELTA_NESTED_NOT_NULL_CONSTRAINT")
        yield* create("id INT NOT NULL, s STRUCT<x: INT NOT NULL>")
      }),
    300_000
  )
})
