/**
 * The rules for a table definition: legal and distinct names, at most 2,000 columns, bounded
 * nesting, valid DECIMALs, partition columns of suitable types. Pure checks over the model of
 * `columnType.ts`, which also parses text and JSON.
 */
import {
  decimalProblem,
  maxColumns,
  maxDepth,
  nameProblem,
  tableNameProblem
} from "./columnNames.ts"
import type { ColumnDefinition, ColumnType, TableDefinition } from "./columnType.ts"
import { canPartition, isScalar, sqlName } from "./scalarTypes.ts"

/**
 * Thrown inside a recursive reader to leave it with a sentence for the user. The module that throws
 * it also catches it.
 */
export class Refusal {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

/** Whether a JSON value is an object. */
export const isObject = (json: unknown): json is Record<string, unknown> =>
  typeof json === "object" && json !== null && !Array.isArray(json)

/** Throws a {@link Refusal}. */
export const refuse = (message: string): never => {
  throw new Refusal(message)
}

const fieldsProblem = (
  what: string,
  fields: ReadonlyArray<ColumnDefinition>,
  depth: number
): string | undefined => {
  if (fields.length === 0) return `${what} has no fields. Give it at least one.`
  if (fields.length > maxColumns)
    return `${what} has ${fields.length} fields, above the limit of ${maxColumns}.`
  const seen = new Map<string, string>()
  for (const field of fields) {
    const problem = nameProblem("column name", field.name)
    if (problem !== undefined) return problem
    // Tables compare column names case-insensitively.
    const other = seen.get(field.name.toLowerCase())
    if (other !== undefined)
      return (
        `${what} has the columns ${other} and ${field.name}. Column names must differ in ` +
        `more than case.`
      )
    seen.set(field.name.toLowerCase(), field.name)
    const tagged = field.rescue === true ? rescueProblem(field, fields, depth) : undefined
    if (tagged !== undefined) return tagged
    const inner = typeProblem(field.name, field.type, depth)
    if (inner !== undefined) return inner
  }
  return undefined
}

/** Why a column cannot be the rescue column, which takes what records have beyond the columns. */
const rescueProblem = (
  { name, nullable, type }: ColumnDefinition,
  columns: ReadonlyArray<ColumnDefinition>,
  depth: number
): string | undefined => {
  const what = `Column ${name.slice(0, 128)} has the tag zerobus-rescue, `
  if (depth > 0) return `${what}which a field of a STRUCT cannot have.`
  if (type._tag !== "Variant" || !nullable)
    return `${what}so it must be a VARIANT that may be NULL.`
  return columns.filter(({ rescue }) => rescue === true).length > 1
    ? `${what}and so does another column. Only one may have it.`
    : undefined
}

const parameterTags: ReadonlySet<ColumnType["_tag"]> = new Set([
  "Decimal",
  "Array",
  "Map",
  "Struct"
])

const typeProblem = (path: string, type: ColumnType, depth: number): string | undefined => {
  if (depth > maxDepth)
    return `Column ${path.slice(0, 128)} is nested deeper than ${maxDepth} levels.`
  if (isScalar(type)) return undefined
  // Definitions may come from JavaScript, where the tag was never checked.
  if (!parameterTags.has(type._tag)) return `Column ${path.slice(0, 128)} has an unknown type.`
  switch (type._tag) {
    case "Decimal":
      return decimalProblem(type.precision, type.scale)
    case "Array":
      return typeProblem(path, type.element, depth + 1)
    case "Map":
      return typeProblem(path, type.key, depth + 1) ?? typeProblem(path, type.value, depth + 1)
    case "Struct":
      return fieldsProblem(`Struct ${path}`, type.fields, depth + 1)
  }
}

/**
 * Why a definition is not a valid table (names, duplicates, limits, partition columns), as a
 * sentence; `undefined` when it is.
 */
export const definitionProblem = (definition: TableDefinition): string | undefined => {
  const problem =
    tableNameProblem(definition.name) ??
    fieldsProblem(`Table ${definition.name}`, definition.columns, 0)
  if (problem !== undefined) return problem
  const partitions = definition.partitionColumns ?? []
  const used = new Set<string>()
  for (const name of partitions) {
    const column = definition.columns.find((column) => column.name === name)
    if (column === undefined)
      return (
        `The partition column ${JSON.stringify(name.slice(0, 64))} is not a column of ` +
        `${definition.name}.`
      )
    if (used.has(name)) return `The partition column ${name} is listed twice.`
    used.add(name)
    if (!canPartition(column.type)) {
      return (
        `Column ${name} of type ${sqlName(column.type._tag)} cannot partition a table. Use ` +
        `a scalar column.`
      )
    }
  }
  return partitions.length > 0 && partitions.length === definition.columns.length
    ? `All columns of ${definition.name} are partition columns. Leave at least one out.`
    : undefined
}
