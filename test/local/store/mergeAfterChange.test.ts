/**
 * Merging small files after another writer changed the columns: rows keep their values, and files
 * from before the change do not prevent later merges and checkpoints.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import type { ColumnType, TableDefinition } from "../../../src/internal/columns/columnType.ts"
import { logFolder } from "../../../src/local/delta/deltaLog.ts"
import { filePath } from "../../../src/local/delta/filePaths.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { type Flusher, localFlusher } from "../../../src/local/flush/flusher.ts"
import { field, otherWriter, withFields } from "../../support/otherWriter.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const fewest = 4

/** A table, another writer, and flushes of four rows each, with their warnings. */
const setup = (definition: TableDefinition, recordOf: (id: number) => object) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const warnings: Array<string> = []
    const inner = localFlusher()
    const flusher: Flusher = {
      ...inner,
      flush: async (job) => {
        const outcome = await inner.flush(job)
        if (outcome.warning !== undefined) warnings.push(outcome.warning)
        return outcome
      }
    }
    const limits = { compactFiles: fewest, lookAfterMillis: 0 }
    const store = yield* makeDurableTableStore({ ...byHand, folder, flusher, limits })
    const { location } = yield* store.create(definition)
    const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
    let next = 0
    const flushes = (count: number) =>
      Effect.gen(function* () {
        for (let n = 0; n < count; n++) {
          yield* append(
            writer,
            Array.from({ length: 4 }, () => json(recordOf(next++)))
          )
          yield* store.flush()
        }
      })
    const rows = Effect.map(store.rows(definition.name), (found) =>
      [...found].sort((a, b) => Number(a["n"]) - Number(b["n"]))
    )
    return { ...otherWriter(location), location, warnings, flushes, rows }
  })

/** The same type with NULL allowed everywhere, in the JSON of a schema. */
const relaxed = (type: any): any => {
  if (typeof type !== "object") return type
  if (type.type === "array")
    return { ...type, elementType: relaxed(type.elementType), containsNull: true }
  if (type.type === "map")
    return { ...type, valueType: relaxed(type.valueType), valueContainsNull: true }
  return { ...type, fields: relaxedFields(type.fields) }
}
const relaxedFields = (fields: ReadonlyArray<any>): Array<any> =>
  fields.map((each) => ({ ...each, type: relaxed(each.type), nullable: true }))

const int: ColumnType = { _tag: "Int" }
const ofColumn = (type: ColumnType): TableDefinition => ({
  name: "main.default.t",
  columns: [
    { name: "n", type: int, nullable: true },
    { name: "c", type, nullable: true }
  ]
})
const ofText = (column: string): TableDefinition => table(`main.default.t(n INT, c ${column})`)

/** Columns that forbid NULL somewhere, each with the value of a record and of its row. */
const columns: ReadonlyArray<
  readonly [
    what: string,
    definition: TableDefinition,
    value: (n: number) => unknown,
    row?: (n: number) => unknown
  ]
> = [
  ["BIGINT", ofText("BIGINT NOT NULL"), (n) => n * 258, (n) => BigInt(n * 258)],
  ["INT", ofText("INT NOT NULL"), (n) => 2 * n + 3],
  ["DOUBLE", ofText("DOUBLE NOT NULL"), (n) => n / 3],
  ["BOOLEAN", ofText("BOOLEAN NOT NULL"), (n) => n % 3 === 0],
  ["STRING", ofText("STRING NOT NULL"), (n) => `text ${n}`],
  [
    "DECIMAL of fixed width",
    ofText("DECIMAL(38,2) NOT NULL"),
    (n) => `9${n}123456789012345678901.25`
  ],
  ["STRUCT", ofText("STRUCT<a: INT> NOT NULL"), (n) => ({ a: n })],
  ["a field of a STRUCT", ofText("STRUCT<a: INT NOT NULL>"), (n) => ({ a: n })],
  [
    "STRUCT in STRUCT",
    ofText("STRUCT<a: STRUCT<b: STRING NOT NULL> NOT NULL> NOT NULL"),
    (n) => ({ a: { b: `b${n}` } })
  ],
  [
    "elements of an ARRAY",
    ofColumn({ _tag: "Array", element: int, containsNull: false }),
    (n) => [n, n + 1]
  ],
  [
    "values of a MAP",
    ofColumn({ _tag: "Map", key: { _tag: "String" }, value: int, valueContainsNull: false }),
    (n) => ({ k: n }),
    (n) => new Map([["k", n]])
  ]
]

describe("after NOT NULL was dropped", () => {
  for (const [what, definition, value, row = value] of columns) {
    it.live(`${what}: merging changes no row`, () =>
      Effect.gen(function* () {
        const made = yield* setup(definition, (n) => ({ n, c: value(n) }))
        yield* made.flushes(fewest - 1)
        const before = yield* made.log
        yield* made.commit(withFields(yield* made.metadata, relaxedFields))
        yield* made.flushes(2 * fewest)
        assert.deepStrictEqual(
          yield* made.rows,
          Array.from({ length: (3 * fewest - 1) * 4 }, (_, n) => ({ n, c: row(n) }))
        )
        assert.deepStrictEqual(made.warnings, [])
        const { files } = (yield* made.log).snapshot
        for (const path of before.snapshot.files.keys())
          assert.isTrue(files.has(path), "it has the old columns")
        assert.isAtMost(files.size, 2 * fewest, "files with the new columns are merged")
      })
    )
  }
})

describe("after the columns became others", () => {
  for (const [what, change] of [
    ["a new column", (fields: Array<any>) => [...fields, field("more", "long")]],
    ["another order", (fields: Array<any>) => fields.toReversed()]
  ] as const) {
    it.live(`${what}: merges and checkpoints go on, and old files are read once`, () =>
      Effect.gen(function* () {
        const made = yield* setup(ofText("STRING"), (n) => ({ n, c: `c${n}` }))
        yield* made.flushes(fewest - 1)
        const old = [...(yield* made.log).snapshot.files.values()]
        yield* made.commit(withFields(yield* made.metadata, change))
        yield* made.flushes(2)
        assert.lengthOf(yield* made.rows, (fewest + 1) * 4)
        // Reading one of them again would fail.
        for (const { path } of old)
          yield* Effect.promise(() => Fs.rm(filePath(made.location, path)))
        yield* made.flushes(3 * fewest)
        assert.deepStrictEqual(made.warnings, [])
        assert.isAtMost((yield* made.log).snapshot.files.size, 2 * fewest)
        const names = yield* Effect.promise(() => Fs.readdir(logFolder(made.location)))
        assert.isTrue(names.some((name) => name.endsWith(".checkpoint.parquet")))
      })
    )
  }
})

it.live("a merge that fails is a warning, and checkpoints go on", () =>
  Effect.gen(function* () {
    const made = yield* setup(ofText("STRING"), (n) => ({ n, c: `c${n}` }))
    // The look at the second flush confirms the first file; from then on, it is not committed
    // again.
    yield* made.flushes(2)
    const [lost] = (yield* made.log).snapshot.files.values()
    yield* Effect.promise(() => Fs.rm(filePath(made.location, lost!.path)))
    yield* made.flushes(10)
    assert.match(made.warnings.at(-1) ?? "", /its rows are safe\. compaction: .*ENOENT/)
    const names = yield* Effect.promise(() => Fs.readdir(logFolder(made.location)))
    assert.isTrue(names.some((name) => name.endsWith(".checkpoint.parquet")))
  })
)
