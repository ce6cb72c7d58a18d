/**
 * Checks rows of files with types against the columns of a table: once the types of the columns,
 * then the values of each row.
 *
 * Where a type of the file can mean only one thing, such as an instant, it goes into a column of
 * that meaning alone. Texts are read as the fields of a CSV file are.
 */
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { shownTypeText } from "../../internal/columns/columnType.ts"
import { NameMatch } from "./nameMatch.ts"
import {
  csvColumns,
  type HeaderProblem,
  type RecordCheck,
  sizedRecord,
  writtenRecord
} from "./recordCheck.ts"
import { columnReader, type FileColumn, jsonReader, same, TypedRow } from "./typedRow.ts"
import { type Convert, fieldConverter, type Report, refused } from "./valueCheck.ts"
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

/** A column that takes values of a file. */
export interface TypedTarget extends ColumnDefinition {
  /** Whether the table lacks the column, so that its values go into the rescue column. */
  readonly isRescued?: boolean | undefined
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
): ReadonlyArray<TypedTarget | undefined> | HeaderProblem => {
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
    return type === undefined ? undefined : { ...target, type, isRescued: true }
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

interface Cell {
  readonly name: string
  readonly index: number
  readonly convert: Convert
}

/** How the values of a column of the file go into a column of the table. */
const cellConvert = (column: ColumnDefinition, from: ColumnType, options: ValueForms): Convert => {
  const forms = formsFor(from, options)
  const convert = fieldConverter([column.name], column, forms)
  const read = columnReader(from, column.type, forms) ?? same
  return (value, report) => convert(value === null ? null : read(value), report)
}

/**
 * How the values of a column without one in the table go into the rescue column: as JSON values.
 * They are checked as those of a column of their type.
 */
const rescuedConvert = (
  column: ColumnDefinition,
  from: ColumnType,
  options: ValueForms
): Convert => {
  const check = cellConvert(column, from, options)
  const rescue = jsonReader(from, formsFor(from, options).nullWords) ?? same
  return (value, report) => {
    if (value === null) return null
    // The check may change the parts of a value.
    const rescued = rescue(value)
    const checked = check(value, report)
    report.exact = true
    return checked === refused || checked === null ? checked : rescued
  }
}

/** Check of rows whose values belong to these columns. */
export const typedCheck = (
  targets: ReadonlyArray<TypedTarget | undefined>,
  file: ReadonlyArray<FileColumn>,
  options: ValueForms = {}
): RecordCheck => {
  const cells = targets.flatMap((column, index): ReadonlyArray<Cell> => {
    const from = file[index]!.type
    if (column === undefined || from === undefined) return []
    const convertOf = column.isRescued === true ? rescuedConvert : cellConvert
    return [{ name: column.name, index, convert: convertOf(column, from, options) }]
  })
  const report: Report = { changed: false, exact: false, problem: "" }
  return (row) => {
    if (!(row instanceof TypedRow)) return { problem: row.problem ?? "is not a row" }
    report.exact = false
    // Without a prototype a column may be called __proto__.
    const record: Record<string, unknown> = Object.create(null)
    for (const { convert, index, name } of cells) {
      const value = convert(row.values[index], report)
      if (value === refused) return { problem: report.problem }
      if (value !== null) record[name] = value
    }
    return sizedRecord(writtenRecord(record, report))
  }
}
