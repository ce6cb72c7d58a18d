/**
 * Writes data files into the folders of their partitions.
 */
import { randomUUID } from "node:crypto"
import * as Path from "node:path"
import { makeFoldersIn, syncFolder, writeNew } from "../../internal/log/durableFile.ts"
import { codec } from "../parquet/codecs.ts"
import { partitionText } from "./columnLookup.ts"
import type { DeltaLog } from "./deltaLog.ts"
import { dataFilePrefix, fits, logPath } from "./filePaths.ts"
import { opaqueFolder, partitionFolders } from "./partitions.ts"

/** The name of a new data file, with our prefix. */
export const newFileName = (prefix = dataFilePrefix): string =>
  `${prefix}${randomUUID()}.${codec.suffix}.parquet`

/** A data file that is being written to disk. */
export interface WrittenFile {
  /** Its path in the form of the Delta log. */
  readonly path: string
  /**
   * Resolves when the file and its folder entry are on disk. No commit may name the file before.
   */
  readonly onDisk: Promise<unknown>
}

/**
 * Writes a data file into the folders that name its partition values. If the file system does not
 * support such names, the file gets a folder without values in its name.
 */
export const writeDataFile = async (
  { readers, table }: DeltaLog,
  columns: ReadonlyArray<string>,
  values: Readonly<Record<string, string | null>>,
  bytes: Uint8Array,
  prefix = dataFilePrefix
): Promise<WrittenFile> => {
  const name = newFileName(prefix)
  const texts = columns.map((column) => partitionText(values, column))
  const telling = partitionFolders(columns, texts)
  // Without folders, only the path of the table matters. It was checked when the table was created.
  const isFitting = telling.length === 0 || (await fits(Path.join(table, ...telling, name)))
  const folders = isFitting ? telling : [opaqueFolder(columns, texts)]
  const folder = await makeFoldersIn(table, folders, readers)
  const sync = await writeNew(Path.join(folder, name), bytes, readers)
  const onDisk = Promise.all([sync(), syncFolder(folder)])
  // The commit awaits this promise and fails with it. A commit that fails earlier reports its own
  // reason.
  onDisk.catch(() => {})
  return { path: logPath([...folders, name]), onDisk }
}
