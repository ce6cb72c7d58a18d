/**
 * Checks the records of a file against the columns of a table before they are sent, and converts
 * them to the wire form.
 *
 * An invalid record is found here, with its column, so that it cannot end the stream for the
 * others. JSON records that need no change are sent unchanged. The value conventions are those of
 * Zerobus: DATE as days, timestamps as microseconds, DECIMAL and VARIANT as strings, BIGINT beyond
 * 2^53 as a string. Dates and timestamps may also be in ISO form. `valueCheck.ts` converts the
 * single types.
 */
import type { ColumnDefinition } from "../../internal/columns/columnType.ts"
import * as ExactJson from "./exactJson.ts"
import { keyTwice } from "./keysTwice.ts"
import { NameMatch, noColumn } from "./nameMatch.ts"
import type { ValueForms } from "./valueForms.ts"
import {
  fieldConverter,
  keyTwiceProblem,
  readCell,
  type Report,
  refused,
  structConverter
} from "./valueCheck.ts"
import type { SourceRecord } from "./sourceRecord.ts"

/**
 * Largest record of one call, in encoded bytes: the service's limit minus room for the surrounding
 * message.
 */
export const largestRecord = 10 * 1024 * 1024 - 128 * 1024

/**
 * A record ready to send, or why it is refused. The reason names a column and what is expected
 * there.
 */
export type Checked = { readonly json: string } | { readonly problem: string }

/** Checks one record after another. */
export type RecordCheck = (record: SourceRecord) => Checked

/** Check of JSON records: `record.text` is one JSON object. */
export const jsonCheck = (
  columns: ReadonlyArray<ColumnDefinition>,
  options: ValueForms = {}
): RecordCheck => {
  const convert = structConverter([], columns, options)
  const report: Report = { changed: false, exact: false, problem: "" }
  return ({ text, problem }) => {
    if (problem !== undefined) return { problem }
    let value: unknown
    try {
      value = ExactJson.parse(text)
    } catch {
      return { problem: "is not valid JSON" }
    }
    const twice = keyTwice(text)
    if (twice !== undefined) return { problem: keyTwiceProblem(twice) }
    report.changed = report.exact = false
    const converted = convert(value, report)
    if (converted === refused) return { problem: report.problem }
    return sizedRecord(report.changed ? writtenRecord(converted, report) : text)
  }
}

/** Why the header of a CSV file does not fit the table. */
export interface HeaderProblem {
  readonly problem: string
}

/**
 * The columns for the names of a CSV header, by the rules of `nameMatch.ts`; `undefined` for names
 * that are ignored.
 */
export const csvColumns = (
  columns: ReadonlyArray<ColumnDefinition>,
  header: ReadonlyArray<string>,
  options: ValueForms = {}
): ReadonlyArray<ColumnDefinition | undefined> | HeaderProblem => {
  const places = new NameMatch(columns.map(({ name }) => name)).columnsOf(header)
  const found = places.map((place) => (typeof place === "number" ? columns[place] : undefined))
  const rescues = options.rescueUnknown === true && options.ignoreUnknown !== true
  const targets = found.map((column, index) =>
    rescues && places[index] === "unknown" ? rescuedField(header[index]!) : column
  )
  const unknown = header.flatMap((name, index) =>
    targets[index] === undefined ? [noColumn(name, places[index]!)] : []
  )
  if (unknown.length > 0 && options.ignoreUnknown !== true) {
    const more = unknown.length > 5 ? `; and ${unknown.length - 5} more` : ""
    return {
      problem:
        `${unknown.slice(0, 5).join("; ")}${more}. The columns of the table: ` +
        `${columnList(columns)}`
    }
  }
  const sent = targets.map((column) => column?.name)
  const twice = targets.find(
    (column, index) => column !== undefined && sent.indexOf(column.name) !== index
  )
  if (twice !== undefined)
    return { problem: `two columns of the file belong to the column ${twice.name}` }
  if (found.every((column) => column === undefined)) {
    return {
      problem:
        `none of its names is a column of the table. The columns of the table: ` +
        `${columnList(columns)}`
    }
  }
  const missing = columns.filter((column) => !column.nullable && !targets.includes(column))
  if (missing.length > 0)
    return {
      problem:
        `the file has no column ${missing.map((column) => column.name).join(", ")}, ` +
        `which is NOT NULL`
    }
  return targets
}

/** A field without a column, as the server's rescue column takes it. */
const rescuedField = (name: string): ColumnDefinition => ({
  name,
  type: { _tag: "String" },
  nullable: true
})

/** Whether an empty CSV field is NULL. For a STRING column that is NOT NULL it is empty text. */
export const emptyIsNull = ({ nullable, type }: ColumnDefinition): boolean =>
  nullable || type._tag !== "String"

/** Check of CSV rows whose fields belong to these columns. */
export const rowCheck = (
  targets: ReadonlyArray<ColumnDefinition | undefined>,
  options: ValueForms = {}
): RecordCheck => {
  const cells = targets.map((column, index) =>
    column === undefined
      ? undefined
      : { column, index, convert: fieldConverter([column.name], column, options) }
  )
  const words = options.nullWords ?? []
  const report: Report = { changed: false, exact: false, problem: "" }
  return ({ fields, problem }) => {
    if (problem !== undefined) return { problem }
    if (fields === undefined) return { problem: "is not a CSV row" }
    report.exact = false
    // Without a prototype, a column may be named __proto__.
    const record: Record<string, unknown> = Object.create(null)
    for (const cell of cells) {
      if (cell === undefined) continue
      const text = fields[cell.index]!
      const value = cell.convert(
        (text === "" && emptyIsNull(cell.column)) || words.includes(text)
          ? null
          : readCell(cell.column.type, text, options),
        report
      )
      if (value === refused) return { problem: report.problem }
      if (value !== null) record[cell.column.name] = value
    }
    return sizedRecord(writtenRecord(record, report))
  }
}

/** Column names for a message. Only the first ones when there are many. */
const columnList = (columns: ReadonlyArray<ColumnDefinition>): string =>
  columns
    .slice(0, 20)
    .map((column) => column.name)
    .join(", ") + (columns.length > 20 ? ", ..." : "")

/** The JSON text of a converted record. */
export const writtenRecord = (record: unknown, { exact }: Report): string =>
  exact ? ExactJson.stringify(record) : JSON.stringify(record)

/** Refuses a record that no call can carry. */
export const sizedRecord = (json: string): Checked => {
  if (json.length * 3 <= largestRecord) return { json }
  const size = Buffer.byteLength(json)
  return size <= largestRecord
    ? { json }
    : { problem: `has ${size} bytes, above the limit of ${largestRecord} bytes for one record` }
}
