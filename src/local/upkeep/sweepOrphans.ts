/**
 * Deletes temporary files and our data files that no commit names, which a crash left behind. Runs
 * at the start of a server, under the lock of the data folder: later, such a file may belong to a
 * commit in progress.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { DeltaLog } from "../delta/deltaLog.ts"
import { dataFilePrefix, fileName } from "../delta/filePaths.ts"
import { versionOf } from "../delta/replay.ts"

/**
 * Sweeps the folder of a table and returns the number of deleted files. Our file names are unique,
 * so only names are compared: a log entry with another form of path, such as an absolute one, keeps
 * its file too.
 */
export const sweepOrphans = async ({ snapshot, table }: DeltaLog): Promise<number> => {
  const named = new Set<string>()
  for (const { path } of snapshot.files.values()) named.add(fileName(path))
  for (const { path } of snapshot.tombstones.values()) named.add(fileName(path))
  return sweepFolder(table, named)
}

const sweepFolder = async (folder: string, named: ReadonlySet<string>): Promise<number> => {
  let removed = 0
  for (const entry of await Fs.readdir(folder, { withFileTypes: true })) {
    const { name } = entry
    if (named.has(name) || versionOf(name) !== undefined) continue
    const ours = name.startsWith(dataFilePrefix) && name.endsWith(".parquet")
    if (entry.isDirectory()) removed += await sweepFolder(Path.join(folder, name), named)
    else if (entry.isFile() && (ours || name.startsWith(".tmp-"))) {
      await Fs.rm(Path.join(folder, name), { force: true })
      removed++
    }
  }
  return removed
}
