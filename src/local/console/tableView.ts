/**
 * The detailed view of a table: its columns, its last rows as text, and SQL that reads it. Columns,
 * rows and the length of values are limited.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  type ColumnDefinition,
  shownTypeText,
  type TableDefinition
} from "../../internal/columns/columnType.ts"
import { tableKey, type TableRecord, type TableStoreShape } from "../store/tableStore.ts"
import type { ColumnRow, TableView } from "./consoleMessages.ts"
import { shownText, shownValue } from "./shownValue.ts"

const maxRows = 50
const maxValueColumns = 60
const maxValueLength = 160
const maxTypeLength = 2000

/** The view of a table; undefined when no table has this name. */
export const tableView = Effect.fnUntraced(function* (
  store: TableStoreShape,
  name: string
): Effect.fn.Return<TableView | undefined> {
  const served = yield* store.get(name)
  if (Option.isSome(served)) return yield* servedView(store, served.value)
  const unserved = yield* Effect.orElseSucceed(store.unserved, () => [])
  const found = unserved.find((table) => tableKey(table.name) === tableKey(name))
  if (found === undefined) return undefined
  return {
    ...described(found.definition ?? { name: found.name, columns: [] }),
    location: found.location,
    problem: found.problem,
    rows: [],
    rowsProblem: "The table is not served."
  }
})

const servedView = Effect.fnUntraced(function* (
  store: TableStoreShape,
  { definition, location, problem }: TableRecord
): Effect.fn.Return<TableView> {
  const columns = definition.columns.slice(0, maxValueColumns)
  const found = yield* Effect.result(store.lastRows(definition.name, maxRows))
  const shown =
    found._tag === "Success"
      ? { rows: found.success.map((row) => valuesOf(columns, row)).reverse(), rowsProblem: null }
      : { rows: [], rowsProblem: found.failure.message }
  return {
    ...described(definition),
    location: location.startsWith("memory:") ? null : location,
    problem: problem ?? null,
    ...shown
  }
})

const valuesOf = (
  columns: ReadonlyArray<ColumnDefinition>,
  row: Readonly<Record<string, unknown>>
) => columns.map(({ name, type }) => shownValue(type, row[name], maxValueLength))

const described = ({ columns, comment, name, partitionColumns = [] }: TableDefinition) => ({
  name,
  comment: comment === undefined ? null : shownText(comment, maxTypeLength),
  columns: columns.map((column): ColumnRow => ({
    name: column.name,
    type: shownText(shownTypeText(column.type), maxTypeLength),
    nullable: column.nullable,
    partition: partitionColumns.includes(column.name)
  })),
  columnsLeftOut: Math.max(0, columns.length - maxValueColumns),
  sql: `SELECT *\nFROM ${name}\nLIMIT 20`
})
