/**
 * Removing a dropped table from the disk.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { syncFolder } from "../../internal/log/durableFile.ts"
import { openLog } from "../delta/deltaLog.ts"
import type { TableRecord } from "../delta/tableFolder.ts"
import { walFolder } from "../log/logFolders.ts"
import { TableRefused } from "../delta/writability.ts"

/** Throws when another writer has put a table of its own into the folder: dropping would delete that one. */
export const checkOwner = async ({ definition, location, tableId }: TableRecord): Promise<void> => {
  // A damaged log cannot tell, and a damaged table may be dropped.
  const log = await openLog(location).catch(() => undefined)
  const id = log?.snapshot.metadata?.id
  if (id !== undefined && id !== tableId) throw new TableRefused(definition.name, "another table has taken its folder")
}

/** Renames a folder; false when it is gone already. */
const renamed = async (from: string, to: string): Promise<boolean> => {
  try {
    await Fs.rename(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false
    throw error
  }
}

/** Deletes a table, in one step for everybody who lists the data folder, and then its log. */
export const removeTable = async (dataFolder: string, { location, tableId }: TableRecord): Promise<void> => {
  const trash = Path.join(dataFolder, `.trash-${randomUUID()}`)
  if (await renamed(location, trash)) await syncFolder(Path.dirname(location))
  await Fs.rm(trash, { recursive: true, force: true })
  await Fs.rm(walFolder(dataFolder, tableId), { recursive: true, force: true })
}
