/**
 * The interface of a flusher, and a flusher that works on the calling thread.
 *
 * A flusher caches the state of each table that it has flushed, and updates it to the latest
 * version before each use. It also opens the tables at start-up: the flush that commits rows after
 * a crash then finds their state in the cache, and no other thread reads it. `workerFlusher.ts`
 * runs a flusher in a thread.
 */
import {
  type DeltaLog,
  openLog,
  removeFalseCheckpoints,
  type SeenVersion
} from "../delta/deltaLog.ts"
import type { CommitPlace, RowRange } from "../delta/commitPlace.ts"
import type { PartitionedRows } from "../delta/partitions.ts"
import { type CommittedSize, sizeOf } from "../delta/tableSize.ts"
import { checkPlace, refusalOf, tableGone, type TableRules } from "../delta/writability.ts"
import type { Readers } from "../../internal/log/durableFile.ts"
import { flushTable, rulesOf } from "./flushTable.ts"
import { openTable, prepareTable } from "./openTable.ts"

/** The input of a flush. `now` in milliseconds. */
export interface FlushJob extends PartitionedRows, RowRange {
  /** The table's name, for messages. */
  readonly name: string
  readonly folder: string
  /**
   * The id in the table's `metaData`. Checked because another table may have replaced it in the
   * folder.
   */
  readonly tableId: string
  /** The schema that the rows were decoded for, as a `schemaKey`. */
  readonly schema: string
  /** Per persistent stream, the last offset among the rows. */
  readonly streams: ReadonlyMap<string, number>
  /**
   * Whether a version may have been replaced since it was read, so that the log has to be read
   * again.
   */
  readonly again: boolean
  /**
   * Files of ours that no look has confirmed yet. They are not merged, because their rows may have
   * to be committed again.
   */
  readonly unconfirmed: ReadonlyArray<string>
  readonly now: number
  /** The number of small files of similar size from which a flush also merges them; 0 for never. */
  readonly compactFiles: number
}

/** The result of a flush. `warning` describes upkeep that failed. */
export interface FlushOutcome extends CommittedSize {
  readonly committed: boolean
  /** The version up to which the table was checked, including the commit. */
  readonly seen?: SeenVersion | undefined
  /** Where a later look checks the rows; undefined when their commit is older than the log. */
  readonly place?: CommitPlace | undefined
  readonly warning?: string | undefined
}

/** The state of a table at the last look. */
export interface TableLook extends CommittedSize, TableRules {
  readonly seen: SeenVersion
}

/** What a start searches in a table. `now` in milliseconds. */
export interface PrepareJob {
  readonly name: string
  readonly folder: string
  readonly appId: string
  readonly ranges: ReadonlyArray<Omit<RowRange, "appId">>
  /** The ids of persistent streams whose last offsets are needed. */
  readonly streams: ReadonlyArray<string>
  readonly now: number
}

/** Log entries that were committed together, or that are not in the table. */
export interface LocatedRows {
  readonly firstSequence: number
  readonly lastSequence: number
  /** Undefined when no commit of the entries can be found. */
  readonly place: CommitPlace | undefined
  /** Whether the table lacks none, some or all of the rows. */
  readonly missing: "none" | "some" | "all"
}

/** What a start finds in a table. */
export interface PreparedTable extends CommittedSize {
  /** The number of the last commit of rows. */
  readonly committed: number
  /** For each stream, the last offset whose rows are in the table; -1 without any. */
  readonly offsets: ReadonlyMap<string, number>
  /** For each range, its parts in order. */
  readonly found: ReadonlyArray<ReadonlyArray<LocatedRows>>
}

/** Opens, reads and flushes tables. */
export interface Flusher {
  /**
   * Commits the rows of a job. Rejects with `TableRefused` when another writer changed the table so
   * that this server cannot write it, and with `TableChanged` when the schema differs from the
   * job's.
   */
  readonly flush: (job: FlushJob) => Promise<FlushOutcome>
  /**
   * Reads the table in a folder before it is served; undefined when the folder holds none. Rejects
   * with `TableRefused` when a link or a special file is in its place.
   */
  readonly open: (folder: string, name: string) => Promise<TableLook | undefined>
  /**
   * Repairs an opened table after a crash, and finds rows in it. Only while no flush of the table
   * runs, and under the lock of the data folder.
   */
  readonly prepare: (job: PrepareJob) => Promise<PreparedTable>
  /**
   * Reads the changes of other writers. Rejects with `TableRefused` when the table no longer
   * exists.
   */
  readonly look: (folder: string, name: string) => Promise<TableLook>
  /** Removes a table folder from the cache, before the table is dropped. */
  readonly forget: (folder: string) => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * A flusher that works on the calling thread. Different tables are processed concurrently, calls
 * for the same table one after another. `readers` may read the files that it writes.
 */
export const localFlusher = (readers: Readers = "owner"): Flusher => {
  const tables = new Map<string, DeltaLog>()
  const inTurn = turnsByName()
  /** The folders that may contain a checkpoint of this flusher. */
  const written = new Set<string>()
  /** The log up to the latest version. Read again when the folder holds another table now. */
  const current = async (folder: string, name: string): Promise<DeltaLog> => {
    checkPlace(name, folder)
    const known = tables.get(folder)
    if (known !== undefined && (await known.look())) return known
    tables.delete(folder)
    // Our checkpoint may include a version that another writer replaced right after it was
    // committed.
    if (written.has(folder)) await removeFalseCheckpoints(folder)
    const log = await openLog(folder, readers)
    if (log === undefined) throw tableGone(name)
    tables.set(folder, log)
    written.add(folder)
    await log.look()
    return log
  }
  /**
   * Runs `use` with the log. A failure drops the cached log, so that the next call replays it from
   * disk.
   */
  const withLog = async <A>(
    folder: string,
    name: string,
    use: (log: DeltaLog) => Promise<A>
  ): Promise<A> => {
    try {
      return await use(await current(folder, name))
    } catch (error) {
      tables.delete(folder)
      throw refusalOf(name, error)
    }
  }
  const lookOf = ({ seen, snapshot }: DeltaLog): TableLook => ({
    ...sizeOf(snapshot),
    ...rulesOf(snapshot),
    seen
  })
  return {
    open: (folder, name) =>
      inTurn(folder, async () => {
        tables.delete(folder)
        const log = await openTable(folder, name, readers)
        if (log === undefined) return undefined
        tables.set(folder, log)
        written.add(folder)
        return lookOf(log)
      }),
    prepare: (job) =>
      inTurn(job.folder, async () => {
        const prepared = await withLog(job.folder, job.name, (log) => prepareTable(log, job))
        // The state of a table without new rows is dropped and read again for its next flush,
        // because the states of all tables may take much memory.
        const isIdle = prepared.found.flat().every(({ missing }) => missing === "none")
        if (isIdle) tables.delete(job.folder)
        return prepared
      }),
    flush: (job) =>
      inTurn(job.folder, async () => {
        if (job.again) {
          tables.delete(job.folder)
          written.add(job.folder)
        }
        return withLog(job.folder, job.name, (log) => flushTable(log, job))
      }),
    look: (folder, name) => inTurn(folder, () => withLog(folder, name, async (log) => lookOf(log))),
    forget: (folder) =>
      inTurn(folder, async () => {
        tables.delete(folder)
        written.delete(folder)
      }),
    close: async () => {
      tables.clear()
    }
  }
}

/** Runs the work of each name in sequence. */
const turnsByName = () => {
  const last = new Map<string, Promise<unknown>>()
  return <A>(name: string, work: () => Promise<A>): Promise<A> => {
    const running = (last.get(name) ?? Promise.resolve()).then(work)
    const ended = running
      .catch(() => {})
      .then(() => {
        if (last.get(name) === ended) last.delete(name)
      })
    last.set(name, ended)
    return running
  }
}
