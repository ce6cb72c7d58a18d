/**
 * Deletes temporary files and data files of ours that no commit names, left behind by a crash. Runs
 * at the start of a server, under the lock of the data folder: later, such a file may belong to a
 * commit that is about to be made.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { DeltaLog } from "../delta/deltaLog.ts"
import { dataFilePrefix, fileName } from "../delta/filePaths.ts"
import { versionOf } from "../delta/replay.ts"

/**
 * Sweeps the folder of a table. Answers how many files went. The names of our files are unique, so
 * their folders are not compared: an entry whose path has another form, such as an absolute one,
 * keeps its file as well.
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
