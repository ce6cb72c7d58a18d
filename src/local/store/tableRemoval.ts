/**
 * Deletes a dropped table from the disk, after checking that it may be deleted.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { syncFolder } from "../../internal/log/durableFile.ts"
import { isFolder } from "../../internal/log/plainFile.ts"
import { openLog } from "../delta/deltaLog.ts"
import type { TableRecord } from "../delta/tableFolder.ts"
import { type FoundLog, logsIn, walFolder } from "../log/logFolders.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import { TableRefused } from "../delta/writability.ts"
import { salvage } from "./salvage.ts"
import { tableKey } from "./tableStore.ts"

/** The id of the table in a folder; undefined when it cannot be read. */
export const idOf = async (location: string): Promise<string | undefined> =>
  (await openLog(location).catch(() => undefined))?.snapshot.metadata?.id

/**
 * Throws when another writer has replaced the table in the folder: dropping would delete the new
 * one.
 */
export const checkOwner = async ({ definition, location, tableId }: TableRecord): Promise<void> => {
  const id = await idOf(location)
  if (id !== undefined && id !== tableId)
    throw new TableRefused(definition.name, "another table has taken its folder")
}

/**
 * The logs to delete with a table: the one with its id, or all that name the table when its id is
 * unknown. A copy of another table has none.
 */
export const logsToDrop = async (
  dataFolder: string,
  name: string,
  tableId: string | undefined
): Promise<ReadonlyArray<FoundLog>> =>
  (await logsIn(dataFolder)).filter((log) => {
    const isNamed = log.table !== undefined && tableKey(log.table) === tableKey(name)
    return tableId === undefined
      ? isNamed
      : log.tableId === tableId && (isNamed || log.table === undefined)
  })

/** Throws while logs hold, or may hold, acknowledged records that are not in the table. */
export const checkWritten = async (
  dataFolder: string,
  name: string,
  logs: ReadonlyArray<FoundLog>
): Promise<void> => {
  const refuse = (why: string): never => {
    throw new StorageFailure({
      reason: "TableRefused",
      message: `The table ${name} is not dropped, because ${why}`
    })
  }
  for (const log of logs) {
    const { damage, records } = await salvage(dataFolder, log, async () => {})
    if (damage.length > 0) {
      refuse(
        `its log is damaged and may hold acknowledged records that are not in the table. ` +
          `${damage.join(" ")} ` +
          `Restore the file from a backup, or move ${log.folder} away to give up its records; ` +
          `then drop the table again.`
      )
    }
    if (records > 0) {
      refuse(
        `its log holds acknowledged records that are not in the table (${records}). Take them ` +
          `out, and drop the table again: ` +
          `zerobus table salvage ${name} --to FILE --discard`
      )
    }
  }
}

/** Renames a folder; false when it does not exist. */
const renamed = async (from: string, to: string): Promise<boolean> => {
  try {
    await Fs.rename(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false
    throw error
  }
}

/**
 * Deletes a table and then its logs. For readers of the data folder, the table disappears in one
 * step. Links inside it are deleted and not followed. Rejects with `NotAFolder` when a parent
 * folder has become a link.
 */
export const removeTable = async (
  dataFolder: string,
  location: string,
  logIds: ReadonlyArray<string>
): Promise<void> => {
  const schema = Path.dirname(location)
  const isThere = (await isFolder(Path.dirname(schema))) && (await isFolder(schema))
  const trash = Path.join(dataFolder, `.trash-${randomUUID()}`)
  if (isThere && (await renamed(location, trash))) await syncFolder(schema)
  await Fs.rm(trash, { recursive: true, force: true })
  for (const id of logIds) await Fs.rm(walFolder(dataFolder, id), { recursive: true, force: true })
}
