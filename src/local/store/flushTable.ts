/**
 * One flush: sealed column buffers become Parquet files and one commit of the table, exactly once.
 *
 * Runs wherever it is called, on the main thread or in the flush worker. The commit carries the last log sequence number as the
 * version of our `txn`, so a flush that is tried again after a crash or a lost answer finds out that it happened already.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { codec } from "../parquet/codecs.ts"
import { type ColumnTree, columnTree } from "../parquet/columnTree.ts"
import { compactIfDue } from "../delta/compaction.ts"
import type { Action, Add, Snapshot } from "../delta/deltaActions.ts"
import { type DeltaLog, LogDamaged, openLog } from "../delta/deltaLog.ts"
import { makeFolder, syncFolder, writeSynced } from "../../internal/log/durableFile.ts"
import { dataFilePrefix, filePath, logPath } from "../delta/filePaths.ts"
import { encodeParquet } from "../parquet/parquet.ts"
import { type PartitionedRows, splitByPartition } from "../delta/partitions.ts"
import { sizeOf, type TableSize } from "../delta/tableSize.ts"
import { fileStatistics } from "../delta/statistics.ts"
import { upgradedProtocol } from "../delta/tableFolder.ts"

/** What a flush works on. `now` in milliseconds; `lastSequence` is the last log entry among the rows. */
export interface FlushJob extends PartitionedRows {
  readonly folder: string
  readonly appId: string
  readonly lastSequence: number
  readonly now: number
  /** From how many small files on a flush also merges some; 0 never does. */
  readonly compactFiles: number
}

/** What a flush answers; `warning` tells of upkeep that failed. */
export interface FlushOutcome extends TableSize {
  readonly committed: boolean
  readonly warning?: string | undefined
}

/** Where flushes run. */
export interface Flusher {
  readonly flush: (job: FlushJob) => Promise<FlushOutcome>
  /** Forgets what is cached about a table folder, before it is dropped. */
  readonly forget: (folder: string) => Promise<void>
  readonly close: () => Promise<void>
}

interface OpenTable {
  readonly log: DeltaLog
  readonly tree: ColumnTree
}

/** A flusher that works on the calling thread. */
export const localFlusher = (): Flusher => {
  const tables = new Map<string, OpenTable>()
  const open = async (job: FlushJob): Promise<OpenTable> => {
    const known = tables.get(job.folder)
    if (known !== undefined) return known
    const log = await openLog(job.folder)
    if (log === undefined) throw new LogDamaged(job.folder, "it has no commits")
    const partitioned = new Set(job.partitionColumns)
    const opened = { log, tree: columnTree(job.columns.filter((column) => !partitioned.has(column.name))) }
    tables.set(job.folder, opened)
    return opened
  }
  return {
    flush: async (job) => {
      try {
        return await flushTable(await open(job), job)
      } catch (error) {
        // What is cached may be out of date; the next try replays the log from disk.
        tables.delete(job.folder)
        throw error
      }
    },
    forget: async (folder) => {
      tables.delete(folder)
    },
    close: async () => {
      tables.clear()
    }
  }
}

const committedAlready = (snapshot: Snapshot, job: FlushJob): boolean =>
  (snapshot.transactions.get(job.appId)?.version ?? 0) >= job.lastSequence

const flushTable = async ({ log, tree }: OpenTable, job: FlushJob): Promise<FlushOutcome> => {
  if (committedAlready(log.snapshot, job)) return { ...sizeOf(log.snapshot), committed: false }
  await upgradeProtocol(log, job.now)
  const adds: Array<Add> = []
  let committed = false
  try {
    for (const part of splitByPartition(job)) {
      const bytes = encodeParquet(tree, [part])
      const name = `${dataFilePrefix}${randomUUID()}.${codec.suffix}.parquet`
      const folder = Path.join(job.folder, ...part.folders)
      if (part.folders.length > 0) await makeFolder(folder)
      await writeSynced(Path.join(folder, name), bytes)
      await syncFolder(folder)
      adds.push({
        path: logPath([...part.folders, name]),
        partitionValues: part.values,
        size: bytes.length,
        modificationTime: job.now,
        dataChange: true,
        stats: fileStatistics(tree, part.chunks, part.rows)
      })
    }
    if (job.partitionColumns.length > 0) await syncFolder(job.folder)
    await log.commit((snapshot) => {
      committed = !committedAlready(snapshot, job)
      return committed ? commitActions(job, adds) : undefined
    })
  } finally {
    if (!committed) {
      for (const add of adds) await Fs.rm(filePath(job.folder, add.path), { force: true })
    }
  }
  const warning = await upkeep(log, tree, job)
  return { ...sizeOf(log.snapshot), committed, warning }
}

/** Adds the writer features that a table of an older version of this server lacks, as a commit of its own. */
const upgradeProtocol = async (log: DeltaLog, now: number): Promise<void> => {
  await log.commit(({ protocol }) => {
    const upgraded = protocol === undefined ? undefined : upgradedProtocol(protocol)
    if (upgraded === undefined) return undefined
    const operationParameters = { newProtocol: JSON.stringify(upgraded) }
    return [
      {
        commitInfo: {
          timestamp: now,
          operation: "UPGRADE PROTOCOL",
          operationParameters,
          isBlindAppend: false,
          engineInfo: "effect-zerobus"
        }
      },
      { protocol: upgraded }
    ]
  })
}

/** Compaction, checkpoint and clean-up. The rows are committed by now, so a failure here is a warning and nothing more. */
const upkeep = async (log: DeltaLog, tree: ColumnTree, job: FlushJob): Promise<string | undefined> => {
  try {
    if (job.compactFiles > 0) await compactIfDue(log, tree, job.compactFiles, job.now)
    if (await log.checkpointIfDue(job.now)) await log.cleanUp(job.now)
    return undefined
  } catch (error) {
    const why = error instanceof Error ? error.message : "unknown error"
    return `Upkeep of ${job.folder} failed (compaction, checkpoint or clean-up), its rows are safe: ${why}`
  }
}

const commitActions = (job: FlushJob, adds: ReadonlyArray<Add>): ReadonlyArray<Action> => [
  {
    commitInfo: {
      timestamp: job.now,
      operation: "STREAMING UPDATE",
      operationParameters: { outputMode: "Append", queryId: job.appId, epochId: String(job.lastSequence) },
      operationMetrics: { numAddedFiles: String(adds.length), numOutputRows: String(job.rows) },
      isBlindAppend: true,
      engineInfo: "effect-zerobus",
      txnId: randomUUID()
    }
  },
  { txn: { appId: job.appId, version: job.lastSequence, lastUpdated: job.now } },
  ...adds.map((add) => ({ add }))
]

/** Deletes temporary files and data files of ours that no commit names, left behind by a crash. Answers how many. */
export const sweepOrphans = async (log: DeltaLog): Promise<number> => {
  const named = new Set(
    [...log.snapshot.files.keys(), ...log.snapshot.tombstones.keys()].map((path) => filePath(log.table, path))
  )
  let removed = 0
  const entries = await Fs.readdir(log.table, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = Path.join(entry.parentPath, entry.name)
    const orphan = entry.name.startsWith(dataFilePrefix) && entry.name.endsWith(".parquet") && !named.has(path)
    if (orphan || entry.name.startsWith(".tmp-")) {
      await Fs.rm(path, { force: true })
      removed++
    }
  }
  return removed
}
