/**
 * The folders and the first commit of a new table.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { makeFoldersIn, type Readers } from "../../internal/log/durableFile.ts"
import { isFolder } from "../../internal/log/plainFile.ts"
import { createLog, type DeltaLog, logFolder } from "./deltaLog.ts"
import { newFileName } from "./dataFile.ts"
import { fits } from "./filePaths.ts"
import { opaqueFolder } from "./partitions.ts"
import { metadataOf, protocolOf, type TableRecord } from "./tableFolder.ts"

/**
 * Makes the folders of a table below a data folder, and its first commit. Answers undefined when a table of that name exists,
 * in whatever case. Fails with `ENAMETOOLONG` when files of the table would have longer paths than the file system takes.
 */
export const makeTable = async (
  dataFolder: string,
  { createdAt, definition, location, tableId }: TableRecord,
  readers: Readers
): Promise<DeltaLog | undefined> => {
  const above = Path.dirname(location)
  const longest = Path.join(location, opaqueFolder([], []), newFileName())
  if (!(await fits(longest))) {
    throw Object.assign(new Error("The path is too long."), { code: "ENAMETOOLONG" })
  }
  await makeFoldersIn(dataFolder, Path.relative(dataFolder, above).split(Path.sep), readers)
  for (const name of await Fs.readdir(above)) {
    const same = name.toLowerCase() === Path.basename(location).toLowerCase()
    if (same && (await isFolder(logFolder(Path.join(above, name))))) return undefined
  }
  await makeFoldersIn(above, [Path.basename(location)], readers)
  const commitInfo = {
    timestamp: createdAt,
    operation: "CREATE TABLE",
    operationParameters: {},
    engineInfo: "effect-zerobus"
  }
  const metaData = metadataOf(definition, tableId, createdAt)
  return createLog(location, [{ commitInfo }, { protocol: protocolOf(definition) }, { metaData }], readers)
}
