/**
 * Checks whether the schema of an Arrow stream fits the columns of its table.
 *
 * Fields are matched by name, ignoring case, and must be in the order of the columns. A column that
 * may be NULL, or has a default, may be missing. Types must be those of `columnField.ts`. As in
 * Arrow, the names of list items and map entries are free, and extension types are ignored. The
 * nullability of a field is ignored too: NULL in a NOT NULL column is refused when it occurs.
 */
import type { ArrowField } from "../../internal/arrow/arrowSchema.ts"
import { typeText } from "../../internal/arrow/arrowSchema.ts"
import { fieldOf } from "../../internal/arrow/columnField.ts"
import type { ColumnDefinition } from "../../internal/columns/columnType.ts"
import { isSimple } from "../../internal/columns/scalarTypes.ts"
import { hasLiteral, maxFindings, printable, type SchemaFinding } from "./schemaFindings.ts"

/** All findings against a schema, at most 20; none means that it fits. */
export const checkArrowSchema = (
  columns: ReadonlyArray<ColumnDefinition>,
  fields: ReadonlyArray<ArrowField>
): ReadonlyArray<SchemaFinding> => {
  const findings: Array<SchemaFinding> = []
  checkFields("", columns, fields, findings)
  return findings.slice(0, maxFindings)
}

const checkFields = (
  prefix: string,
  columns: ReadonlyArray<ColumnDefinition>,
  fields: ReadonlyArray<ArrowField>,
  findings: Array<SchemaFinding>
): void => {
  const places = new Map(columns.map(({ name }, index) => [name.toLowerCase(), index]))
  const found = new Map<number, ArrowField>()
  let last = -1
  for (const field of fields) {
    if (findings.length >= maxFindings) return
    const shown = `${prefix}${printable(field.name)}`
    const place = places.get(field.name.toLowerCase())
    if (place === undefined) {
      findings.push({ cause: "FIELD_NOT_IN_TABLE", message: `the table has no column ${shown}` })
    } else if (found.has(place)) {
      findings.push({ cause: "FIELD_COUNT_MISMATCH", message: `the field ${shown} occurs twice` })
    } else {
      found.set(place, field)
      if (place < last) {
        findings.push({
          cause: "FIELD_OUT_OF_ORDER",
          message:
            `the field ${shown} stands behind ${prefix}${columns[last]!.name}, against ` +
            `the order of the columns`
        })
      }
      last = Math.max(last, place)
    }
  }
  for (const [index, column] of columns.entries()) {
    const field = found.get(index)
    const path = `${prefix}${column.name}`
    if (field !== undefined) checkType(path, column, field, fieldOf(column), findings)
    else if (!column.nullable && !hasLiteral(column)) {
      findings.push({
        cause: "MISSING_REQUIRED_COLUMN",
        message: `the schema has no field for the NOT NULL column ${path}`
      })
    }
  }
}

/** Compares a field with the one that the column needs. */
const checkType = (
  path: string,
  { type }: ColumnDefinition,
  field: ArrowField,
  expected: ArrowField,
  findings: Array<SchemaFinding>
): void => {
  const refuse = (needed: string): void => {
    findings.push({ cause: "TYPE_INCOMPATIBLE", message: `the field ${path} must be ${needed}` })
  }
  const needed = typeText(expected.type)
  if (field.dictionary !== undefined) return refuse(`${needed} without a dictionary`)
  if (typeText(field.type) !== needed) return refuse(`${needed}, not ${typeText(field.type)}`)
  if (isSimple(type)) {
    if (type._tag === "Variant" && !isVariant(field, expected)) {
      refuse("a struct of metadata and value, both LargeBinary")
    }
    return
  }
  switch (type._tag) {
    case "Struct":
      return checkFields(`${path}.`, type.fields, field.children, findings)
    case "Array": {
      const item = field.children[0]
      if (item === undefined || field.children.length > 1) return refuse("a list of one field")
      const element = { name: "element", type: type.element, nullable: true }
      return checkType(`${path}.element`, element, item, fieldOf(element), findings)
    }
    case "Map": {
      const [key, value, ...more] = field.children[0]?.children ?? []
      const isMap = field.children.length === 1 && field.children[0]!.type._tag === "Struct"
      if (!isMap || key === undefined || value === undefined || more.length > 0) {
        return refuse("a map of one struct with two fields")
      }
      const keys = { name: "key", type: type.key, nullable: false }
      const values = { name: "value", type: type.value, nullable: true }
      checkType(`${path}.key`, keys, key, fieldOf(keys), findings)
      return checkType(`${path}.value`, values, value, fieldOf(values), findings)
    }
  }
}

const isVariant = ({ children }: ArrowField, expected: ArrowField): boolean =>
  children.length === expected.children.length &&
  expected.children.every((part, index) => {
    const child = children[index]!
    return (
      child.name === part.name &&
      child.dictionary === undefined &&
      typeText(child.type) === typeText(part.type)
    )
  })
