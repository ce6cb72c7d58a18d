/**
 * Reads the schema of an IPC message: fields and types, bounded in number and depth.
 */
import { refuseArrow } from "./arrowProblem.ts"
import type { ArrowField, ArrowType, TimeUnit } from "./arrowSchema.ts"
import type { FlatTable } from "./flatbuffer.ts"

/** The most fields of a schema, including nested ones. */
export const maxFields = 20_000
/** The deepest nesting of fields. A table has at most 100 levels, and a MAP takes two here. */
export const maxFieldDepth = 220
/** The most metadata entries of one field that are read. */
const maxMetadata = 64

const timeUnits: ReadonlyArray<TimeUnit> = ["s", "ms", "µs", "ns"]

/** The names of types that no column has, by number. */
const otherTypes: Readonly<Record<number, string>> = {
  9: "Time",
  11: "Interval",
  14: "Union",
  15: "FixedSizeBinary",
  16: "FixedSizeList",
  18: "Duration",
  22: "RunEndEncoded",
  23: "BinaryView",
  24: "Utf8View",
  25: "ListView",
  26: "LargeListView"
}

/** Reads the fields of a schema. */
export const readSchema = (schema: FlatTable): ReadonlyArray<ArrowField> => {
  if (schema.int16(0) !== 0) refuseArrow("The schema is big-endian; little-endian is needed.")
  const budget = { left: maxFields }
  return readFields(schema, 1, budget, 1)
}

const readFields = (
  parent: FlatTable,
  number: number,
  budget: { left: number },
  depth: number
): ReadonlyArray<ArrowField> => {
  const vector = parent.vector(number, 4)
  if (vector.length === 0) return []
  if (depth > maxFieldDepth) {
    refuseArrow(`The schema is nested deeper than ${maxFieldDepth} levels.`)
  }
  budget.left -= vector.length
  if (budget.left < 0) refuseArrow(`The schema has more than ${maxFields} fields.`)
  const fields: Array<ArrowField> = []
  for (let index = 0; index < vector.length; index++) {
    const field = parent.element(vector, index)
    fields.push({
      name: field.text(0) ?? "",
      type: readType(field.byte(2), field.table(3)),
      nullable: field.byte(1) !== 0,
      dictionary: field.table(4)?.int64(0),
      extension: readExtension(field),
      children: readFields(field, 5, budget, depth + 1)
    })
  }
  return fields
}

/** The name of a field's extension type, if it has one. */
const readExtension = (field: FlatTable): string | undefined => {
  const entries = field.vector(6, 4)
  for (let index = 0; index < Math.min(entries.length, maxMetadata); index++) {
    const entry = field.element(entries, index)
    if (isExtensionName(entry)) return entry.text(1)
  }
  return undefined
}

/** Other keys and their values can have any length and are not read. */
const isExtensionName = (entry: FlatTable): boolean =>
  entry.vector(0, 1).length === extensionKey.length && entry.text(0) === extensionKey

const extensionKey = "ARROW:extension:name"

const readType = (number: number, type: FlatTable | undefined): ArrowType => {
  switch (number) {
    case 1:
      return { _tag: "Null" }
    case 2:
      return { _tag: "Int", bits: type?.int32(0) ?? 0, signed: type?.byte(1) === 1 }
    case 3: {
      const bits = ([16, 32, 64] as const)[type?.int16(0) ?? 0]
      return bits === undefined ? { _tag: "Other", name: "Float" } : { _tag: "Float", bits }
    }
    case 4:
      return { _tag: "Binary", large: false }
    case 5:
      return { _tag: "Utf8", large: false }
    case 6:
      return { _tag: "Bool" }
    case 7: {
      const [precision, scale] = [type?.int32(0) ?? 0, type?.int32(1) ?? 0]
      return { _tag: "Decimal", precision, scale, bits: type?.int32(2, 128) ?? 128 }
    }
    case 8:
      return { _tag: "Date", unit: type?.int16(0, 1) === 0 ? "day" : "ms" }
    case 10:
      return {
        _tag: "Timestamp",
        unit: timeUnits[type?.int16(0) ?? 0] ?? refuseArrow("A timestamp has an unknown unit."),
        zone: type?.text(1)
      }
    case 12:
      return { _tag: "List", large: false }
    case 13:
      return { _tag: "Struct" }
    case 17:
      return { _tag: "Map", sorted: type?.byte(0) === 1 }
    case 19:
      return { _tag: "Binary", large: true }
    case 20:
      return { _tag: "Utf8", large: true }
    case 21:
      return { _tag: "List", large: true }
    default:
      return { _tag: "Other", name: otherTypes[number] ?? `type ${number}` }
  }
}
