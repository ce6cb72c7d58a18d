/**
 * Deletes data files that this server has merged into others, once the table's retention of deleted
 * files has passed.
 *
 * Only files named by a tombstone of our own merge are deleted here. A file that nothing names may
 * belong to a commit that another writer is about to make. Unnamed files of ours are deleted at
 * start-up, when the folder's lock guarantees that no flush is running.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { isFolder } from "../../internal/log/plainFile.ts"
import type { Remove, Snapshot } from "../delta/deltaActions.ts"
import { isExpired } from "../delta/deltaCheckpoint.ts"
import { mergedTag } from "../delta/mergeMarks.ts"
import { type DeltaLog, isLatest } from "../delta/deltaLog.ts"
import { dataFilePrefix, fileName, filePath } from "../delta/filePaths.ts"

/**
 * The shortest time that files stay, in milliseconds, even if the table's retention is shorter: a
 * reader that began before a merge still reads them.
 */
const shortestRetention = 3600 * 1000

/**
 * Deletes at most `atMost` expired files of our merges. Returns their number.
 *
 * The order matters if the process ends in between: the tombstone leaves the log only after its
 * file is deleted, so that the next round finds the file again. No rows can be lost: they have been
 * live in a merged file for longer than the retention.
 */
export const removeExpiredFiles = async (
  log: DeltaLog,
  now: number,
  atMost: number
): Promise<number> => {
  const { snapshot, table } = log
  const isOver = (remove: Remove): boolean =>
    (remove.deletionTimestamp ?? 0) < now - shortestRetention && isExpired(snapshot, remove, now)
  const due = (remove: Remove): boolean =>
    remove.tags?.[mergedTag] !== undefined && !remove.dataChange && isOver(remove)
  const expired: Array<string> = []
  for (const [key, remove] of snapshot.tombstones) {
    if (due(remove)) expired.push(key)
    if (expired.length === atMost) break
  }
  const folders = new Set<string>()
  let needed: ReadonlySet<string> | undefined
  let removed = 0
  for (const key of expired) {
    // Another writer may have restored a file or undone the merge, even during this round. The
    // latest version decides.
    if (needed === undefined || !(await isLatest(table, log.seen))) {
      if (!(await log.look())) break
      needed = neededNames(snapshot, isOver)
    }
    const remove = snapshot.tombstones.get(key)
    if (remove === undefined || !due(remove) || needed.has(fileName(remove.path))) continue
    if (await isOwnFile(table, remove.path, folders)) {
      await Fs.rm(filePath(table, remove.path), { force: true })
      removed++
    }
    snapshot.tombstones.delete(key)
  }
  return removed
}

/**
 * The names of the files that the latest version, or one within the retention, needs. A file with
 * deletion vectors has several entries, and one of them may have been removed long before the
 * others. Our file names are unique, so only names are compared; a path may have another form.
 */
const neededNames = (
  { files, tombstones }: Snapshot,
  isOver: (remove: Remove) => boolean
): ReadonlySet<string> => {
  const names = new Set<string>()
  for (const { path } of files.values()) names.add(fileName(path))
  for (const remove of tombstones.values()) if (!isOver(remove)) names.add(fileName(remove.path))
  return names
}

/**
 * Whether a path of the log is a file with our prefix inside the table's folder, without a link in
 * its path. `folders` caches checked folders.
 */
const isOwnFile = async (table: string, path: string, folders: Set<string>): Promise<boolean> => {
  const inside = Path.relative(table, located(table, path) ?? "..")
  if (
    Path.isAbsolute(inside) ||
    inside.startsWith("..") ||
    !Path.basename(inside).startsWith(dataFilePrefix)
  )
    return false
  let folder = table
  for (const name of Path.dirname(inside).split(Path.sep)) {
    folder = Path.join(folder, name)
    if (folders.has(folder)) continue
    if (!(await isFolder(folder))) return false
    folders.add(folder)
  }
  return true
}

/** The resolved path of a file in the log; undefined when it is invalid. */
const located = (table: string, path: string): string | undefined => {
  try {
    return filePath(table, path)
  } catch {
    return undefined
  }
}
