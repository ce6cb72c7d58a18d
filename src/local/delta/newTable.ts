/**
 * Creates the folders and the first commit of a new table.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { makeFoldersIn, type Readers } from "../../internal/log/durableFile.ts"
import { isFolder, lstatOf, NotAFolder } from "../../internal/log/plainFile.ts"
import { walFolder } from "../log/logFolders.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import { createLog, type DeltaLog, logFolder, openLog } from "./deltaLog.ts"
import { newFileName } from "./dataFile.ts"
import { fits } from "./filePaths.ts"
import { opaqueFolder } from "./partitions.ts"
import { metadataOf, protocolOf, type TableRecord } from "./tableFolder.ts"

/**
 * Creates the folders of a table in a data folder and its first commit, and passes the log to
 * `serve`. Returns undefined when a table of that name exists, ignoring case. Fails with
 * `ENAMETOOLONG` when paths in the table would be too long for the file system, and with the reason
 * `TableRefused` when a link or another file has its name. A failure leaves nothing of the table
 * behind.
 */
export const makeTable = async <A>(
  dataFolder: string,
  record: TableRecord,
  readers: Readers,
  serve: (log: DeltaLog) => Promise<A>
): Promise<A | undefined> => {
  const { location, tableId } = record
  const schema = Path.dirname(location)
  const folders = [logFolder(location), location, schema, Path.dirname(schema)]
  const isFree = (path: string) =>
    lstatOf(path).then(
      (found) => found === undefined,
      () => false
    )
  const made = await Promise.all(folders.map(isFree))
  try {
    const log = await firstCommit(dataFolder, record, readers)
    return log === undefined ? undefined : await serve(log)
  } catch (error) {
    // Another program may have created a table there at the same time, and may use the parent
    // folders.
    const found = await openLog(location).catch(() => undefined)
    const isOurs =
      found === undefined ||
      (found.snapshot.metadata?.id === tableId && found.snapshot.version === 0)
    if (made[0] === true && isOurs)
      await Fs.rm(folders[0]!, { recursive: true, force: true }).catch(() => {})
    for (const [n, folder] of folders.entries())
      if (n > 0 && made[n] === true) await Fs.rmdir(folder).catch(() => {})
    await Fs.rm(walFolder(dataFolder, tableId), { recursive: true, force: true }).catch(() => {})
    // A retry would fail the same way.
    if (error instanceof NotAFolder)
      throw new StorageFailure({ reason: "TableRefused", message: error.message })
    throw error
  }
}

const firstCommit = async (
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
    const path = Path.join(above, name)
    const same = name.toLowerCase() === Path.basename(location).toLowerCase()
    if (same && (await isFolder(path)) && (await isFolder(logFolder(path)))) return undefined
  }
  await makeFoldersIn(above, [Path.basename(location)], readers)
  const commitInfo = {
    timestamp: createdAt,
    operation: "CREATE TABLE",
    operationParameters: {},
    engineInfo: "effect-zerobus"
  }
  const metaData = metadataOf(definition, tableId, createdAt)
  return createLog(
    location,
    [{ commitInfo }, { protocol: protocolOf(definition) }, { metaData }],
    readers
  )
}
