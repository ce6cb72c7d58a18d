/**
 * Where tables are flushed: what a flusher does, and one that works on the calling thread.
 *
 * A flusher keeps the state of each table that it has flushed, and brings it up to the latest
 * version before each use. It opens the tables at a start as well: the flush of rows that a crash
 * has left finds the state, and no other thread reads it. `workerFlusher.ts` runs one in a thread.
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

/** What a flush works on. `now` in milliseconds. */
export interface FlushJob extends PartitionedRows, RowRange {
  /** The table's name, for messages. */
  readonly name: string
  readonly folder: string
  /** The id in the table's metaData: another table may have taken the folder. */
  readonly tableId: string
  /** The schema that the rows were made for, as `schemaKey` gives it. */
  readonly schema: string
  /** Per persistent stream, the last offset among the rows. */
  readonly streams: ReadonlyMap<string, number>
  /** Whether a version may have been replaced since it was read, so that the log is read anew. */
  readonly again: boolean
  /**
   * Files of ours that no look has found in place yet. They are not merged: their rows may have to
   * be committed again.
   */
  readonly unconfirmed: ReadonlyArray<string>
  readonly now: number
  /** From how many small files of about the same size on a flush also merges them; 0 never does. */
  readonly compactFiles: number
}

/** What a flush answers; `warning` tells of upkeep that failed. */
export interface FlushOutcome extends CommittedSize {
  readonly committed: boolean
  /**
   * The version up to which the table was checked before the rows were committed, the commit
   * included.
   */
  readonly seen?: SeenVersion | undefined
  /** Where a later look finds the rows; undefined when their commit is older than the log. */
  readonly place?: CommitPlace | undefined
  readonly warning?: string | undefined
}

/** A table as the last look found it. */
export interface TableLook extends CommittedSize, TableRules {
  readonly seen: SeenVersion
}

/** What is looked for in a table at a start. `now` in milliseconds. */
export interface PrepareJob {
  readonly name: string
  readonly folder: string
  readonly appId: string
  readonly ranges: ReadonlyArray<Omit<RowRange, "appId">>
  /** The ids of persistent streams whose last offsets are looked for. */
  readonly streams: ReadonlyArray<string>
  readonly now: number
}

/** Log entries that went into the table together, or that are not there. */
export interface LocatedRows {
  readonly firstSequence: number
  readonly lastSequence: number
  /** Undefined when no commit of them can be found. */
  readonly place: CommitPlace | undefined
  /** How many of the rows the table lacks. */
  readonly missing: "none" | "some" | "all"
}

/** What a start finds in a table. */
export interface PreparedTable extends CommittedSize {
  /** The number of the last commit of rows. */
  readonly committed: number
  /** For each stream the last offset whose rows the table has; -1 without any. */
  readonly offsets: ReadonlyMap<string, number>
  /** For each range its parts in order. */
  readonly found: ReadonlyArray<ReadonlyArray<LocatedRows>>
}

/** Where flushes run. */
export interface Flusher {
  /**
   * Commits the rows of a job. Rejects with `TableRefused` when another writer changed the table
   * into one that this server cannot write, and with `TableChanged` when the schema is not the
   * job's any more.
   */
  readonly flush: (job: FlushJob) => Promise<FlushOutcome>
  /**
   * Reads the table of a folder, for a server that is about to serve it; undefined when the folder
   * holds none. Rejects with `TableRefused` where a link or a special file is in the way.
   */
  readonly open: (folder: string, name: string) => Promise<TableLook | undefined>
  /**
   * Puts a table that was opened in order after a crash, and finds rows in it. Only while nobody
   * flushes the table, and under the lock of the data folder.
   */
  readonly prepare: (job: PrepareJob) => Promise<PreparedTable>
  /** Reads what other writers did. Rejects with `TableRefused` when there is no table any more. */
  readonly look: (folder: string, name: string) => Promise<TableLook>
  /** Forgets what is cached about a table folder, before it is dropped. */
  readonly forget: (folder: string) => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * A flusher that works on the calling thread: tables beside one another, what concerns one table
 * one after another. `readers` of the files that it writes.
 */
export const localFlusher = (readers: Readers = "owner"): Flusher => {
  const tables = new Map<string, DeltaLog>()
  const inTurn = turnsByName()
  /** The folders that may have got a checkpoint from here. */
  const written = new Set<string>()
  /** The log with all that others committed, read anew when the folder holds another table now. */
  const current = async (folder: string, name: string): Promise<DeltaLog> => {
    checkPlace(name, folder)
    const known = tables.get(folder)
    if (known !== undefined && (await known.look())) return known
    tables.delete(folder)
    // Our checkpoint may hold a version that another writer replaced just after it was made.
    if (written.has(folder)) await removeFalseCheckpoints(folder)
    const log = await openLog(folder, readers)
    if (log === undefined) throw tableGone(name)
    tables.set(folder, log)
    written.add(folder)
    await log.look()
    return log
  }
  /** Runs with a log whose cache is dropped on failure: the next call replays it from disk. */
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
        // The state of a table that gets no rows now is read again for its next flush: the states
        // of all tables of a folder may take much memory.
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

/** Runs the works of each name one after another. */
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
