/**
 * `zerobus local --tables FILE`: reads a file of CREATE TABLE statements and computes the changes
 * that a server needs.
 *
 * Tables are created, and nullable columns and fields are added. Nothing is dropped or changed: a
 * table that is not in the file stays, and other differences are reported.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Fs from "node:fs/promises"
import { additionsOf } from "../../internal/columns/columnAddition.ts"
import {
  type ColumnDefinition,
  fullTypeText,
  parseTables,
  type TableDefinition
} from "../../internal/columns/columnType.ts"
import type { ZerobusLocalShape } from "../../testing/ZerobusLocal.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import { counted } from "../terminal/progress.ts"
import { partitionsOf, problemText, tagDifference } from "./tableDefinition.ts"

/** A difference between the file and the table that cannot be applied. */
export interface Unchangeable {
  readonly kind:
    | "COLUMN_LEFT_OUT"
    | "COLUMN_CHANGED"
    | "COLUMN_TAG"
    | "NEW_COLUMN_NOT_NULL"
    | "PARTITIONING"
  /** The column, or the path of a field; undefined for the partitioning. */
  readonly column?: string
  /** A sentence. */
  readonly message: string
}

/** The changes that bring a table in line with the file. */
export interface TableChange {
  readonly definition: TableDefinition
  /** Columns to add. Undefined when the table must be created. */
  readonly added: ReadonlyArray<ColumnDefinition> | undefined
  readonly unchangeable: ReadonlyArray<Unchangeable>
}

/** Maximum size of the file, in bytes. */
const maxBytes = 1_000_000

/** Reads the file. */
export const readTablesFile = (
  path: string
): Effect.Effect<ReadonlyArray<TableDefinition>, CommandFailed> =>
  Effect.gen(function* () {
    const text = yield* Effect.tryPromise({
      try: async () => {
        const found = await Fs.stat(path)
        if (!found.isFile()) throw new Error("It is not a plain file.")
        if (found.size > maxBytes)
          throw new Error(`It is larger than ${maxBytes} bytes, the limit for a list of tables.`)
        return Fs.readFile(path, "utf8")
      },
      catch: (error) => {
        const { code, message } = error as NodeJS.ErrnoException
        return failed(
          `The file ${path} of --tables cannot be read: ` +
            `${code === undefined ? message : `${code}.`} Check its name and your rights.`
        )
      }
    })
    return yield* Effect.mapError(Effect.fromResult(parseTables(text)), (problem) =>
      failed(`The tables of ${path} cannot be read. ${problemText(problem)}`)
    )
  })

/** The changes that bring an existing table in line with the file. */
export const changeOf = (wanted: TableDefinition, existing: TableDefinition): TableChange => {
  const left = new Map(wanted.columns.map((column) => [column.name.toLowerCase(), column]))
  const added: Array<ColumnDefinition> = []
  const unchangeable: Array<Unchangeable> = []
  const add = (columns: ReadonlyArray<ColumnDefinition>) => {
    for (const column of columns) {
      if (column.nullable) added.push(column)
      else {
        const message =
          `The new column ${column.name} is NOT NULL, and rows that exist have ` + `nothing there.`
        unchangeable.push({ kind: "NEW_COLUMN_NOT_NULL", column: column.name, message })
      }
    }
  }
  for (const column of existing.columns) {
    const { name } = column
    const now = left.get(name.toLowerCase())
    left.delete(name.toLowerCase())
    if (now === undefined) {
      unchangeable.push({
        kind: "COLUMN_LEFT_OUT",
        column: name,
        message: `The table also has the column ${name}.`
      })
      continue
    }
    const inside = additionsOf([column], [now])
    if (Result.isSuccess(inside)) add(inside.success)
    else {
      const { nullable, type } = column
      const sql = `${fullTypeText(type)}${nullable ? "" : " NOT NULL"}`
      const message = `The column ${name} is ${sql} in the table.`
      unchangeable.push({ kind: "COLUMN_CHANGED", column: name, message })
    }
    const tagged = tagDifference(now, column)
    if (tagged !== undefined)
      unchangeable.push({ kind: "COLUMN_TAG", column: name, message: `The ${tagged}.` })
  }
  add([...left.values()])
  const [here, there] = [partitionsOf(wanted), partitionsOf(existing)]
  if (here !== there)
    unchangeable.push({ kind: "PARTITIONING", message: `The table is ${there}, not ${here}.` })
  return { definition: { ...wanted, name: existing.name }, added, unchangeable }
}

/**
 * The changes that bring a server's tables in line with the file. Tables without changes are
 * omitted.
 */
export const changesFor = (
  local: ZerobusLocalShape,
  wanted: ReadonlyArray<TableDefinition>
): Effect.Effect<ReadonlyArray<TableChange>> =>
  Effect.map(
    Effect.forEach(wanted, (definition) =>
      Effect.map(
        local.getTable(definition.name),
        Option.match({
          onNone: (): TableChange => ({ definition, added: undefined, unchangeable: [] }),
          onSome: (existing) => changeOf(definition, existing.definition)
        })
      )
    ),
    (changes) =>
      changes.filter(({ added, unchangeable }) => added?.length !== 0 || unchangeable.length > 0)
  )

/** Creates the table or adds its columns. Other differences are left as they are. */
export const applyChange = (
  local: ZerobusLocalShape,
  { added, definition }: TableChange
): Effect.Effect<void, CommandFailed> =>
  added === undefined
    ? Effect.asVoid(Effect.mapError(local.createTable(definition), because))
    : added.length === 0
      ? Effect.void
      : Effect.asVoid(Effect.mapError(local.addColumns(definition.name, added), because))

/**
 * Applies the file when a server starts. When a table differs, it fails with the differences before
 * any table is created or changed. With `grow`, missing columns are added instead.
 */
export const ensureTables = Effect.fnUntraced(function* (
  local: ZerobusLocalShape,
  path: string,
  wanted: ReadonlyArray<TableDefinition>,
  grow: boolean
): Effect.fn.Return<void, CommandFailed> {
  const changes = yield* changesFor(local, wanted)
  const differences = changes.flatMap(({ added = [], definition, unchangeable }) => {
    const missing = grow ? [] : added.map(({ name }) => `It has no column ${name}.`)
    const found = [...missing, ...unchangeable.map(({ message }) => message)]
    return found.length === 0 ? [] : [`${definition.name}: ${found.join(" ")}`]
  })
  if (differences.length > 0) {
    const more =
      differences.length > mostShown
        ? ` ${counted(differences.length - mostShown, "further table")}, too.`
        : ""
    return yield* failed(
      `Tables that exist differ from ${path}. ` +
        `${differences.slice(0, mostShown).join(" ")}${more} Change the file, ` +
        `take another --data-dir, or drop the table and its ` +
        `data${grow ? "" : "; --watch adds columns that may be NULL"}.`
    )
  }
  yield* Effect.forEach(changes, (change) => applyChange(local, change), { discard: true })
})

/** Most tables whose differences are shown. */
const mostShown = 10
