/**
 * Which small data files of a table are merged next, kept up to date commit by commit.
 *
 * Files of one partition are grouped in levels by their rows: level n holds files of `fewest`^n
 * rows and more. Merging `fewest` files of a level makes one file of a higher level, so a row is
 * written anew once per level and not with every merge, and a level never holds many files. Which
 * files fit the table's columns, and merging itself, is the business of `compaction.ts`.
 */
import { type Add, type FileWatch, rowsOf, type Snapshot } from "../delta/deltaActions.ts"
import { dataFilePrefix, fileName } from "../delta/filePaths.ts"

/** Files from this size on are big enough. */
const smallBytes = 8 * 1024 * 1024
/** Files from so many rows on are big enough: two of them fill a merged file. */
const smallRows = 500_000

/** Whether a file may be merged: a small one of ours without deleted rows. */
const isCandidate = ({ deletionVector, path, size }: Add, rows: number): boolean =>
  size < smallBytes &&
  rows < smallRows &&
  deletionVector === undefined &&
  fileName(path).startsWith(dataFilePrefix)

/** The small files of one table by partition and level. */
export class MergeLevels implements FileWatch {
  /** How many files of a level are merged at a time; at least 2. */
  readonly fewest: number
  /** The columns that the files were tried with. */
  readonly schema: string
  private readonly groups = new Map<string, Map<string, Add>>()
  /** The groups with enough files: a commit looks at these alone. */
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
   * The files of one level that are enough to be merged without those of `except`; none when there
   * are none.
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
 * The levels of a snapshot, made at the first call and followed from then on. Made anew after the
 * columns changed: files that did not fit may fit again.
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
