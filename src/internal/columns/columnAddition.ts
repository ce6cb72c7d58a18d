/**
 * Adding columns to a table, and fields to its STRUCTs. The name of an added column may be a path:
 * `a.b` is the field `b` of the STRUCT `a`. `a.element.b` is a field inside an ARRAY, `a.key.b` and
 * `a.value.b` inside a MAP.
 */
import * as Result from "effect/Result"
import { definitionProblem } from "./columnRules.ts"
import {
  type ColumnDefinition,
  type ColumnType,
  fullTypeText,
  type TableDefinition,
  typeText
} from "./columnType.ts"
import { isSimple } from "./scalarTypes.ts"

type Columns = ReadonlyArray<ColumnDefinition>

const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** The part of a type with this name in paths. The parts of a STRUCT are its fields. */
const partOf = (type: ColumnType, name: string): ColumnType | undefined => {
  if (isSimple(type)) return undefined
  switch (type._tag) {
    case "Array":
      return name === "element" ? type.element : undefined
    case "Map":
      return name === "key" ? type.key : name === "value" ? type.value : undefined
    case "Struct":
      return type.fields.find((field) => sameName(field.name, name))?.type
  }
}

const typeAt = (columns: Columns, path: ReadonlyArray<string>): ColumnType | undefined =>
  path.reduce<ColumnType | undefined>((type, name) => type && partOf(type, name), {
    _tag: "Struct",
    fields: columns
  })

/** Whether the columns contain one with this name or path. */
export const hasColumn = (columns: Columns, path: string): boolean =>
  typeAt(columns, path.split(".")) !== undefined

/** The path of an existing column, its last name spelled as in the columns. */
const knownName = (columns: Columns, path: ReadonlyArray<string>): string | undefined => {
  const above = path.slice(0, -1)
  const place = typeAt(columns, above)
  const found =
    place?._tag === "Struct"
      ? place.fields.find(({ name }) => sameName(name, path.at(-1)!))
      : undefined
  return found === undefined ? undefined : [...above, found.name].join(".")
}

const grown = (
  type: ColumnType,
  path: ReadonlyArray<string>,
  added: ColumnDefinition
): ColumnType => {
  if (isSimple(type)) return type
  const [name = "", ...rest] = path
  switch (type._tag) {
    case "Array":
      return { ...type, element: grown(type.element, rest, added) }
    case "Map":
      return name === "key"
        ? { ...type, key: grown(type.key, rest, added) }
        : { ...type, value: grown(type.value, rest, added) }
    case "Struct":
      return { ...type, fields: withColumn(type.fields, path, added) }
  }
}

const withColumn = (
  columns: Columns,
  path: ReadonlyArray<string>,
  added: ColumnDefinition
): Columns => {
  const [name = "", ...rest] = path
  if (rest.length === 0) return [...columns, { ...added, name }]
  return columns.map((column) =>
    sameName(column.name, name) ? { ...column, type: grown(column.type, rest, added) } : column
  )
}

/**
 * The definition of a table with further columns at its end, and further fields at the end of its
 * STRUCTs.
 */
export const withColumns = (table: TableDefinition, added: Columns): TableDefinition => ({
  ...table,
  columns: added.reduce(
    (columns, column) => withColumn(columns, column.name.split("."), column),
    table.columns
  )
})

/** Why a column cannot be placed in a table, as a sentence. */
const placeProblem = (
  { columns, name: table }: TableDefinition,
  { name }: ColumnDefinition
): string | undefined => {
  const path = name.split(".")
  const above = path.slice(0, -1)
  const place = typeAt(columns, above)
  if (place === undefined) {
    const ends = above.map((_, n) => above.slice(0, n + 1))
    const missing = ends.find((end) => typeAt(columns, end) === undefined) ?? above
    return `The table ${table} has no column ${missing.join(".").slice(0, 128)}. Add that first.`
  }
  if (place._tag !== "Struct") {
    const inside = place._tag === "Array" ? "element" : place._tag === "Map" ? "value" : undefined
    const way =
      inside === undefined
        ? ""
        : ` Its fields are those of ${above.join(".").slice(0, 128)}.${inside}.`
    const name = above.join(".").slice(0, 128)
    return `The column ${name} is not a STRUCT and cannot have fields.${way}`
  }
  return undefined
}

/** Why columns cannot be added to a table, as a sentence, or `undefined` when they can. */
export const additionProblem = (table: TableDefinition, added: Columns): string | undefined => {
  const required = added.find(({ nullable }) => !nullable)
  if (required !== undefined) {
    return (
      `The column ${required.name.slice(0, 128)} cannot be added as NOT NULL: the rows that ` +
      `${table.name} has ` +
      "would be NULL there. Leave NOT NULL out."
    )
  }
  if (added.length === 0) return "No column is named."
  let now = table
  for (const column of added) {
    const known = knownName(table.columns, column.name.split("."))
    if (known !== undefined)
      return `The table ${table.name} has the column ${known} already. Leave it out.`
    const problem = placeProblem(now, column)
    if (problem !== undefined) return problem
    now = withColumns(now, [column])
  }
  return definitionProblem(now)
}

/**
 * The columns that `asked` has and the table does not, each named by its path. Fails with a
 * sentence when `asked` lacks or changes a column.
 */
export const additionsOf = (columns: Columns, asked: Columns): Result.Result<Columns, string> =>
  addedTo([], columns, asked)

const addedTo = (
  above: ReadonlyArray<string>,
  columns: Columns,
  asked: Columns
): Result.Result<Columns, string> => {
  const left = new Map(asked.map((column) => [column.name.toLowerCase(), column]))
  const inside = columns.map((column): Result.Result<Columns, string> => {
    const path = [...above, column.name]
    const now = left.get(column.name.toLowerCase())
    if (now === undefined) {
      return Result.fail(
        `The column ${path.join(".")} is not listed. Columns cannot be dropped here.`
      )
    }
    left.delete(column.name.toLowerCase())
    return now.nullable === column.nullable
      ? addedIn(path, column.type, now.type)
      : unchangeable(path, column.type)
  })
  return Result.map(Result.all(inside), (found) => [
    ...found.flat(),
    ...[...left.values()].map((column) => ({ ...column, name: [...above, column.name].join(".") }))
  ])
}

const addedIn = (
  path: ReadonlyArray<string>,
  type: ColumnType,
  asked: ColumnType
): Result.Result<Columns, string> => {
  if (type._tag === "Struct" && asked._tag === "Struct")
    return addedTo(path, type.fields, asked.fields)
  if (type._tag === "Array" && asked._tag === "Array")
    return addedIn([...path, "element"], type.element, asked.element)
  if (type._tag === "Map" && asked._tag === "Map") {
    const parts = [
      addedIn([...path, "key"], type.key, asked.key),
      addedIn([...path, "value"], type.value, asked.value)
    ]
    return Result.map(Result.all(parts), (found) => found.flat())
  }
  return typeText(type) === typeText(asked) ? Result.succeed([]) : unchangeable(path, type)
}

const unchangeable = (
  path: ReadonlyArray<string>,
  type: ColumnType
): Result.Result<never, string> =>
  Result.fail(`The column ${path.join(".")} cannot be changed. It is ${fullTypeText(type)}.`)
