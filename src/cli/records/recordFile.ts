/**
 * Splits a file into records with line numbers, in constant memory: the readers by format, and
 * their common interface.
 *
 * A reader receives the bytes of the file and returns complete records. A piece that cannot be a
 * record is returned with the reason, and reading continues after it. `recordCheck.ts` checks the
 * content of the records.
 */
import { type CsvOptions, csvReader } from "./csvRecords.ts"
import type { TextFormat } from "./fileKind.ts"
import { jsonReader, lineReader } from "./jsonRecords.ts"
import type { RecordReader } from "./sourceRecord.ts"

export { longestRecord, PlacedRow, type RecordReader, type SourceRecord } from "./sourceRecord.ts"

/** Creates the reader for a text format. */
export const reader = (format: TextFormat, csv: CsvOptions = {}): RecordReader =>
  format === "ndjson" ? lineReader(csv.line) : format === "json" ? jsonReader() : csvReader(csv)
