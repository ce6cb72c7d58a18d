/**
 * Rows of files that name the types of their columns, such as Parquet, Arrow and Avro.
 *
 * Values have the forms that `valueCheck.ts` takes from JSON: dates are days, timestamps
 * microseconds, bytes base64. Decimals, and integers beyond 2^53, are text.
 *
 * The readers bring values into the form that a column takes, or into JSON.
 */
import type { ColumnType } from "../../internal/columns/columnType.ts"
import { shortFloat } from "../../internal/columns/shortFloat.ts"
import * as ExactJson from "./exactJson.ts"
import { NameMatch } from "./nameMatch.ts"
import type { SourceRecord } from "./sourceRecord.ts"
import { KeyTwice, readCell } from "./valueCheck.ts"
import type { ValueForms } from "./valueForms.ts"

/** A column of a file. */
export interface FileColumn {
  readonly name: string
  /** The column type that holds all its values; undefined where there is none. */
  readonly type: ColumnType | undefined
  /** The name of its type in the file, for messages. */
  readonly typeText: string
  readonly nullable: boolean
}

/** One row. Its `line` is its 1-based number in the file. */
export class TypedRow implements SourceRecord {
  readonly line: number
  readonly columns: ReadonlyArray<FileColumn>
  /** A value per column, null where there is none. */
  readonly values: ReadonlyArray<unknown>

  constructor(line: number, columns: ReadonlyArray<FileColumn>, values: ReadonlyArray<unknown>) {
    this.line = line
    this.columns = columns
    this.values = values
  }

  /** The row as a JSON object, for the file of rejects. */
  get text(): string {
    const fields = this.columns.flatMap(({ name }, index) => {
      const value = this.values[index]
      return value === null ? [] : [`${JSON.stringify(name)}:${ExactJson.stringify(value)}`]
    })
    return `{${fields.join(",")}}`
  }
}

/** Reads a value of the file; never null. */
export type Read = (value: any) => unknown

/** Brings a value of the file into the form that its column takes; undefined where it has it. */
export const columnReader = (
  from: ColumnType,
  to: ColumnType,
  forms: ValueForms
): Read | undefined => {
  if (to._tag === "Variant") {
    // The text of a column is read as the field of a CSV file, as JSON where it is JSON.
    return from._tag === "String" || from._tag === "Variant" ? undefined : jsonReader(from)
  }
  switch (from._tag) {
    case "String":
      return to._tag === "String" ? undefined : (text) => readCell(to, text, forms)
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "BigInt":
    case "Decimal":
      return to._tag === from._tag ? undefined : exactNumber
    case "Array":
      return to._tag === "Array" ? items(columnReader(from.element, to.element, forms)) : undefined
    case "Map":
      return to._tag === "Map" ? values(columnReader(from.value, to.value, forms)) : undefined
    case "Struct": {
      if (to._tag !== "Struct") return undefined
      const places = new NameMatch(to.fields.map(({ name }) => name)).columnsOf(
        from.fields.map(({ name }) => name)
      )
      return fields(from.fields, ({ type }, index) => {
        const place = places[index]!
        return typeof place === "number"
          ? columnReader(type, to.fields[place]!.type, forms)
          : undefined
      })
    }
    default:
      return undefined
  }
}

/**
 * Brings a value of the file into JSON: numbers keep their digits, a FLOAT has the fewest that name
 * it, text stays text, a VARIANT is its value. Dates and times stay days and microseconds, bytes
 * stay base64. Undefined where values are in that form. Texts among `nullWords` become null.
 */
export const jsonReader = (
  from: ColumnType,
  nullWords: ReadonlyArray<string> = []
): Read | undefined => {
  switch (from._tag) {
    case "String":
      return nullWords.length === 0 ? undefined : (text) => (nullWords.includes(text) ? null : text)
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "BigInt":
    case "Decimal":
    case "Date":
    case "Timestamp":
    case "TimestampNtz":
      return exactNumber
    case "Float":
      return (value) => signed(typeof value === "number" ? shortFloat(value) : value)
    case "Double":
      return signed
    case "Variant":
      return ExactJson.parse
    case "Array":
      return items(jsonReader(from.element, nullWords))
    case "Map":
      return values(jsonReader(from.value, nullWords) ?? same)
    case "Struct":
      return fields(from.fields, ({ type }) => jsonReader(type, nullWords))
    case "Boolean":
    case "Binary":
      return undefined
  }
}

export const same: Read = (value) => value

/** Numbers that JavaScript cannot hold are text. */
const exactNumber: Read = (value) =>
  typeof value === "string" ? new ExactJson.ExactNumber(value) : value

/** JSON would lose the sign of a negative zero. */
const signed: Read = (value) => (Object.is(value, -0) ? new ExactJson.ExactNumber("-0.0") : value)

const items = (read: Read | undefined): Read | undefined =>
  read &&
  ((all: ReadonlyArray<unknown>) => {
    const found = all.map((item) => (item === null ? null : read(item)))
    return found.find((item) => item instanceof KeyTwice) ?? found
  })

const values = (read: Read | undefined): Read | undefined =>
  read && ((value: object) => withValues(value, () => read))

const fields = <Field extends { readonly name: string }>(
  all: ReadonlyArray<Field>,
  readOf: (field: Field, index: number) => Read | undefined
): Read | undefined => {
  const reads = new Map<string, Read>()
  all.forEach((field, index) => {
    const read = readOf(field, index)
    if (read !== undefined) reads.set(field.name, read)
  })
  return reads.size === 0 ? undefined : (value) => withValues(value, (name) => reads.get(name))
}

/** A value that stands for a key that is there twice stands for the whole value. */
const withValues = (value: object, readOf: (name: string) => Read | undefined): unknown => {
  if (value instanceof KeyTwice) return value
  const read: Record<string, unknown> = Object.create(null)
  for (const [name, item] of Object.entries(value)) {
    read[name] = item === null ? null : (readOf(name) ?? same)(item)
    if (read[name] instanceof KeyTwice) return read[name]
  }
  return read
}
