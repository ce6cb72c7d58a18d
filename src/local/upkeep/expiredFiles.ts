/**
 * Deletes data files that this server has merged into others, once the table's retention of deleted
 * files is over.
 *
 * Only files that a tombstone of our own merge names are deleted here. A file that nothing names
 * may belong to a commit that another writer is about to make; those of ours are swept at the
 * start, when the lock of the folder tells that no flush is under way.
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
 * Files stay for so long whatever the table asks for, in milliseconds: a reader that began before a
 * merge reads them.
 */
const shortestRetention = 3600 * 1000

/**
 * Deletes at most so many expired files of our merges. Answers how many.
 *
 * The order matters where the process ends in between: the tombstone leaves the log only after
 * its file is gone, so that the next round finds the file again. No row is at stake: the rows have
 * been live in a merged file for longer than the retention.
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
    // Another writer may have brought a file back, or have undone the merge, also since the round
    // began: the latest version counts.
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
 * The names of the files that the latest version or one of the retention has. A file whose rows
 * were deleted by deletion vectors has several entries, and one of them may have left the table
 * long before the others. Names of our files are unique, so a path of another form counts as well.
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
 * Whether a path of the log leads to a file with a name of ours below the table, and through no
 * link. `folders` are known ones.
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

/** Where a path of the log leads; undefined when it cannot be read. */
const located = (table: string, path: string): string | undefined => {
  try {
    return filePath(table, path)
  } catch {
    return undefined
  }
}
