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

/** The name of a new data file; ours carry our prefix. */
export const newFileName = (prefix = dataFilePrefix): string =>
  `${prefix}${randomUUID()}.${codec.suffix}.parquet`

/** A data file that is being written to disk. */
export interface WrittenFile {
  /** Its path as the log wants it. */
  readonly path: string
  /** Resolves when the file and its name are on disk; no commit may name it before. */
  readonly onDisk: Promise<unknown>
}

/**
 * Writes a data file. Where the file system cannot have the folders that tell the partition's
 * values, the file gets one that tells none.
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
  // Without folders the path of the table alone counts, which was checked when it was made.
  const isFitting = telling.length === 0 || (await fits(Path.join(table, ...telling, name)))
  const folders = isFitting ? telling : [opaqueFolder(columns, texts)]
  const folder = await makeFoldersIn(table, folders, readers)
  const sync = await writeNew(Path.join(folder, name), bytes, readers)
  const onDisk = Promise.all([sync(), syncFolder(folder)])
  // The commit waits for it, and fails with it. One that fails before that tells its own reason.
  onDisk.catch(() => {})
  return { path: logPath([...folders, name]), onDisk }
}
