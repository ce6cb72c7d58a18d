/**
 * Cuts a file of records into single records with their line numbers, in constant memory: the
 * readers by format, and their common shape.
 *
 * A reader is fed the bytes of the file and gives back what is complete. A piece that cannot be a
 * record comes with the reason, and reading goes on behind it. What the records mean, and whether
 * they fit a table, is the business of `recordCheck.ts`.
 */
import { type CsvOptions, csvReader } from "./csvRecords.ts"
import type { Format } from "./fileKind.ts"
import { jsonReader, lineReader } from "./jsonRecords.ts"
import type { RecordReader } from "./sourceRecord.ts"

export { longestRecord, PlacedRow, type RecordReader, type SourceRecord } from "./sourceRecord.ts"

/** Makes the reader of a format. */
export const reader = (format: Format, csv: CsvOptions = {}): RecordReader =>
  format === "ndjson" ? lineReader(csv.line) : format === "json" ? jsonReader() : csvReader(csv)
