/**
 * Detects a file's compression and encoding from its first bytes, and formats that cannot be read.
 */

/** Compression or encoding of a file. */
export type Packing = "plain" | "gzip" | "zstd" | "utf16le" | "utf16be"

/** Number of bytes needed for detection. */
export const enoughBytes = 8

/** Signatures of unsupported file formats, with a description and advice. */
const others: ReadonlyArray<readonly [start: string, what: string]> = [
  [
    "PK\u0003\u0004",
    "a ZIP archive, as .zip and .xlsx files are; unpack it, or export the sheet as CSV"
  ],
  ["BZh", "compressed with bzip2; pipe it: bzcat FILE | zerobus ingest -"],
  ["\u00fd7zXZ", "compressed with xz; pipe it: xzcat FILE | zerobus ingest -"],
  ["ORC", "an ORC file; write it as CSV or NDJSON first"],
  ["SQLite f", "a SQLite database; export the table as CSV"],
  ["\u00d0\u00cf\u0011\u00e0", "an old Excel file; export the sheet as CSV"],
  ["%PDF-", "a PDF file"],
  ["\u00ff\u00fe\u0000\u0000", "text in UTF-32; write it as UTF-8"],
  ["\u0000\u0000\u00fe\u00ff", "text in UTF-32; write it as UTF-8"]
]

/** A format whose files are no text. */
export type BinaryFormat = "parquet" | "arrow" | "avro"

/** First bytes of files of these formats. A stream of Arrow has none of its own. */
const binaries: ReadonlyArray<readonly [start: string, format: BinaryFormat, name: string]> = [
  ["PAR1", "parquet", "a Parquet file"],
  ["Obj\u0001", "avro", "an Avro file"],
  ["ARROW1", "arrow", "an Arrow file"],
  ["\u00ff\u00ff\u00ff\u00ff", "arrow", "an Arrow stream"],
  ["FEA1", "arrow", "a Feather file"]
]

/**
 * The compression or encoding for the first bytes of a file, or why the file is unsupported.
 * `format` is the format of a file that is not text.
 */
export const packingOf = (
  head: Uint8Array,
  format?: BinaryFormat
): Packing | { readonly problem: string } => {
  const start = Buffer.from(
    head.buffer,
    head.byteOffset,
    Math.min(head.length, enoughBytes)
  ).toString("latin1")
  const other = others.find(([bytes]) => start.startsWith(bytes))
  if (other !== undefined) return { problem: other[1] }
  const binary = binaries.find(([bytes]) => start.startsWith(bytes))
  if (binary !== undefined && binary[1] !== format) {
    return { problem: `${binary[2]}; give --format ${binary[1]}` }
  }
  if (start.startsWith("\u001f\u008b")) return "gzip"
  if (start.startsWith("\u0028\u00b5\u002f\u00fd")) return "zstd"
  if (format !== undefined) return "plain"
  if (start.startsWith("\u00ff\u00fe")) return "utf16le"
  if (start.startsWith("\u00fe\u00ff")) return "utf16be"
  // ASCII in UTF-16 without a byte order mark: every other byte is 0.
  if (/^(?:[^\0]\0){2}/.test(start)) return "utf16le"
  return /^(?:\0[^\0]){2}/.test(start) ? "utf16be" : "plain"
}
