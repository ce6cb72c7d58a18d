/**
 * Rewrites data files whose VARIANT columns have an annotation that Spark 4.0 and Polars refuse.
 * Earlier versions of the server wrote such files.
 *
 * It can run while a server is running, as another writer that changes no data. The new files have
 * a prefix that a starting server does not delete as leftovers of a crash.
 */
import * as Fs from "node:fs/promises"
import * as Result from "effect/Result"
import { readPlain } from "../../internal/log/plainFile.ts"
import { LeafCollector } from "../parquet/columnBufferReader.ts"
import { columnTree } from "../parquet/columnTree.ts"
import { chosen, merge } from "./compaction.ts"
import { type Add, fileKey } from "../delta/deltaActions.ts"
import { openLog } from "../delta/deltaLog.ts"
import { dataFilePrefix, fileName, filePath } from "../delta/filePaths.ts"
import { footerIn } from "../delta/liveFiles.ts"
import { definitionOf } from "../delta/tableFolder.ts"
import { checkPlace, tableGone, TableRefused, writeProblem } from "../delta/writability.ts"

const rewrittenPrefix = "rewritten-"

/** The number of rewritten files, and of files that need rewriting and were skipped. */
export interface Rewritten {
  readonly files: number
  /**
   * Skipped: files with deleted rows or without the current columns, and files that another writer
   * changed in the meantime.
   */
  readonly left: number
}

/**
 * Rewrites the files of the table in a folder. `now` in milliseconds. Throws `TableRefused` when
 * the table cannot be written.
 */
export const rewriteVariants = async (
  name: string,
  folder: string,
  now: number
): Promise<Rewritten> => {
  checkPlace(name, folder)
  const { mode } = await Fs.stat(folder)
  const log = await openLog(folder, (mode & 0o007) === 0 ? "owner" : "everyone")
  if (log === undefined || !(await log.look())) throw tableGone(name)
  const { metadata, protocol } = log.snapshot
  const problem = writeProblem({ metadata: metadata!, protocol: protocol! })
  if (problem !== undefined) throw new TableRefused(name, problem)
  const { columns } = Result.getOrThrowWith(
    definitionOf(name, metadata!),
    (why) => new TableRefused(name, why)
  )

  const groups = new Map<string, { readonly names: ReadonlyArray<string>; files: Array<Add> }>()
  let left = 0
  for (const add of log.snapshot.files.values()) {
    if (!fileName(add.path).startsWith(dataFilePrefix)) continue
    const footer = await footerIn(filePath(folder, add.path))
    if (footer === undefined || footer.annotatedVariants.length === 0) continue
    if (add.deletionVector !== undefined) {
      left++
      continue
    }
    const key = JSON.stringify([add.partitionValues, footer.columns])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { names: footer.columns, files: [add] })
    else group.files.push(add)
  }

  let files = 0
  for (const group of groups.values()) {
    // Files from before a column was added lack it, and so do the files that replace them.
    const present = group.names.flatMap(
      (column) => columns.find(({ name }) => name === column) ?? []
    )
    const tree = columnTree(present)
    while (group.files.length > 0) {
      const round = chosen(group.files)
      group.files = group.files.filter((file) => !round.includes(file))
      const collector = new LeafCollector(tree)
      const taken: Array<Add> = []
      for (const file of round.filter((file) => log.snapshot.files.has(fileKey(file)))) {
        if (collector.add(await readPlain(filePath(folder, file.path)))) taken.push(file)
      }
      const replaced =
        taken.length === 0 ? 0 : await merge(log, tree, taken, collector, now, rewrittenPrefix)
      files += replaced
      left += round.length - replaced
    }
  }
  return { files, left }
}
