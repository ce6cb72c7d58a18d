/**
 * Describes the differences between two definitions of a table: the one a program was written for
 * and the one in the catalog. The kinds of difference have the names of the service's schema
 * errors.
 */
import type { ColumnDefinition, ColumnType, TableDefinition } from "./columnType.ts"
import { typeText } from "./columnType.ts"

/**
 * One difference. `kind` is the service's term; `NULLABILITY` and `OTHER_TABLE` are additions of
 * this package.
 *
 * @since 0.1.0
 * @category models
 */
export interface TableDifference {
  /** What differs, in one word. */
  readonly kind:
    | "FIELD_NOT_IN_TABLE"
    | "MISSING_REQUIRED_COLUMN"
    | "MISSING_COLUMN"
    | "FIELD_OUT_OF_ORDER"
    | "TYPE_INCOMPATIBLE"
    | "NULLABILITY"
    | "OTHER_TABLE"
  /** The column, and the field inside it. Empty when the tables themselves differ. */
  readonly path: ReadonlyArray<string>
  /** A full sentence. */
  readonly message: string
  /**
   * Whether the service refuses a stream because of it. A missing nullable column is harmless, for
   * example.
   */
  readonly breaking: boolean
}

const typeWord = (type: ColumnType): string => typeText(type).slice(0, 120)

const sameType = (a: ColumnType, b: ColumnType): boolean => typeText(a) === typeText(b)

const fieldsOf = (type: ColumnType): ReadonlyArray<ColumnDefinition> | undefined =>
  type._tag === "Struct"
    ? type.fields
    : type._tag === "Array"
      ? fieldsOf(type.element)
      : type._tag === "Map"
        ? fieldsOf(type.value)
        : undefined

const diffFields = (
  code: ReadonlyArray<ColumnDefinition>,
  table: ReadonlyArray<ColumnDefinition>,
  path: ReadonlyArray<string>,
  out: Array<TableDifference>
): void => {
  const add = (
    kind: TableDifference["kind"],
    name: string,
    breaking: boolean,
    message: string
  ): void => {
    out.push({ kind, path: [...path, name], breaking, message })
  }
  const shown = (name: string): string => [...path, name].join(".")
  const inTable = new Map(
    table.map((column, index) => [column.name, { column, number: (column.position ?? index) + 1 }])
  )
  const inCode = new Set(code.map((column) => column.name))
  for (const [index, column] of code.entries()) {
    const found = inTable.get(column.name)
    if (found === undefined) {
      const close = table.find((other) => other.name.toLowerCase() === column.name.toLowerCase())
      add(
        "FIELD_NOT_IN_TABLE",
        column.name,
        true,
        close === undefined
          ? `Column ${shown(column.name)} is not in the table. Remove it, or add it to the table.`
          : `Column ${shown(column.name)} is called ${close.name} in the table. Use the table's ` +
              `spelling.`
      )
      continue
    }
    const number = (column.position ?? index) + 1
    if (found.number !== number) {
      add(
        "FIELD_OUT_OF_ORDER",
        column.name,
        false,
        `Column ${shown(column.name)} is number ${number} here and number ${found.number} in ` +
          `the table. Put the columns in the table's order.`
      )
    }
    const mine = column.type
    const theirs = found.column.type
    const inner = fieldsOf(mine)
    const other = fieldsOf(theirs)
    if (mine._tag === theirs._tag && inner !== undefined && other !== undefined) {
      if (mine._tag === "Map" && theirs._tag === "Map" && !sameType(mine.key, theirs.key)) {
        add(
          "TYPE_INCOMPATIBLE",
          column.name,
          true,
          `Column ${shown(column.name)} has ${typeWord(mine.key)} keys here and ` +
            `${typeWord(theirs.key)} keys in the table.`
        )
      }
      diffFields(inner, other, [...path, column.name], out)
    } else if (!sameType(mine, theirs)) {
      add(
        "TYPE_INCOMPATIBLE",
        column.name,
        true,
        `Column ${shown(column.name)} is ${typeWord(mine)} here and ${typeWord(theirs)} in the ` +
          `table.`
      )
    }
    if (column.nullable !== found.column.nullable) {
      add(
        "NULLABILITY",
        column.name,
        false,
        column.nullable
          ? `Column ${shown(column.name)} is NOT NULL in the table. Declare it with ` +
              `Column.required.`
          : `Column ${shown(column.name)} is required here and may be null in the table.`
      )
    }
  }
  for (const column of table) {
    // A program does not write the rescue column.
    if (inCode.has(column.name) || column.rescue === true) continue
    if (column.nullable)
      add(
        "MISSING_COLUMN",
        column.name,
        false,
        `Column ${shown(column.name)} of the table is not written and stays null.`
      )
    else
      add(
        "MISSING_REQUIRED_COLUMN",
        column.name,
        true,
        `Column ${shown(column.name)} of the table is NOT NULL and missing here. Add it.`
      )
  }
}

/**
 * All differences between the code's definition and the table's. Comments and partitions are
 * ignored.
 */
export const diffDefinitions = (
  code: TableDefinition,
  table: TableDefinition
): ReadonlyArray<TableDifference> => {
  const out: Array<TableDifference> = []
  if (code.name !== table.name) {
    out.push({
      kind: "OTHER_TABLE",
      path: [],
      breaking: true,
      message: `The definitions are of two tables, ${code.name} and ${table.name}.`
    })
  }
  diffFields(code.columns, table.columns, [], out)
  return out
}
