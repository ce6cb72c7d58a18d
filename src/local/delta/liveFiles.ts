/**
 * What a Delta table on disk consists of at its latest version: the live data files, for readers that do not know Delta themselves.
 *
 * Reads the log and nothing else; a table that a server is writing to may be read at any time.
 */
import * as Path from "node:path"
import { openLog } from "./deltaLog.ts"
import { sizeOf, type TableSize } from "./tableSize.ts"

/** A data file: its absolute path, and the values of the partition columns as text. */
export interface LiveFile {
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
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
  return {
    ...sizeOf(snapshot),
    live: [...snapshot.files.values()].map((add) => ({
      path: Path.resolve(folder, decodeURIComponent(add.path)),
      partitionValues: add.partitionValues
    })),
    partitionColumns: snapshot.metadata?.partitionColumns ?? [],
    schemaString: snapshot.metadata?.schemaString ?? ""
  }
}
