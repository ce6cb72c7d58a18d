/**
 * The formats of record files, and what a file's name says about its content.
 */

/** How a file is laid out. `json` is one array, one object, or objects one after another. */
export type Format = "ndjson" | "json" | "csv"

/** The names of the formats, for flags. */
export const formats = ["ndjson", "json", "csv"] as const

/** What a file name says about its content. */
export interface FileKind {
  readonly format: Format | undefined
  readonly gzip: boolean
  readonly delimiter: string
}

/**
 * Reads format, compression and delimiter off a file name: `.ndjson .jsonl .json .csv .tsv`, each
 * also with `.gz` or `.zst`.
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
