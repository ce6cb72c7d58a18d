/**
 * Every cell of a table with 60 columns of all types, read by other readers than ours. `npm run
 * test:delta` provides them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { ColumnDefinition } from "../../../src/internal/columns/columnType.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { duckdbVersion, readDuckdb } from "../../support/duckdbCells.ts"
import { edgeJson } from "../../support/edgeRecords.ts"
import {
  cellRecords,
  compareCells,
  everyTypeColumns,
  withoutNullCollections,
  withoutVariants
} from "../../support/foreignCells.ts"
import { deltaPython } from "../../support/pythonProcess.ts"
import { agreesWithMatrix } from "../../support/readersMatrix.ts"
import { append, byHand, temporaryFolder } from "../../support/storedTables.ts"

interface Seen {
  readonly version: string
  readonly rows: ReadonlyArray<Readonly<Record<string, unknown>>>
}

const script = fileURLToPath(new URL("../../support/readCells.py", import.meta.url))

/** The rows of a table as a reader of `readCells.py` prints them. */
const python = (reader: string) => async (location: string) => {
  const { stdout } = await promisify(execFile)(deltaPython, [script, reader, location], {
    maxBuffer: 1 << 29
  })
  return JSON.parse(stdout) as Seen
}

const duckdb = async (
  location: string,
  columns: ReadonlyArray<ColumnDefinition>
): Promise<Seen> => ({
  version: duckdbVersion,
  rows: await readDuckdb(location, columns)
})

/** The content of a table with these columns, as a reader returns it. */
const compared = Effect.fnUntraced(function* (
  columns: ReadonlyArray<ColumnDefinition>,
  read: (location: string, columns: ReadonlyArray<ColumnDefinition>) => Promise<Seen>
) {
  const store = yield* makeDurableTableStore({
    ...byHand,
    folder: yield* temporaryFolder,
    worker: false
  })
  const { location } = yield* store.create({ name: "main.default.every", columns })
  const writer = yield* store.openWriter("main.default.every", { _tag: "Json" })
  const records = cellRecords(columns)
  for (const part of [records.slice(0, 700), records.slice(700)]) {
    yield* append(
      writer,
      part.map((each) => edgeJson(each.json))
    )
    yield* store.flush()
  }
  const seen = yield* Effect.tryPromise({
    try: () => read(location, columns),
    catch: (error) => error as Error
  })
  const sent = records.map((each) => each.row)
  return { version: seen.version, ...compareCells(columns, sent, seen.rows) }
})

const every = everyTypeColumns(60)

describe("every cell", () => {
  for (const [reader, read] of [
    ["delta-rs", python("delta-rs")],
    ["Polars", python("Polars")],
    ["DuckDB", duckdb]
  ] as const) {
    it.live(
      `is right in ${reader}`,
      () =>
        Effect.gen(function* () {
          const { cells, types, version, wrong } = yield* compared(every, read)
          console.log(`${reader} ${version}: ${cells} cells, ${wrong.length} wrong`)
          assert.deepStrictEqual(wrong.slice(0, 5), [])
          assert.isAtLeast(cells, 100_000)
          agreesWithMatrix(`${reader} ${version}`, types)
        }),
      300_000
    )
  }

  it.live(
    "is right in chdb, of the types that it has",
    () =>
      Effect.gen(function* () {
        const read = python("chdb")
        const refused = yield* Effect.flip(compared(every, read))
        assert.include(refused.message, "Unsupported Variant data type")
        const known = withoutVariants(every)
        const { cells, types, version, wrong } = yield* compared(
          withoutNullCollections(known),
          read
        )
        console.log(
          `chdb ${version}: ${cells} cells, ${wrong.length} wrong, without NULL collections and ` +
            `VARIANT`
        )
        assert.deepStrictEqual(wrong.slice(0, 5), [])
        assert.isAtLeast(cells, 100_000)
        const withNulls = (yield* compared(known, read)).types
        const found = Object.entries(types).map(([type, right]) => [
          type,
          withNulls[type] === right ? right : "not NULL"
        ])
        agreesWithMatrix(`chdb ${version}`, { ...Object.fromEntries(found), VARIANT: "no" })
      }),
    300_000
  )
})
