/**
 * Reads table definitions from the command line and compares them with existing tables.
 */
import * as Effect from "effect/Effect"
import {
  type ColumnDefinition,
  parseTableDefinition,
  type TableDefinition,
  typeText
} from "../../internal/columns/columnType.ts"
import { rescueTag } from "../../internal/columns/rescueTag.ts"
import { type ScalarTag, scalarTypes, sqlName } from "../../internal/columns/scalarTypes.ts"
import { diffDefinitions } from "../../internal/columns/tableDiff.ts"
import { type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import { counted } from "../terminal/progress.ts"

const knownTypes = `The types are ${Object.keys(scalarTypes)
  .map((tag) => sqlName(tag as ScalarTag))
  .join(", ")}, DECIMAL(p,s), ARRAY<T>, MAP<K, V> and STRUCT<name: T, ...>.`

/** The parse error of a definition. For an unknown type it lists the supported types. */
export const problemText = (problem: string): string =>
  problem.endsWith("is not a supported column type.") ? `${problem} ${knownTypes}` : problem

/** Reads a definition from the command line. */
export const definitionOf = (text: string): Effect.Effect<TableDefinition, CommandFailed> =>
  Effect.mapError(Effect.fromResult(parseTableDefinition(text)), (problem) =>
    failed(
      `The table definition ${JSON.stringify(text.slice(0, 80))} cannot be read. ` +
        problemText(problem)
    )
  )

const mostShown = 10

/** A phrase that describes a table's partitioning. */
export const partitionsOf = ({ partitionColumns = [] }: TableDefinition): string =>
  partitionColumns.length === 0
    ? "not partitioned"
    : `partitioned by ${partitionColumns.join(", ")}`

/** A phrase that describes how the tag of an existing column differs; undefined if it does not. */
export const tagDifference = (
  wanted: ColumnDefinition,
  existing: ColumnDefinition
): string | undefined => {
  const has = existing.rescue === true
  if (has === (wanted.rescue === true)) return undefined
  return `column ${existing.name} ${has ? "has the" : "lacks the"} tag ${rescueTag} in the table`
}

/** The SQL that adds the column. */
const sqlOf = ({ name, type }: ColumnDefinition): string =>
  `${name} ${typeText(type).toUpperCase()}`

/**
 * A sentence that describes how the existing table differs, with the command that adds missing
 * columns. Undefined when only comments differ.
 */
export const differenceText = (
  wanted: TableDefinition,
  existing: TableDefinition
): string | undefined => {
  const found = diffDefinitions({ ...wanted, name: existing.name }, existing).map(
    ({ kind, message, path }) => {
      const column = path.join(".")
      switch (kind) {
        case "FIELD_NOT_IN_TABLE":
          return `it has no column ${column}`
        case "MISSING_COLUMN":
          return `it also has the column ${column}`
        case "MISSING_REQUIRED_COLUMN":
          return `it also has the column ${column}, which is NOT NULL`
        case "FIELD_OUT_OF_ORDER":
          return `its column ${column} has another place`
        case "NULLABILITY":
          return `its column ${column} differs in NOT NULL`
        case "TYPE_INCOMPATIBLE":
        case "OTHER_TABLE":
          return message.charAt(0).toLowerCase() + message.slice(1, -1)
      }
    }
  )
  const here = new Map(wanted.columns.map((column) => [column.name, column]))
  for (const column of existing.columns) {
    const now = here.get(column.name)
    const tagged = now === undefined ? undefined : tagDifference(now, column)
    if (tagged !== undefined) found.push(`its ${tagged}`)
  }
  if (partitionsOf(wanted) !== partitionsOf(existing)) {
    found.push(`it is ${partitionsOf(existing)}, not ${partitionsOf(wanted)}`)
  }
  if (found.length === 0) return undefined
  const more =
    found.length > mostShown ? `; and ${counted(found.length - mostShown, "difference")} more` : ""
  const names = new Set(existing.columns.map(({ name }) => name.toLowerCase()))
  const missing = wanted.columns.filter(({ name }) => !names.has(name.toLowerCase()))
  const advice =
    missing.length === 0
      ? ""
      : ` To add what it lacks: zerobus table alter ${existing.name} add column ` +
        `'${missing.map(sqlOf).join(", ")}'.`
  return (
    `The table ${existing.name} exists and is kept as it is: ` +
    `${found.slice(0, mostShown).join("; ")}${more}.${advice}`
  )
}
