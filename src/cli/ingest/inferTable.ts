/**
 * Infers a table's columns from the records of a file. Each column has the narrowest type that fits
 * every value seen, or STRING or VARIANT when none fits. Values in the rest of the file that do not
 * fit are rejected later, with their line.
 */
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { integerRange } from "../../internal/columns/scalarTypes.ts"
import * as DecimalText from "../records/decimalText.ts"
import * as ExactJson from "../records/exactJson.ts"
import type { SourceRecord } from "../records/sourceRecord.ts"
import type { FileColumn } from "../records/typedRow.ts"
import { daysOf, microsOf, type ValueForms } from "../records/valueForms.ts"

/** The common type of a column's values. `Null` when there was no value. */
type Shape =
  | {
      readonly kind:
        | "Null"
        | "Boolean"
        | "BigInt"
        | "Double"
        | "Date"
        | "Timestamp"
        | "String"
        | "Variant"
    }
  | { readonly kind: "Array"; readonly element: Shape }
  | { readonly kind: "Struct"; readonly fields: ReadonlyMap<string, Shape> }

const nothing: Shape = { kind: "Null" }
const [least, most] = integerRange("BigInt")

/** Leading zeros mean that the digits are an identifier, such as a postal code. */
const isPlainInteger = (text: string): boolean => {
  if (/^[+-]?0\d/.test(text)) return false
  const digits = DecimalText.plain(text, 38, 0)
  return digits !== undefined && BigInt(digits) >= least && BigInt(digits) <= most
}

const shapeOfText = (text: string, forms: ValueForms): Shape => {
  if (daysOf(text, forms) !== undefined) return { kind: "Date" }
  return { kind: microsOf(text, true, forms) === undefined ? "String" : "Timestamp" }
}

/** The shape of the text of a CSV field. */
const shapeOfField = (field: string, forms: ValueForms): Shape => {
  const text = field.trim()
  if (text === "" || forms.nullWords?.includes(field) === true) return nothing
  if (/^(?:true|false)$/i.test(text)) return { kind: "Boolean" }
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) {
    if (forms.dateFormat?.days(text) !== undefined) return { kind: "Date" }
    if (isPlainInteger(text)) return { kind: "BigInt" }
    return { kind: /^[+-]?0\d/.test(text) || /^[+-]?\d+$/.test(text) ? "String" : "Double" }
  }
  return shapeOfText(text, forms)
}

/** The shape of a JSON value. */
const shapeOfValue = (value: unknown, forms: ValueForms): Shape => {
  if (value === null || value === undefined) return nothing
  if (typeof value === "boolean") return { kind: "Boolean" }
  if (typeof value === "string")
    return forms.nullWords?.includes(value) === true ? nothing : shapeOfText(value, forms)
  if (typeof value === "number" || value instanceof ExactJson.ExactNumber) {
    const text = value instanceof ExactJson.ExactNumber ? value.source : String(value)
    return { kind: isPlainInteger(text) ? "BigInt" : /^-?\d+$/.test(text) ? "Variant" : "Double" }
  }
  if (Array.isArray(value)) {
    return {
      kind: "Array",
      element: value.map((item) => shapeOfValue(item, forms)).reduce(joined, nothing)
    }
  }
  const fields = new Map(
    Object.entries(value).map(([name, item]) => [name, shapeOfValue(item, forms)])
  )
  const named = new Set([...fields.keys()].map((name) => columnName(name)?.toLowerCase()))
  // Some names are not valid field names, or two differ only in case.
  if (fields.size === 0 || named.has(undefined) || named.size < fields.size)
    return { kind: "Variant" }
  return { kind: "Struct", fields }
}

/** The common shape of two shapes. */
const joined = (one: Shape, other: Shape): Shape => {
  if (one.kind === "Null") return other
  if (other.kind === "Null") return one
  if (one.kind === "Array" && other.kind === "Array") {
    return { kind: "Array", element: joined(one.element, other.element) }
  }
  if (one.kind === "Struct" && other.kind === "Struct") {
    const fields = new Map(one.fields)
    for (const [name, shape] of other.fields)
      fields.set(name, joined(fields.get(name) ?? nothing, shape))
    return { kind: "Struct", fields }
  }
  if (one.kind === other.kind) return one
  const kinds = new Set([one.kind, other.kind])
  const only = (...some: ReadonlyArray<Shape["kind"]>) =>
    [...kinds].every((kind) => some.includes(kind))
  if (only("BigInt", "Double")) return { kind: "Double" }
  if (only("Date", "Timestamp")) return { kind: "Timestamp" }
  return { kind: only("String", "Date", "Timestamp") ? "String" : "Variant" }
}

/** The same for CSV, where every value is text. */
const joinedFields = (one: Shape, other: Shape): Shape => {
  const both = joined(one, other)
  return both.kind === "Variant" ? { kind: "String" } : both
}

const typeOf = (shape: Shape): ColumnType => {
  switch (shape.kind) {
    case "Null":
      return { _tag: "String" }
    case "Array":
      return { _tag: "Array", element: typeOf(shape.element), containsNull: true }
    case "Struct":
      return {
        _tag: "Struct",
        fields: [...shape.fields].map(([name, field]) => ({
          name: columnName(name)!,
          type: typeOf(field),
          nullable: true
        }))
      }
    default:
      return { _tag: shape.kind }
  }
}

/**
 * The column name for a name in a file; `nameMatch.ts` maps the file's name back to it. Undefined
 * when no valid name exists.
 */
const columnName = (name: string): string | undefined => {
  if (/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name) && name !== "__proto__") return name
  // Removes the same characters as `nameMatch.ts`.
  const plain = name
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, "_")
    .replace(/^_+|_+$/g, "")
  if (!/^[a-z0-9_]{1,250}$/.test(plain)) return undefined
  return /^\d/.test(plain) ? `_${plain}` : plain
}

/** The inferred columns, or why there are none. */
export type Inferred =
  | { readonly columns: ReadonlyArray<ColumnDefinition> }
  | { readonly problem: string }

/** Infers the columns from records of a file. `header` has the names of a CSV file. */
export const inferColumns = (
  records: ReadonlyArray<SourceRecord>,
  header: ReadonlyArray<string> | undefined,
  forms: ValueForms
): Inferred => {
  const shapes = new Map<string, Shape>((header ?? []).map((name) => [name, nothing]))
  for (const { fields, problem, text } of records) {
    if (problem !== undefined) continue
    if (header !== undefined) {
      header.forEach((name, index) =>
        shapes.set(
          name,
          joinedFields(shapes.get(name)!, shapeOfField(fields?.[index] ?? "", forms))
        )
      )
      continue
    }
    let value: unknown
    try {
      value = ExactJson.parse(text)
    } catch {
      continue
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) continue
    for (const [name, item] of Object.entries(value)) {
      shapes.set(name, joined(shapes.get(name) ?? nothing, shapeOfValue(item, forms)))
    }
  }
  if (shapes.size === 0) return { problem: "it has no record to infer columns from" }
  return named([...shapes].map(([name, shape]) => [name, typeOf(shape)]))
}

/** The columns of a file that has types. */
export const typedColumns = (file: ReadonlyArray<FileColumn>): Inferred => {
  const without = file.find(({ type }) => type === undefined)
  if (without !== undefined) {
    return {
      problem:
        `the column ${shownName(without.name)} is ${without.typeText}, which no column of ` +
        `a table takes. Create the table by hand, and leave that column out with --ignore-unknown`
    }
  }
  return named(file.map(({ name, type }) => [name, type!]))
}

const shownName = (name: string): string => JSON.stringify(name.slice(0, 64).toWellFormed())

/** Columns under the names that tables take, or why there is no such name. */
const named = (types: ReadonlyArray<readonly [name: string, type: ColumnType]>): Inferred => {
  const columns: Array<ColumnDefinition> = []
  for (const [written, type] of types) {
    const name = columnName(written)
    if (name === undefined) {
      return {
        problem:
          `no column can be called ${shownName(written)}. Columns have ASCII letters, digits and ` +
          `underscores: create the table by hand, or rename it`
      }
    }
    const same = columns.some((column) => column.name.toLowerCase() === name.toLowerCase())
    if (same) {
      return {
        problem: `two names belong to the column ${name}, one of them ${shownName(written)}`
      }
    }
    columns.push({ name, type, nullable: true })
  }
  return { columns }
}
