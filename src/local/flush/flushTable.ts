/**
 * One flush: writes sealed column buffers as Parquet files and commits them to the table, exactly
 * once.
 *
 * Runs on the main thread or in the flush worker. The commit carries the numbers of its log
 * entries, so a flush that is repeated after a crash or a lost reply detects that the rows are
 * committed already. If another writer replaced the commit, the rows are committed again; if only a
 * data file is gone, the rows of that file are.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import type { ColumnTree } from "../parquet/columnTree.ts"
import { sharedTrees } from "../parquet/sharedTrees.ts"
import { compactIfDue } from "../upkeep/compaction.ts"
import { type Action, type Add, fileKey, type Snapshot } from "../delta/deltaActions.ts"
import { type DeltaLog, TableChanged } from "../delta/deltaLog.ts"
import { schemaKey } from "../delta/tableFolder.ts"
import { TableRefused, type TableRules, writeProblem } from "../delta/writability.ts"
import {
  type CommitPlace,
  commitFinder,
  type FoundRange,
  lastNumber,
  type MissingRows,
  partitionKey,
  rangeParameters,
  type RowRange,
  streamActions
} from "../delta/commitPlace.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import { writeDataFile } from "../delta/dataFile.ts"
import { filePath } from "../delta/filePaths.ts"
import { freeMemory } from "../parquet/columnMemory.ts"
import { encodeParquet } from "../parquet/parquet.ts"
import { type PartitionPart, splitByPartition } from "../delta/partitions.ts"
import { sizeOf } from "../delta/tableSize.ts"
import { fileStatistics } from "../delta/statistics.ts"
import { propertiesOf } from "../delta/tableProperties.ts"
import { undoBrokenMerges } from "../upkeep/brokenMerges.ts"
import { removeExpired } from "../upkeep/retention.ts"
import { upgradedProtocol } from "../delta/tableFolder.ts"
import type { FlushJob, FlushOutcome } from "./flusher.ts"

/** The rules that a table sets for its writers. */
export const rulesOf = ({ metadata, protocol }: Snapshot): TableRules => ({
  metadata: metadata!,
  protocol: protocol!
})

/** Throws unless the rows of a job may be committed to the current table. */
const checkTable = ({ snapshot, table }: DeltaLog, job: FlushJob): void => {
  const rules = rulesOf(snapshot)
  if (rules.metadata.id !== job.tableId)
    throw new TableRefused(job.name, "another table has taken its folder")
  const problem = writeProblem(rules)
  if (problem !== undefined) throw new TableRefused(job.name, problem)
  if (schemaKey(rules.metadata) !== job.schema) throw new TableChanged(table)
}

const sharedTree = sharedTrees()

/** The columns of a job's data files, without the partition columns. */
const treeOf = ({ columns, partitionColumns, schema }: FlushJob): ColumnTree =>
  sharedTree(schema, () => columns.filter(({ name }) => !partitionColumns.includes(name))).tree

const txnOf = (snapshot: Snapshot, { appId }: RowRange): number =>
  snapshot.transactions.get(appId)?.version ?? 0

/**
 * Writes the rows of a job that the table lacks into files and commits them. Then runs the upkeep
 * that is due.
 */
export const flushTable = async (log: DeltaLog, job: FlushJob): Promise<FlushOutcome> => {
  const found = await commitFinder(log)(job)
  const known = placeOf(found)
  const missing = missingOf(job, found)
  if (missing === undefined) return { ...sizeOf(log.snapshot), committed: false, place: known }
  checkTable(log, job)
  await upgradeProtocol(log, job.now)
  const problem = await undoBrokenMerges(log, job.now)
  const tree = treeOf(job)
  const { lost, parts } = partsOf(job, missing)
  // The lost files held other rows of these log entries, and none of this job.
  if (missing.isPartial && parts.length === 0)
    return { ...sizeOf(log.snapshot), committed: false, place: known }
  const adds: Array<Add> = []
  const written: Array<Promise<unknown>> = []
  let tried = false
  let committed = false
  try {
    for (const part of parts) {
      const bytes = encodeParquet(tree, [part])
      const size = bytes.length
      const { onDisk, path } = await writeDataFile(log, job.partitionColumns, part.values, bytes)
      freeMemory(bytes)
      written.push(onDisk)
      adds.push({
        path,
        partitionValues: part.values,
        size,
        modificationTime: job.now,
        dataChange: !missing.isPartial,
        stats: fileStatistics(
          tree,
          part.chunks,
          part.rows,
          propertiesOf(log.snapshot.metadata).indexed
        )
      })
    }
    const before = txnOf(log.snapshot, job)
    const last = Math.max(await lastNumber(log, job.appId), job.lastSequence)
    await log.commit((snapshot) => {
      // If the number has changed, another server wrote to the same folder.
      tried =
        txnOf(snapshot, job) === before && lost.every((add) => snapshot.files.has(fileKey(add)))
      if (!tried) return undefined
      return [
        ...commitActions(job, last, adds, lost, missing.isPartial),
        ...streamActions(snapshot, job.streams, job.now)
      ]
    }, Promise.all(written))
    committed = tried
  } finally {
    // Each attempt creates new files. On a full disk, the files of a failed attempt would take the
    // space of the next one.
    if (!committed && !(tried && log.isNamed)) {
      for (const add of adds) await Fs.rm(filePath(job.folder, add.path), { force: true })
    }
  }
  if (!committed) {
    throw new StorageFailure({
      reason: "Io",
      message:
        `Another program wrote the same rows of ${job.name} at the same time. The next flush ` +
        `checks which rows are in the table.`
    })
  }
  const { seen } = log
  const added = adds.map(({ path }) => path)
  const place = {
    commits: [seen, ...(known?.commits ?? [])],
    paths: [...added, ...(known?.paths ?? [])]
  }
  const upkeepProblem = await upkeep(log, tree, job, new Set([...place.paths, ...job.unconfirmed]))
  const warning = [problem ?? [], upkeepProblem ?? []].flat().join(" ")
  return {
    ...sizeOf(log.snapshot),
    committed,
    seen,
    place,
    warning: warning === "" ? undefined : warning
  }
}

/** All found commits as one place; undefined without any. */
const placeOf = (found: ReadonlyArray<FoundRange>): CommitPlace | undefined => {
  const places = found.flatMap(({ place }) => place ?? [])
  if (places.length === 0) return undefined
  return {
    commits: places.flatMap(({ commits }) => commits),
    paths: places.flatMap(({ paths }) => paths)
  }
}

/** The rows of a job that the table lacks; undefined when it has all of them. */
const missingOf = (job: FlushJob, found: ReadonlyArray<FoundRange>): MissingRows | undefined => {
  const [missing] = found.flatMap((part) => part.missing ?? [])
  if (missing === undefined || found.length === 1) return missing
  // The rows of a job are always committed together, so only one part can be missing.
  throw new StorageFailure({
    reason: "CorruptTable",
    message:
      `The table ${job.name} in ${job.folder} has a part of the log entries ` +
      `${job.firstSequence} to ${job.lastSequence}. ` +
      "Restart the server: at its start it checks each of them."
  })
}

/** The missing rows by partition, and the lost files that they replace. */
const partsOf = (
  job: FlushJob,
  { isMissing, isShared, lost }: MissingRows
): { readonly parts: ReadonlyArray<PartitionPart>; readonly lost: ReadonlyArray<Add> } => {
  const parts = splitByPartition(job).filter(({ values }) => isMissing(partitionKey(values)))
  const keys = new Set(parts.map(({ values }) => partitionKey(values)))
  const replaced = lost.filter(({ partitionValues }) => keys.has(partitionKey(partitionValues)))
  if (replaced.length === lost.length || isShared) return { parts, lost: replaced }
  throw new StorageFailure({
    reason: "CorruptTable",
    message:
      `Data files of ${job.name} are missing in ${job.folder}, and the log holds other rows ` +
      `than they had. ` +
      "Restore the files from a backup."
  })
}

/**
 * Adds the writer features that a table from an older version of this server lacks, in a separate
 * commit.
 */
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
 * Compaction, clean-up and checkpoint. The rows are already committed, so a failure here is only a
 * warning. Checkpoints are written even when compaction fails.
 */
const upkeep = async (
  log: DeltaLog,
  tree: ColumnTree,
  job: FlushJob,
  except: ReadonlySet<string>
): Promise<string | undefined> => {
  const failures: Array<string> = []
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      failures.push(`${what}: ${error instanceof Error ? error.message : "unknown error"}`)
    }
  }
  if (job.compactFiles > 0) {
    await attempt("compaction", () =>
      compactIfDue(log, tree, { fewest: job.compactFiles, except, now: job.now })
    )
  }
  await attempt("clean-up", () => removeExpired(log, job.now))
  await attempt("checkpoint", () => log.checkpointIfDue(job.now))
  const { problems } = propertiesOf(log.snapshot.metadata)
  const failed = failures.map(
    (failure) => `Upkeep of ${job.folder} failed, its rows are safe. ${failure}`
  )
  return [...failed, ...problems].join(" ") || undefined
}

/**
 * The actions that commit new files and remove the `lost` files that they replace. `number` is that
 * of the last log entry in the table.
 */
const commitActions = (
  job: FlushJob,
  number: number,
  adds: ReadonlyArray<Add>,
  lost: ReadonlyArray<Add>,
  isPartial: boolean
): ReadonlyArray<Action> => [
  {
    commitInfo: {
      timestamp: job.now,
      operation: "STREAMING UPDATE",
      operationParameters: { outputMode: "Append", ...rangeParameters(job, isPartial) },
      operationMetrics: { numAddedFiles: String(adds.length), numOutputRows: String(job.rows) },
      isBlindAppend: !isPartial,
      engineInfo: "effect-zerobus",
      txnId: randomUUID()
    }
  },
  // Rows that are committed again may be older than the last commit; its number must not decrease.
  { txn: { appId: job.appId, version: number, lastUpdated: job.now } },
  ...lost.map(({ partitionValues, path, size }): Action => ({
    remove: {
      path,
      deletionTimestamp: job.now,
      dataChange: false,
      extendedFileMetadata: true,
      partitionValues,
      size
    }
  })),
  ...adds.map((add) => ({ add }))
]
