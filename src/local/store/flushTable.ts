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
import { type DeltaLog, openLog, type SeenVersion, TableChanged } from "../delta/deltaLog.ts"
import { schemaKey } from "../delta/tableFolder.ts"
import { TableRefused, type TableRules, writeProblem } from "../delta/writability.ts"
import { makeFolder, syncFolder, writeSynced } from "../../internal/log/durableFile.ts"
import { dataFilePrefix, fileName, filePath, logPath } from "../delta/filePaths.ts"
import { encodeParquet } from "../parquet/parquet.ts"
import { type PartitionedRows, splitByPartition } from "../delta/partitions.ts"
import { sizeOf, type TableSize } from "../delta/tableSize.ts"
import { fileStatistics } from "../delta/statistics.ts"
import { upgradedProtocol } from "../delta/tableFolder.ts"

/** What a flush works on. `now` in milliseconds; `lastSequence` is the last log entry among the rows. */
export interface FlushJob extends PartitionedRows {
  /** The table's name, for messages. */
  readonly name: string
  readonly folder: string
  /** The id in the table's metaData: another table may have taken the folder. */
  readonly tableId: string
  /** The schema that the rows were made for, as `schemaKey` gives it. */
  readonly schema: string
  readonly appId: string
  readonly lastSequence: number
  readonly now: number
  /** From how many small files on a flush also merges some; 0 never does. */
  readonly compactFiles: number
}

/** What a flush answers; `warning` tells of upkeep that failed. */
export interface FlushOutcome extends TableSize {
  readonly committed: boolean
  /** The version up to which the table was checked before the rows were committed, the commit included. */
  readonly seen?: SeenVersion | undefined
  readonly warning?: string | undefined
}

/** A table as the last look found it. */
export interface TableLook extends TableSize, TableRules {
  readonly seen: SeenVersion
}

/** Where flushes run. */
export interface Flusher {
  /**
   * Commits the rows of a job. Rejects with `TableRefused` when another writer changed the table into one
   * that this server cannot write, and with `TableChanged` when the schema is not the job's any more.
   */
  readonly flush: (job: FlushJob) => Promise<FlushOutcome>
  /** Reads what other writers did. Rejects with `TableRefused` when there is no table any more. */
  readonly look: (folder: string, name: string) => Promise<TableLook>
  /** Forgets what is cached about a table folder, before it is dropped. */
  readonly forget: (folder: string) => Promise<void>
  readonly close: () => Promise<void>
}

/** A flusher that works on the calling thread. */
export const localFlusher = (): Flusher => {
  const tables = new Map<string, DeltaLog>()
  /** The log with all that others committed, read anew when the folder holds another table now. */
  const current = async (folder: string, name: string): Promise<DeltaLog> => {
    const known = tables.get(folder)
    if (known !== undefined && (await known.look())) return known
    tables.delete(folder)
    const log = await openLog(folder)
    if (log === undefined) throw new TableRefused(name, "its Delta log is gone")
    tables.set(folder, log)
    await log.look()
    return log
  }
  /** Runs with a log whose cache is dropped on failure: the next call replays it from disk. */
  const withLog = async <A>(folder: string, name: string, use: (log: DeltaLog) => Promise<A>): Promise<A> => {
    try {
      return await use(await current(folder, name))
    } catch (error) {
      tables.delete(folder)
      throw error
    }
  }
  return {
    flush: (job) => withLog(job.folder, job.name, (log) => flushTable(log, job)),
    look: (folder, name) =>
      withLog(folder, name, async (log) => ({
        ...sizeOf(log.snapshot),
        ...rulesOf(log.snapshot),
        seen: log.seen
      })),
    forget: async (folder) => {
      tables.delete(folder)
    },
    close: async () => {
      tables.clear()
    }
  }
}

const rulesOf = ({ metadata, protocol }: Snapshot): TableRules => ({ metadata: metadata!, protocol: protocol! })

/** Throws unless the rows of a job may be committed to the table as it is now. */
const checkTable = ({ snapshot, table }: DeltaLog, job: FlushJob): void => {
  const rules = rulesOf(snapshot)
  if (rules.metadata.id !== job.tableId) throw new TableRefused(job.name, "another table has taken its folder")
  const problem = writeProblem(rules)
  if (problem !== undefined) throw new TableRefused(job.name, problem)
  if (schemaKey(rules.metadata) !== job.schema) throw new TableChanged(table)
}

const committedAlready = (snapshot: Snapshot, job: FlushJob): boolean =>
  (snapshot.transactions.get(job.appId)?.version ?? 0) >= job.lastSequence

const flushTable = async (log: DeltaLog, job: FlushJob): Promise<FlushOutcome> => {
  if (committedAlready(log.snapshot, job)) return { ...sizeOf(log.snapshot), committed: false }
  checkTable(log, job)
  await upgradeProtocol(log, job.now)
  const partitioned = new Set(job.partitionColumns)
  const tree = columnTree(job.columns.filter((column) => !partitioned.has(column.name)))
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
  const { seen } = log
  const warning = await upkeep(log, tree, job)
  return { ...sizeOf(log.snapshot), committed, seen: committed ? seen : undefined, warning }
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

/**
 * Compaction, checkpoint and clean-up. The rows are committed by now, so a failure here is only a
 * warning. Checkpoints are also written when compaction fails.
 */
const upkeep = async (log: DeltaLog, tree: ColumnTree, job: FlushJob): Promise<string | undefined> => {
  const failures: Array<string> = []
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      failures.push(`${what}: ${error instanceof Error ? error.message : "unknown error"}`)
    }
  }
  if (job.compactFiles > 0) {
    await attempt("compaction", () => compactIfDue(log, tree, job.compactFiles, job.now))
  }
  await attempt("checkpoint or clean-up", async () => {
    if (await log.checkpointIfDue(job.now)) await log.cleanUp(job.now)
  })
  if (failures.length === 0) return undefined
  return `Upkeep of ${job.folder} failed, its rows are safe. ${failures.join("; ")}`
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

/**
 * Deletes temporary files and data files of ours that no commit names, left behind by a crash.
 * Answers how many. The names of our files are unique, so their folders are not compared: an entry
 * whose path has another form, such as an absolute one, keeps its file as well.
 */
export const sweepOrphans = async (log: DeltaLog): Promise<number> => {
  const { files, tombstones } = log.snapshot
  const named = new Set([...files.values(), ...tombstones.values()].map(({ path }) => fileName(path)))
  let removed = 0
  const entries = await Fs.readdir(log.table, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const ours = entry.name.startsWith(dataFilePrefix) && entry.name.endsWith(".parquet")
    if ((ours && !named.has(entry.name)) || entry.name.startsWith(".tmp-")) {
      await Fs.rm(Path.join(entry.parentPath, entry.name), { force: true })
      removed++
    }
  }
  return removed
}
