/**
 * Cuts a file of records into single records with their line numbers, in constant memory: formats, their detection, and the
 * readers' common shape.
 *
 * A reader is fed the bytes of the file and gives back what is complete. A piece that cannot be a record comes with the reason,
 * and reading goes on behind it. What the records mean, and whether they fit a table, is the business of `recordCheck.ts`.
 */
import { csvReader } from "./csvRecords.ts"
import { jsonReader, lineReader } from "./jsonRecords.ts"
import type { RecordReader } from "./sourceRecord.ts"

export { longestRecord, type RecordReader, type SourceRecord } from "./sourceRecord.ts"

/** How a file is laid out. `json` is one array, one object, or objects one after another. */
export type Format = "ndjson" | "json" | "csv"

/** The names of the formats, for flags. */
export const formats = ["ndjson", "json", "csv"] as const

/** Makes the reader of a format. `delimiter` separates the fields of a CSV row; default a comma. */
export const reader = (format: Format, delimiter = ","): RecordReader =>
  format === "ndjson" ? lineReader() : format === "json" ? jsonReader() : csvReader(delimiter)

/** What a file name says about its content. */
export interface FileKind {
  readonly format: Format | undefined
  readonly gzip: boolean
  readonly delimiter: string
}

/** Reads format, compression and delimiter off a file name: `.ndjson .jsonl .json .csv .tsv`, each also with `.gz`. */
export const kindOf = (file: string): FileKind => {
  const gzip = /\.gz$/i.test(file)
  const ending = /\.([a-z]+)$/i.exec(gzip ? file.slice(0, -3) : file)?.[1]?.toLowerCase()
  const format =
    ending === "ndjson" || ending === "jsonl"
      ? "ndjson"
      : ending === "json"
        ? "json"
        : ending === "csv" || ending === "tsv"
          ? "csv"
          : undefined
  return { format, gzip, delimiter: ending === "tsv" ? "\t" : "," }
}
