/**
 * The formats of record files, and their detection from file names.
 */

/** Text format. `json` is one array, one object, or a sequence of objects. */
export type TextFormat = "ndjson" | "json" | "csv"

/** A format whose files name the types of their columns. */
export type TypedFormat = "parquet" | "arrow" | "avro"

/** The format of a file. */
export type Format = TextFormat | TypedFormat

/** The names of the formats, for flags. */
export const formats = ["ndjson", "json", "csv", "parquet", "arrow", "avro"] as const

/** Properties detected from a file name. */
export interface FileKind {
  readonly format: Format | undefined
  readonly gzip: boolean
  readonly delimiter: string
}

const formatsByEnding: Readonly<Record<string, Format>> = Object.assign(Object.create(null), {
  ndjson: "ndjson",
  jsonl: "ndjson",
  json: "json",
  csv: "csv",
  tsv: "csv",
  parquet: "parquet",
  arrow: "arrow",
  arrows: "arrow",
  feather: "arrow",
  avro: "avro"
})

/** Whether files of a format name the types of their columns. */
export const isTyped = (format: Format): format is TypedFormat =>
  format === "parquet" || format === "arrow" || format === "avro"

/**
 * Detects format, compression and delimiter from a file name, such as `.csv`, `.csv.gz` or
 * `.parquet`.
 */
export const kindOf = (file: string): FileKind => {
  const gzip = /\.gz$/i.test(file)
  const ending = /\.([a-z]+)$/i.exec(file.replace(/\.(?:gz|zst|zstd)$/i, ""))?.[1]?.toLowerCase()
  const format = ending === undefined ? undefined : formatsByEnding[ending]
  return { format, gzip, delimiter: ending === "tsv" ? "\t" : "," }
}
