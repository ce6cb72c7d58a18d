/**
 * The live data files of a Delta table at its latest version, for readers that do not support
 * Delta.
 *
 * Reads the log, and the footers of data files where needed. A table may be read while a server
 * writes to it.
 */
import { openPlain } from "../../internal/log/plainFile.ts"
import { type FileFooter, footerBytes, footerOf } from "../parquet/fileFooter.ts"
import { rowsOf } from "./deltaActions.ts"
import { openLog } from "./deltaLog.ts"
import { deletedRows } from "./deletionVectors.ts"
import { filePath } from "./filePaths.ts"
import type { RowSet } from "./roaringBitmap.ts"
import { sizeOf, type TableSize } from "./tableSize.ts"

/** A data file: its absolute path, and the values of the partition columns as text. */
export interface LiveFile {
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  /** Rows of the file, without deleted ones. */
  readonly rows: number
  /**
   * The columns in the file, if its footer was read. That is done for tables with VARIANT columns.
   */
  readonly columns: ReadonlyArray<string>
  /**
   * The columns that have Parquet's VARIANT annotation in this file. Other VARIANT columns hold
   * their two parts as a STRUCT.
   */
  readonly annotatedVariants: ReadonlyArray<string>
  /** The columns whose VARIANTs are shredded into separate columns in this file. */
  readonly shreddedVariants: ReadonlyArray<string>
  /**
   * The rows that a deletion vector marks as deleted. Reading the file alone returns too many rows.
   */
  readonly deletedRows: RowSet | undefined
}

/** A table at one version. */
export interface LiveTable extends TableSize {
  readonly live: ReadonlyArray<LiveFile>
  readonly partitionColumns: ReadonlyArray<string>
  /** The table's schema as the log holds it: Spark's JSON for a struct. */
  readonly schemaString: string
}

/**
 * Reads the latest version of the table in a folder; undefined when there is none. Throws when its
 * log is damaged, and a `StorageFailure` that names the file when a deletion vector cannot be read.
 */
export const readLiveTable = async (folder: string): Promise<LiveTable | undefined> => {
  const log = await openLog(folder)
  if (log === undefined) return undefined
  const { snapshot } = log
  const schemaString = snapshot.metadata?.schemaString ?? ""
  const hasVariants = schemaString.includes('"variant"')
  const live: Array<LiveFile> = []
  for (const add of snapshot.files.values()) {
    const path = filePath(folder, add.path)
    const counted = rowsOf(add)
    const footer =
      hasVariants || add.deletionVector !== undefined || counted === undefined
        ? await footerIn(path)
        : undefined
    const deleted = await deletedRows(folder, add, footer?.rows ?? 0)
    live.push({
      path,
      partitionValues: add.partitionValues,
      rows: footer === undefined ? (counted ?? 0) : footer.rows - (deleted?.count ?? 0),
      columns: footer?.columns ?? [],
      annotatedVariants: footer?.annotatedVariants ?? [],
      shreddedVariants: footer?.shreddedVariants ?? [],
      deletedRows: deleted
    })
  }
  const rows = live.reduce((sum, file) => sum + file.rows, 0)
  return {
    ...sizeOf(snapshot),
    rows,
    live,
    partitionColumns: snapshot.metadata?.partitionColumns ?? [],
    schemaString
  }
}

/**
 * The footer of a file; undefined when the file cannot be read. Reading its rows then reports the
 * error.
 */
export const footerIn = async (path: string): Promise<FileFooter | undefined> => {
  try {
    const file = await openPlain(path, "read")
    try {
      const { size } = await file.stat()
      const last = async (length: number) => {
        const tail = new Uint8Array(length)
        await file.read(tail, 0, length, size - length)
        return tail
      }
      return footerOf(await last(footerBytes(await last(8))))
    } finally {
      await file.close()
    }
  } catch {
    return undefined
  }
}
