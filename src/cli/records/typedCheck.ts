/**
 * Checks rows of files with types against the columns of a table: once the types of the columns,
 * then the values of each row.
 *
 * Where a type of the file can mean only one thing, such as an instant, it goes into a column of
 * that meaning alone. Texts are read as the fields of a CSV file are.
 */
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { shownTypeText } from "../../internal/columns/columnType.ts"
import * as ExactJson from "./exactJson.ts"
import { NameMatch } from "./nameMatch.ts"
import {
  csvColumns,
  type HeaderProblem,
  type RecordCheck,
  sizedRecord,
  writtenRecord
} from "./recordCheck.ts"
import { type FileColumn, TypedRow } from "./typedRow.ts"
import { type Convert, fieldConverter, readCell, type Report, refused } from "./valueCheck.ts"
import type { ValueForms } from "./valueForms.ts"

type Tag = ColumnType["_tag"]

const integers: ReadonlyArray<Tag> = ["TinyInt", "SmallInt", "Int", "BigInt"]
const numbers: ReadonlyArray<Tag> = [...integers, "Float", "Double", "Decimal"]
const times: ReadonlyArray<Tag> = ["Date", "Timestamp", "TimestampNtz"]

/** The columns of a table that take single values of a file's type, apart from VARIANT. */
const takenBy = (tag: Tag): ReadonlyArray<Tag> => {
  switch (tag) {
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "BigInt":
      return [...numbers, ...times]
    case "Float":
    case "Double":
    case "Decimal":
      return numbers
    case "TimestampNtz":
      return ["TimestampNtz", "Timestamp"]
    case "Variant":
      return ["String"]
    default:
      return [tag]
  }
}

/** Types whose values in JSON are text or numbers of another meaning. */
const withoutJson: ReadonlyArray<Tag> = [...times, "Binary"]

const partsOf = (type: ColumnType): ReadonlyArray<ColumnType> => {
  if (type._tag === "Array") return [type.element]
  if (type._tag === "Map") return [type.key, type.value]
  return type._tag === "Struct" ? type.fields.map((field) => field.type) : []
}

/** All tags in a type. */
const tagsIn = (type: ColumnType): ReadonlySet<Tag> =>
  new Set([type._tag, ...partsOf(type).flatMap((part) => [...tagsIn(part)])])

/** Whether values of a type of the file may go into a column of the table. */
export const typeFits = (from: ColumnType, to: ColumnType): boolean => {
  if (to._tag === "Variant") {
    const tags = tagsIn(from)
    return (
      from._tag === "Variant" || ![...withoutJson, "Variant"].some((tag) => tags.has(tag as Tag))
    )
  }
  switch (from._tag) {
    case "String":
      return true
    case "Array":
      return to._tag === "Array" && typeFits(from.element, to.element)
    case "Map":
      return to._tag === "Map" && typeFits(from.key, to.key) && typeFits(from.value, to.value)
    case "Struct": {
      if (to._tag !== "Struct") return false
      const places = new NameMatch(to.fields.map(({ name }) => name)).columnsOf(
        from.fields.map(({ name }) => name)
      )
      // A name without a field of the table is refused, or left out, with the values.
      return from.fields.every(({ type }, index) => {
        const place = places[index]!
        return typeof place !== "number" || typeFits(type, to.fields[place]!.type)
      })
    }
    default:
      return takenBy(from._tag).includes(to._tag)
  }
}

/** The columns of a table that the columns of a file belong to; undefined for those left out. */
export const typedTargets = (
  columns: ReadonlyArray<ColumnDefinition>,
  file: ReadonlyArray<FileColumn>,
  options: ValueForms = {}
): ReadonlyArray<ColumnDefinition | undefined> | HeaderProblem => {
  const targets = csvColumns(
    columns,
    file.map(({ name }) => name),
    options
  )
  if ("problem" in targets) return targets
  for (const [index, { type, typeText }] of file.entries()) {
    const target = targets[index]
    if (target === undefined || (type !== undefined && typeFits(type, target.type))) continue
    if (!columns.includes(target)) continue
    const shown = type === undefined ? typeText : `${typeText} (${shownTypeText(type)})`
    const advice =
      type === undefined ? "no column of a table takes that type" : "write it as another type first"
    return {
      problem:
        `column ${target.name}: it is ${shown} in the file and ${shownTypeText(target.type)} in ` +
        `the table; ${advice}, or leave it out of the file`
    }
  }
  // A field without a column is sent in the type that it has in the file.
  return targets.map((target, index) => {
    const { type } = file[index]!
    if (target === undefined || columns.includes(target)) return target
    return type === undefined ? undefined : { ...target, type }
  })
}

/** Text means NULL, a date or a number of a unit only where the file has text or plain numbers. */
const formsFor = (type: ColumnType, forms: ValueForms): ValueForms => {
  const tags = tagsIn(type)
  const { ignoreUnknown, nullWords, rescueUnknown } = forms
  return {
    ...(times.some((tag) => tags.has(tag)) ? { ignoreUnknown, rescueUnknown } : forms),
    nullWords: tags.has("String") ? nullWords : []
  }
}

/** Reads a value of the file; never null. */
type Read = (value: any) => unknown

/** Brings a value of the file into the form that its column takes; undefined where it has it. */
const reading = (from: ColumnType, to: ColumnType, forms: ValueForms): Read | undefined => {
  const isVariant = to._tag === "Variant"
  switch (from._tag) {
    case "String":
      return to._tag === "String" || isVariant ? undefined : (text) => readCell(to, text, forms)
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "BigInt":
    case "Decimal":
      if (to._tag === from._tag) return undefined
      return (value) => (typeof value === "string" ? new ExactJson.ExactNumber(value) : value)
    case "Array": {
      const part = to._tag === "Array" ? to.element : to
      const read = orNull(reading(from.element, part, forms))
      return read && ((items: ReadonlyArray<unknown>) => items.map(read))
    }
    case "Map": {
      const read = orNull(reading(from.value, to._tag === "Map" ? to.value : to, forms))
      return read && ((value: object) => withValues(value, () => read))
    }
    case "Struct": {
      const fields = to._tag === "Struct" ? to.fields : undefined
      const places = fields && new NameMatch(fields.map(({ name }) => name))
      const names = from.fields.map(({ name }) => name)
      const found = places?.columnsOf(names)
      const reads = new Map<string, Read>()
      from.fields.forEach(({ name, type }, index) => {
        const place = found?.[index]
        const part = typeof place === "number" ? fields![place]!.type : isVariant ? to : undefined
        const read = part && orNull(reading(type, part, forms))
        if (read !== undefined) reads.set(name, read)
      })
      return reads.size === 0 ? undefined : (value) => withValues(value, (name) => reads.get(name))
    }
    default:
      return undefined
  }
}

const orNull = (read: Read | undefined): Read | undefined =>
  read && ((value) => (value === null ? null : read(value)))

const withValues = (value: object, readOf: (name: string) => Read | undefined): object => {
  const read: Record<string, unknown> = Object.create(null)
  for (const [name, item] of Object.entries(value)) read[name] = (readOf(name) ?? same)(item)
  return read
}

const same: Read = (value) => value

interface Cell {
  readonly name: string
  readonly index: number
  readonly read: Read
  readonly convert: Convert
}

/** Check of rows whose values belong to these columns. */
export const typedCheck = (
  targets: ReadonlyArray<ColumnDefinition | undefined>,
  file: ReadonlyArray<FileColumn>,
  options: ValueForms = {}
): RecordCheck => {
  const cells = targets.flatMap((column, index): ReadonlyArray<Cell> => {
    const from = file[index]!.type
    if (column === undefined || from === undefined) return []
    const forms = formsFor(from, options)
    const read = reading(from, column.type, forms) ?? same
    return [
      { name: column.name, index, read, convert: fieldConverter([column.name], column, forms) }
    ]
  })
  const report: Report = { changed: false, exact: false, problem: "" }
  return (row) => {
    if (!(row instanceof TypedRow)) return { problem: row.problem ?? "is not a row" }
    report.exact = false
    // Without a prototype a column may be called __proto__.
    const record: Record<string, unknown> = Object.create(null)
    for (const { convert, index, name, read } of cells) {
      const given = row.values[index]
      const value = convert(given === null ? null : read(given), report)
      if (value === refused) return { problem: report.problem }
      if (value !== null) record[name] = value
    }
    return sizedRecord(writtenRecord(record, report))
  }
}
