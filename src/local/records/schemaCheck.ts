/**
 * Checks whether a stream's descriptor fits the columns of its table.
 *
 * Fields are matched by name, ignoring case. A column may be missing from the descriptor if it is
 * nullable or has a default. All other columns need a field with a type that the column accepts.
 */
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import type { MessageShape } from "../../internal/protobuf/descriptor.ts"
import { isSimple } from "../../internal/columns/scalarTypes.ts"
import { acceptedTypes } from "./scalarReaders.ts"
import { hasLiteral, maxFindings, printable, type SchemaFinding } from "./schemaFindings.ts"

type FieldShape = MessageShape["fields"][number]

/** All findings against a descriptor, at most 20; none means that it fits. */
export const checkDescriptor = (
  columns: ReadonlyArray<ColumnDefinition>,
  shape: MessageShape
): ReadonlyArray<SchemaFinding> => {
  const findings: Array<SchemaFinding> = []
  message("", columns, shape, findings)
  return findings.slice(0, maxFindings)
}

const message = (
  prefix: string,
  columns: ReadonlyArray<ColumnDefinition>,
  shape: MessageShape,
  findings: Array<SchemaFinding>
): void => {
  const byName = new Map<string, FieldShape>()
  for (const field of shape.fields) {
    if (findings.length >= maxFindings) return
    const shown = `${prefix}${printable(field.name)}`
    const name = field.name.toLowerCase()
    if (byName.has(name)) {
      findings.push({ cause: "FIELD_COUNT_MISMATCH", message: `the field ${shown} occurs twice` })
    }
    byName.set(name, field)
    if (!columns.some((column) => column.name.toLowerCase() === name)) {
      findings.push({ cause: "FIELD_NOT_IN_TABLE", message: `the table has no column ${shown}` })
    }
  }
  for (const column of columns) {
    const path = `${prefix}${column.name}`
    const field = byName.get(column.name.toLowerCase())
    if (field !== undefined) column_(path, column.type, field, findings)
    else if (hasLiteral(column)) continue
    else if (!column.nullable && column.type._tag !== "Array" && column.type._tag !== "Map") {
      findings.push({
        cause: "MISSING_REQUIRED_COLUMN",
        message: `the descriptor has no field for the NOT NULL column ${path}`
      })
    } else if (!column.nullable) {
      findings.push({
        cause: "MISSING_REQUIRED_COLUMN",
        message: `the descriptor has no field for the column ${path}`
      })
    }
  }
}

const incompatible = (path: string, needed: string, findings: Array<SchemaFinding>): void => {
  findings.push({ cause: "TYPE_INCOMPATIBLE", message: `the field ${path} must be ${needed}` })
}

const column_ = (
  path: string,
  type: ColumnType,
  field: FieldShape,
  findings: Array<SchemaFinding>
): void => {
  if (isSimple(type) || type._tag === "Struct") {
    if (field.label === "repeated")
      return incompatible(path, "a single field, not repeated", findings)
    return single(path, type, field, findings)
  }
  switch (type._tag) {
    case "Array":
      if (field.label !== "repeated" || field.mapEntry)
        return incompatible(path, "repeated", findings)
      if (type.element._tag === "Array" || type.element._tag === "Map") {
        return incompatible(
          path,
          "wrapped in a struct, arrays of arrays and of maps have no protobuf form",
          findings
        )
      }
      return single(path, type.element, field, findings)
    case "Map": {
      const key = field.message?.fields.find((part) => part.number === 1)
      const value = field.message?.fields.find((part) => part.number === 2)
      if (
        field.label !== "repeated" ||
        !field.mapEntry ||
        key === undefined ||
        value === undefined
      ) {
        return incompatible(path, "a map field", findings)
      }
      if (
        key.label === "repeated" ||
        value.label === "repeated" ||
        type.value._tag === "Array" ||
        type.value._tag === "Map"
      ) {
        return incompatible(path, "a map of single values", findings)
      }
      single(`${path}.key`, type.key, key, findings)
      return single(`${path}.value`, type.value, value, findings)
    }
  }
}

const single = (
  path: string,
  type: ColumnType,
  field: FieldShape,
  findings: Array<SchemaFinding>
): void => {
  const accepted = acceptedTypes(type)
  if (!accepted.includes(field.type) || (field.type === "message" && field.message === undefined)) {
    return incompatible(path, `of type ${accepted.join(" or ")}`, findings)
  }
  if (type._tag === "Struct") message(`${path}.`, type.fields, field.message!, findings)
}
