/**
 * The formats of record files, and their detection from file names.
 */

/** File format. `json` is one array, one object, or a sequence of objects. */
export type Format = "ndjson" | "json" | "csv"

/** The names of the formats, for flags. */
export const formats = ["ndjson", "json", "csv"] as const

/** Properties detected from a file name. */
export interface FileKind {
  readonly format: Format | undefined
  readonly gzip: boolean
  readonly delimiter: string
}

/**
 * Detects format, compression and delimiter from a file name: `.ndjson .jsonl .json .csv .tsv`,
 * each also with `.gz` or `.zst`.
 */
export const kindOf = (file: string): FileKind => {
  const gzip = /\.gz$/i.test(file)
  const ending = /\.([a-z]+)$/i.exec(file.replace(/\.(?:gz|zst|zstd)$/i, ""))?.[1]?.toLowerCase()
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
