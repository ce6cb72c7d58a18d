/**
 * Tracks which small data files of a table are merged next, updated with each commit.
 *
 * Files of one partition are grouped into levels by their row count: level n holds files with
 * `fewest`^n rows or more. Merging `fewest` files of a level creates one file of a higher level. A
 * row is therefore rewritten once per level instead of with every merge, and a level never holds
 * many files. `compaction.ts` checks which files fit the table's columns and merges them.
 */
import { type Add, type FileWatch, rowsOf, type Snapshot } from "../delta/deltaActions.ts"
import { dataFilePrefix, fileName } from "../delta/filePaths.ts"

/** Files of at least this size are not merged. */
const smallBytes = 8 * 1024 * 1024
/** Files with at least this many rows are not merged: two of them fill a merged file. */
const smallRows = 500_000

/** Whether a file may be merged: a small one of ours without deleted rows. */
const isCandidate = ({ deletionVector, path, size }: Add, rows: number): boolean =>
  size < smallBytes &&
  rows < smallRows &&
  deletionVector === undefined &&
  fileName(path).startsWith(dataFilePrefix)

/** The small files of one table by partition and level. */
export class MergeLevels implements FileWatch {
  /** The number of files from which a level is merged; at least 2. */
  readonly fewest: number
  /** The schema that the files were checked against. */
  readonly schema: string
  private readonly groups = new Map<string, Map<string, Add>>()
  /** The groups with enough files, so that a commit checks only these. */
  private readonly full = new Set<string>()

  constructor({ files, metadata }: Snapshot, fewest: number) {
    this.fewest = Math.max(2, fewest)
    this.schema = metadata?.schemaString ?? ""
    for (const [key, add] of files) this.added(key, add)
  }

  private groupOf(add: Add, rows: number): string {
    const level = rows < 1 ? 0 : Math.floor(Math.log(rows) / Math.log(this.fewest) + 1e-9)
    return JSON.stringify([level, add.partitionValues])
  }

  added(key: string, add: Add): void {
    const rows = rowsOf(add) ?? 0
    if (!isCandidate(add, rows)) return
    const name = this.groupOf(add, rows)
    let group = this.groups.get(name)
    if (group === undefined) this.groups.set(name, (group = new Map()))
    group.set(key, add)
    if (group.size >= this.fewest) this.full.add(name)
  }

  removed(key: string, add: Add): void {
    const rows = rowsOf(add) ?? 0
    if (!isCandidate(add, rows)) return
    const name = this.groupOf(add, rows)
    const group = this.groups.get(name)
    if (group?.delete(key) !== true) return
    if (group.size < this.fewest) this.full.delete(name)
    if (group.size === 0) this.groups.delete(name)
  }

  /**
   * The files of a level that has enough files to merge, not counting those in `except`; empty when
   * no level has.
   */
  due(except: ReadonlySet<string>): ReadonlyArray<Add> {
    for (const name of this.full) {
      const files = [...this.groups.get(name)!.values()].filter(({ path }) => !except.has(path))
      if (files.length >= this.fewest) return files
    }
    return []
  }
}

/**
 * The levels of a snapshot. Created at the first call and updated from then on. Created again after
 * the columns changed, because files that did not fit may fit again.
 */
export const levelsOf = (snapshot: Snapshot, fewest: number): MergeLevels => {
  const known = snapshot.watch
  if (known instanceof MergeLevels && known.fewest === Math.max(2, fewest)) {
    if (known.schema === (snapshot.metadata?.schemaString ?? "")) return known
  }
  const made = new MergeLevels(snapshot, fewest)
  snapshot.watch = made
  return made
}
