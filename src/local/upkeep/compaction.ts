/**
 * Merges small data files of a table into larger ones, with one commit that changes no data.
 *
 * Only files of this writer are merged, with others of the same partition and level
 * (`mergeLevels.ts`), and only if they have the current columns of the table. Files from before a
 * change of the columns stay as they are. Merged files stay on disk for readers of older versions
 * until their tombstones expire. If another writer removed one of the files, the round does
 * nothing.
 */
import * as Fs from "node:fs/promises"
import type { ColumnTree } from "../parquet/columnTree.ts"
import { type Action, type Add, fileKey, rowsOf } from "../delta/deltaActions.ts"
import { mergedTag, removedTags } from "../delta/mergeMarks.ts"
import { propertiesOf } from "../delta/tableProperties.ts"
import type { DeltaLog } from "../delta/deltaLog.ts"
import { readPlain } from "../../internal/log/plainFile.ts"
import { writeDataFile } from "../delta/dataFile.ts"
import { dataFilePrefix, filePath } from "../delta/filePaths.ts"
import { levelsOf } from "./mergeLevels.ts"
import { LeafCollector } from "../parquet/columnBufferReader.ts"
import { encodeParquet } from "../parquet/parquet.ts"
import { freeMemory } from "../parquet/columnMemory.ts"
import { fileStatistics } from "../delta/statistics.ts"

/** Limits of the files merged in one round: their bytes on disk and their rows. */
const targetBytes = 32 * 1024 * 1024
const targetRows = 1_000_000

/** Options of a compaction. */
export interface CompactionOptions {
  /** How many small files of one level and partition are needed for a merge. */
  readonly fewest: number
  /** Paths of files that stay as they are. */
  readonly except: ReadonlySet<string>
  /** In milliseconds. */
  readonly now: number
}

/**
 * Merges one round of small files when enough of one level exist. Returns the number of replaced
 * files.
 */
export const compactIfDue = async (
  log: DeltaLog,
  tree: ColumnTree,
  { except, fewest, now }: CompactionOptions
): Promise<number> => {
  const levels = levelsOf(log.snapshot, fewest)
  const due = levels.due(except)
  if (due.length === 0) return 0
  const collector = new LeafCollector(tree)
  const files: Array<Add> = []
  for (const file of chosen(due)) {
    const bytes = await readPlain(filePath(log.table, file.path))
    if (collector.add(bytes)) files.push(file)
    // A file that does not fit is removed from its level, so that it is not read again with every
    // flush.
    else levels.removed(fileKey(file), file)
    freeMemory(bytes)
  }
  return files.length < 2 ? 0 : merge(log, tree, files, collector, now)
}

/** As many files as fit into one merged file, oldest first. */
export const chosen = (files: ReadonlyArray<Add>): ReadonlyArray<Add> => {
  const picked: Array<Add> = []
  let bytes = 0
  let rows = 0
  for (const file of [...files].sort((a, b) => a.modificationTime - b.modificationTime)) {
    bytes += file.size
    rows += rowsOf(file) ?? 0
    if (picked.length > 1 && (bytes > targetBytes || rows > targetRows)) break
    picked.push(file)
  }
  return picked
}

/**
 * Replaces files by one file with their rows, which `collector` holds. Returns the number of
 * replaced files; 0 when another writer removed one of them.
 */
export const merge = async (
  log: DeltaLog,
  tree: ColumnTree,
  files: ReadonlyArray<Add>,
  collector: LeafCollector,
  now: number,
  prefix = dataFilePrefix
): Promise<number> => {
  const chunks = collector.chunks()
  const bytes = encodeParquet(tree, [{ rows: collector.rows, chunks }])
  const { partitionValues } = files[0]!
  const partitionColumns = log.snapshot.metadata?.partitionColumns ?? []
  const size = bytes.length
  const { onDisk, path } = await writeDataFile(
    log,
    partitionColumns,
    partitionValues,
    bytes,
    prefix
  )
  freeMemory(bytes)
  const add: Add = {
    path,
    partitionValues,
    size,
    modificationTime: now,
    dataChange: false,
    tags: { [mergedTag]: "true" },
    stats: fileStatistics(tree, chunks, collector.rows, propertiesOf(log.snapshot.metadata).indexed)
  }
  let tried = false
  let committed = false
  try {
    await log.commit((snapshot) => {
      tried = files.every((file) => snapshot.files.has(fileKey(file)))
      return tried ? compactActions(add, files, now) : undefined
    }, onDisk)
    committed = tried
  } finally {
    if (!committed && !(tried && log.isNamed))
      await Fs.rm(filePath(log.table, add.path), { force: true })
  }
  return committed ? files.length : 0
}

const compactActions = (
  add: Add,
  files: ReadonlyArray<Add>,
  now: number
): ReadonlyArray<Action> => [
  {
    commitInfo: {
      timestamp: now,
      operation: "OPTIMIZE",
      operationParameters: { predicate: "[]" },
      operationMetrics: { numRemovedFiles: String(files.length), numAddedFiles: "1" },
      isBlindAppend: false,
      engineInfo: "effect-zerobus"
    }
  },
  ...files.map((file): Action => ({
    remove: {
      path: file.path,
      deletionTimestamp: now,
      dataChange: false,
      extendedFileMetadata: true,
      partitionValues: file.partitionValues,
      size: file.size,
      tags: removedTags(file)
    }
  })),
  { add }
]
