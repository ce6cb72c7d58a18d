/**
 * Checks whether running streams can continue after another writer changed the columns of their
 * table.
 */
import {
  type ColumnDefinition,
  type ColumnType,
  type TableDefinition,
  typeText
} from "../../internal/columns/columnType.ts"

const inStruct = (path: string, from: ColumnType, to: ColumnType): string | undefined => {
  if (from._tag === "Struct" && to._tag === "Struct")
    return inColumns(`${path}.`, from.fields, to.fields)
  if (from._tag === "Array" && to._tag === "Array") {
    if (from.containsNull && !to.containsNull) {
      return `the elements of the column ${path} became NOT NULL`
    }
    return inStruct(`${path}.element`, from.element, to.element)
  }
  if (from._tag === "Map" && to._tag === "Map") {
    if (from.valueContainsNull && !to.valueContainsNull) {
      return `the values of the column ${path} became NOT NULL`
    }
    return (
      inStruct(`${path}.key`, from.key, to.key) ?? inStruct(`${path}.value`, from.value, to.value)
    )
  }
  const [before, after] = [typeText(from), typeText(to)]
  return before === after ? undefined : `the column ${path} became ${after}, it was ${before}`
}

const inColumns = (
  prefix: string,
  from: ReadonlyArray<ColumnDefinition>,
  to: ReadonlyArray<ColumnDefinition>
): string | undefined => {
  const byName = new Map(to.map((column) => [column.name, column]))
  for (const column of from) {
    const path = `${prefix}${column.name}`
    const now = byName.get(column.name)
    if (now === undefined) return `the column ${path} was dropped or renamed`
    if (column.nullable && !now.nullable) return `the column ${path} became NOT NULL`
    const problem = inStruct(path, column.type, now.type)
    if (problem !== undefined) return problem
    byName.delete(column.name)
  }
  for (const column of byName.values()) {
    if (!column.nullable) return `the new column ${prefix}${column.name} is NOT NULL`
  }
  return undefined
}

/**
 * Why records that were accepted for `from` do not fit `to`, as the end of a sentence that names
 * the table; undefined when they fit. New nullable columns, dropped NOT NULL, a different order and
 * comments fit. A name in different case does not: JSON records in the log have the old one.
 */
export const changeProblem = (from: TableDefinition, to: TableDefinition): string | undefined => {
  const partitions = (definition: TableDefinition) => (definition.partitionColumns ?? []).join(", ")
  if (partitions(from) !== partitions(to)) {
    return `its partition columns became (${partitions(to)}), they were (${partitions(from)})`
  }
  return inColumns("", from.columns, to.columns)
}
