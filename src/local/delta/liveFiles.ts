/**
 * What a Delta table on disk consists of at its latest version: the live data files, for readers that do not know Delta themselves.
 *
 * Reads the log, and the footers of the files of a table with VARIANT columns; a table that a server is writing to may be
 * read at any time.
 */
import * as Path from "node:path"
import { openPlain } from "../../internal/log/plainFile.ts"
import { annotatedVariants, footerBytes } from "../parquet/annotatedVariants.ts"
import { openLog } from "./deltaLog.ts"
import { filePath } from "./filePaths.ts"
import { sizeOf, type TableSize } from "./tableSize.ts"

/** A data file: its absolute path, and the values of the partition columns as text. */
export interface LiveFile {
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  /** The columns that carry Parquet's annotation VARIANT in this file; the others hold its two parts as a STRUCT. */
  readonly annotatedVariants: ReadonlyArray<string>
  /** Whether a deletion vector marks some of the rows as deleted, so that the file alone reads too many. */
  readonly hasDeletedRows: boolean
}

/** A table at one version. */
export interface LiveTable extends TableSize {
  readonly live: ReadonlyArray<LiveFile>
  readonly partitionColumns: ReadonlyArray<string>
  /** The table's schema as the log holds it: Spark's JSON for a struct. */
  readonly schemaString: string
}

/** Reads the latest version of the table in a folder; undefined when there is none. Throws when its log is damaged. */
export const readLiveTable = async (folder: string): Promise<LiveTable | undefined> => {
  const log = await openLog(folder)
  if (log === undefined) return undefined
  const { snapshot } = log
  const schemaString = snapshot.metadata?.schemaString ?? ""
  const live: Array<LiveFile> = []
  for (const { deletionVector, path: name, partitionValues } of snapshot.files.values()) {
    const path = Path.resolve(filePath(folder, name))
    const annotated = schemaString.includes('"variant"') ? await variantsOf(path) : []
    live.push({ path, partitionValues, annotatedVariants: annotated, hasDeletedRows: deletionVector !== undefined })
  }
  return { ...sizeOf(snapshot), live, partitionColumns: snapshot.metadata?.partitionColumns ?? [], schemaString }
}

/** What the footer of a file says. None of a file that cannot be read: a reader of its rows gets the error. */
const variantsOf = async (path: string): Promise<ReadonlyArray<string>> => {
  try {
    const file = await openPlain(path, "read")
    try {
      const { size } = await file.stat()
      const last = async (length: number) => {
        const tail = new Uint8Array(length)
        await file.read(tail, 0, length, size - length)
        return tail
      }
      return annotatedVariants(await last(footerBytes(await last(8))))
    } finally {
      await file.close()
    }
  } catch {
    return []
  }
}
