/**
 * The served and the refused tables of a data folder. Opens tables and recovers their logs, carries
 * out discard orders, and drops tables.
 *
 * Each of these operations has to run alone and to its end: names are looked up before folders are
 * created or deleted, and two engines of one table would write to the same log. The store runs them
 * one at a time.
 */
import type { Readers } from "../../internal/log/durableFile.ts"
import type { DeltaLog } from "../delta/deltaLog.ts"
import { schemaKey, type TableRecord } from "../delta/tableFolder.ts"
import { sizeOf, type TableSize } from "../delta/tableSize.ts"
import { refusalOf, TableRefused, writeProblem } from "../delta/writability.ts"
import {
  discardOrdered,
  isDiscardOrdered,
  logIn,
  logsIn,
  type OwnLogs,
  ownLogs,
  walFolder
} from "../log/logFolders.ts"
import { readSegments, segmentNumbers } from "../log/logSegments.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import type { SharedLog } from "../log/sharedLog.ts"
import { moveOutFound } from "../log/ownLog.ts"
import { TableLog } from "../log/tableLog.ts"
import { type PersistentStreamRecord, PersistentStreams } from "../persistent/persistentStreams.ts"
import { folderRegister, knownStreams, registeredStreams } from "../persistent/streamRegister.ts"
import { Backlog } from "./backlog.ts"
import type { EngineLimits } from "./engineLimits.ts"
import type {
  Flusher,
  FlushOutcome,
  PreparedTable,
  PrepareJob,
  TableLook
} from "../flush/flusher.ts"
import { FlushTurns } from "../flush/flushTurns.ts"
import { RefusedTables } from "./refusedTables.ts"
import { TableEngine } from "./tableEngine.ts"
import { usableDefinition } from "./tableForm.ts"
import { checkTableId } from "./tableIds.ts"
import { checkOwner, checkWritten, idOf, logsToDrop, removeTable } from "./tableRemoval.ts"
import { LoggedRows, rangeOf } from "./recovery.ts"
import { appIdOf, tableKey, type UnservedTable } from "./tableStore.ts"
import { unservedIn } from "./unserved.ts"

/** A served table and its engine. */
export interface ServedTable {
  readonly record: TableRecord
  readonly engine: TableEngine
  readonly streams: PersistentStreams
}

/** The record of a table as of the last look. */
export const recordOf = ({ engine, record }: Omit<ServedTable, "streams">): TableRecord => ({
  ...record,
  definition: engine.definition,
  ...(engine.refusal === undefined ? {} : { problem: engine.refusal.message })
})

/** How many tables a start reads, and recovers, concurrently. */
const opensAtOnce = 16

/** What opening a table needs. */
export interface ServedOptions {
  /** The data folder. */
  readonly folder: string
  readonly readers: Readers
  readonly log: SharedLog
  readonly flusher: Flusher
  readonly limits: EngineLimits
  /** Milliseconds. */
  readonly now: () => number
  /** Whether records count as durable only once they are in the table. */
  readonly ackAfterCommit: boolean
  /** Called after each commit of rows. */
  readonly committed: (tableName: string, size: TableSize) => void
  /** Runs work while no other change of the tables runs. */
  readonly inTurn: <A>(work: () => Promise<A>) => Promise<A>
}

/**
 * The tables of one data folder. Methods must run one at a time, unless their comment says "At any
 * time".
 */
export class ServedTables {
  /** The refused tables. `retry` waits for its turn itself. */
  readonly refused: RefusedTables
  /** The rows of all tables that wait for a flush. */
  readonly backlog: Backlog
  private readonly turns: FlushTurns
  private readonly options: ServedOptions
  private readonly byKey = new Map<string, ServedTable>()
  /** The names of the tables that are served or being opened, by case-insensitive id. */
  private readonly byId = new Map<string, string>()

  constructor(options: ServedOptions) {
    this.options = options
    this.backlog = new Backlog(options.limits, options.now)
    this.turns = new FlushTurns(options.limits.flushesAtOnce)
    this.refused = new RefusedTables((name, location) =>
      options.inTurn(async () => (await this.open(name, location)) !== undefined)
    )
  }

  /** A table by its case-insensitive name. At any time. */
  get(name: string): ServedTable | undefined {
    return this.byKey.get(tableKey(name))
  }

  /** All tables. At any time. */
  get all(): ReadonlyArray<ServedTable> {
    return [...this.byKey.values()]
  }

  private get ids(): ReadonlySet<string> {
    return new Set(this.all.map(({ record }) => record.tableId))
  }

  /** The tables and logs of the data folder that are not served. At any time. */
  unserved(): Promise<ReadonlyArray<UnservedTable>> {
    return unservedIn(this.options.folder, this.ids, this.refused.all)
  }

  /** Opens the table in a folder, unless it is open; undefined when the folder holds none. */
  async open(name: string, location: string): Promise<ServedTable | undefined> {
    const open = this.get(name)
    if (open !== undefined) return open
    const look = await this.options.flusher.open(location, name)
    if (look === undefined) return undefined
    const logs = await ownLogs(this.options.folder)
    await this.checkId(name, look, logs)
    return this.prepare(name, location, look, logs)
  }

  /**
   * Opens the tables in these folders concurrently. Ids are checked in order: of two tables with
   * the same id, the first one is served. `done` is called for each table, opened or failed.
   */
  async openAll(
    found: ReadonlyArray<readonly [name: string, location: string]>,
    done: (name: string, location: string, failure: unknown) => void
  ): Promise<void> {
    const reads = new FlushTurns(opensAtOnce)
    const work = new FlushTurns(opensAtOnce)
    const logs = await ownLogs(this.options.folder)
    const looks = found.map(([name, location]) => {
      const look = reads.run(() => this.options.flusher.open(location, name))
      // Awaited below, in order.
      look.catch(() => {})
      return look
    })
    const opening: Array<Promise<void>> = []
    for (const [index, [name, location]] of found.entries()) {
      try {
        const look = await looks[index]
        if (look === undefined) {
          done(name, location, undefined)
          continue
        }
        await this.checkId(name, look, logs)
        opening.push(
          work
            .run(() => this.prepare(name, location, look, logs))
            .then(
              () => done(name, location, undefined),
              (error: unknown) => done(name, location, error)
            )
        )
      } catch (error) {
        done(name, location, error)
      }
    }
    await Promise.all(opening)
    // Waiting records of refused or deleted tables must not keep the log files of the other tables.
    await moveOutFound(this.options.log, this.options.folder)
    await this.options.log.removeUnused()
  }

  /**
   * Writes the records that a start found in the shared log. A failure affects its table only; the
   * next flush of the table tries again.
   */
  async writeFound(): Promise<void> {
    await Promise.all(
      this.all.map(({ engine }) => (engine.hasWaiting ? engine.flush().catch(() => {}) : undefined))
    )
  }

  /** Throws unless the table may use the log that its id names. */
  private async checkId(name: string, { metadata }: TableLook, logs: OwnLogs): Promise<void> {
    const tableId = metadata.id
    const { folder, log } = this.options
    const waiting = log.found.get(tableId)?.owner.table
    const served = this.byId.get(tableId.toLowerCase())
    await checkTableId(folder, { name, tableId }, served, waiting, logs)
    this.byId.set(tableId.toLowerCase(), name)
  }

  /** Prepares a table and serves it. */
  private async prepare(
    name: string,
    location: string,
    look: TableLook,
    logs: OwnLogs
  ): Promise<ServedTable> {
    const { flusher, folder } = this.options
    const { metadata, protocol } = look
    try {
      const hasOwn = logs.has(metadata.id)
      if (hasOwn) await discardOrdered(walFolder(folder, metadata.id))
      const problem = writeProblem({ protocol, metadata })
      if (problem !== undefined) throw new TableRefused(name, problem)
      const definition = usableDefinition(name, metadata)
      const record = {
        definition,
        createdAt: metadata.createdTime ?? 0,
        tableId: metadata.id,
        location
      }
      return await this.recover(record, look, hasOwn)
    } catch (error) {
      this.byId.delete(metadata.id.toLowerCase())
      await flusher.forget(location).catch(() => {})
      throw refusalOf(name, error)
    }
  }

  /** Serves a table that was just created. */
  serveNew(record: TableRecord, { seen, snapshot }: DeltaLog): ServedTable {
    const size = { ...sizeOf(snapshot), committed: false, seen }
    return this.serve(record, this.engineOf(record, schemaKey(snapshot.metadata!), [], size), [])
  }

  /** Serves a table once the logged rows that it lacks are committed or wait for a flush. */
  private async recover(
    record: TableRecord,
    look: TableLook,
    hasOwn: boolean
  ): Promise<ServedTable> {
    const { flusher, folder, log: shared, now } = this.options
    const { definition, location, tableId } = record
    const { metadata, protocol: _, ...size } = look
    const own = walFolder(folder, tableId)
    const ownFiles = hasOwn ? await segmentNumbers(own) : []
    const registered = hasOwn ? await registeredStreams(own) : []
    const streams = registered.map(({ streamId }) => streamId)
    const engine = this.engineOf(record, schemaKey(metadata), ownFiles, {
      ...size,
      committed: false
    })
    const prepared = (ranges: PrepareJob["ranges"]): Promise<PreparedTable> =>
      flusher.prepare({
        name: definition.name,
        folder: location,
        appId: appIdOf(tableId),
        ranges,
        streams,
        now: now()
      })
    const logged = new LoggedRows()
    if (ownFiles.length > 0) await this.recoverOwn(engine, own, logged, prepared)
    const parts = shared.found.get(tableId)?.parts ?? []
    for (const part of parts) logged.notePart(part)
    // After the own log is in the table: a crash during a move leaves records in both logs.
    const found = await prepared(
      parts.map(({ firstSequence, lastSequence }) => ({ firstSequence, lastSequence }))
    )
    await engine.adopt(parts, found)
    shared.found.delete(tableId)
    for (const part of parts) await shared.release(part, part.places)
    engine.wal.startAt(Math.max(logged.lastSequence, found.committed) + 1)
    return this.serve(record, engine, knownStreams(registered, found.offsets, logged.offsets))
  }

  /** Commits the records of a table's own log that the table lacks. */
  private async recoverOwn(
    engine: TableEngine,
    own: string,
    logged: LoggedRows,
    prepared: (ranges: PrepareJob["ranges"]) => Promise<PreparedTable>
  ): Promise<void> {
    const { name } = engine.definition
    // Reads everything before it changes anything, to find damage before records are moved.
    const ranges: Array<PrepareJob["ranges"][number]> = []
    for await (const { frames } of readSegments(own, name)) {
      logged.noteFrames(frames)
      const range = rangeOf(appIdOf(engine.tableId), frames)
      if (range === undefined) continue
      ranges.push({ firstSequence: range.firstSequence, lastSequence: range.lastSequence })
    }
    const { committed, found } = await prepared(ranges)
    const byFirst = new Map(
      ranges.map(({ firstSequence }, index) => [firstSequence, found[index]!])
    )
    await engine.recover(readSegments(own, name), committed, ({ firstSequence }) =>
      byFirst.get(firstSequence)!
    )
  }

  private engineOf(
    record: TableRecord,
    schema: string,
    ownFiles: ReadonlyArray<number>,
    size: FlushOutcome
  ): TableEngine {
    const { ackAfterCommit, flusher, folder, limits, log, now } = this.options
    const { definition, location, tableId } = record
    const { name } = definition
    return new TableEngine({
      definition,
      tableId,
      schema,
      folder: location,
      appId: appIdOf(tableId),
      wal: new TableLog(log, { tableId, table: name }, walFolder(folder, tableId), ownFiles),
      flusher,
      limits,
      turns: this.turns,
      backlog: this.backlog,
      now,
      size,
      ackAfterCommit,
      committed: (size) => this.options.committed(name, size)
    })
  }

  private serve(
    found: TableRecord,
    engine: TableEngine,
    known: ReadonlyArray<PersistentStreamRecord>
  ): ServedTable {
    const { folder, now } = this.options
    const { definition } = engine
    const { name } = definition
    const record = { ...found, definition }
    const streams = new PersistentStreams({
      register: folderRegister(walFolder(folder, record.tableId)),
      known,
      onDurable: (group, callback) => engine.wal.onDurable(group, callback),
      now
    })
    const table = { record, engine, streams }
    this.byKey.set(tableKey(name), table)
    this.byId.set(record.tableId.toLowerCase(), name)
    return table
  }

  /**
   * Carries out the discard orders for logs whose tables are not served. A table that was refused
   * while it was served also has the rows in memory: it is closed, and opened again from the
   * remaining records.
   */
  async discardOrders(): Promise<void> {
    const { folder } = this.options
    for (const [key, { engine, record }] of this.byKey) {
      const failure = engine.refusal
      if (failure === undefined || !(await isDiscardOrdered(walFolder(folder, record.tableId))))
        continue
      await engine.moveOut()
      await engine.stop(failure)
      this.byKey.delete(key)
      this.byId.delete(record.tableId.toLowerCase())
      this.refused.add({ name: record.definition.name, location: record.location, failure })
    }
    const { ids } = this
    for (const log of await logsIn(folder))
      if (!ids.has(log.tableId)) await discardOrdered(log.folder)
  }

  /**
   * Deletes a table with its data and its log; false when there is none. Waiting rows of a served
   * table are deleted too. A refused table is kept while its log holds acknowledged records that it
   * lacks, because no one could have read them.
   */
  async drop(name: string): Promise<boolean> {
    const found = this.get(name)
    if (found === undefined || found.engine.refusal !== undefined) await this.discardOrders()
    const table = this.get(name)
    if (table === undefined) return this.dropRefused(name)
    const { engine, record } = table
    const { flusher, folder } = this.options
    await checkOwner(record)
    // The log may still have the former name of the table's folder.
    if (engine.refusal !== undefined) await engine.moveOut()
    const log = engine.refusal === undefined ? undefined : await logIn(folder, record.tableId)
    if (log !== undefined) await checkWritten(folder, name, [{ ...log, table: name }])
    this.byKey.delete(tableKey(name))
    this.byId.delete(record.tableId.toLowerCase())
    await engine.stop(
      new StorageFailure({ reason: "TableDropped", message: `The table ${name} was dropped.` })
    )
    await flusher.forget(record.location)
    await removeTable(folder, record.location, [record.tableId])
    await engine.wal.drop()
    return true
  }

  private async dropRefused(name: string): Promise<boolean> {
    const { flusher, folder } = this.options
    const location = this.refused.locationOf(name)
    if (location === undefined) return false
    const { ids } = this
    const tableId = await idOf(location)
    const logs = (await logsToDrop(folder, name, tableId)).filter((log) => !ids.has(log.tableId))
    await checkWritten(folder, name, logs)
    await flusher.forget(location)
    await removeTable(
      folder,
      location,
      logs.map((log) => log.tableId)
    )
    this.refused.remove(name)
    return true
  }

  /** Stops all tables from accepting records. At any time. */
  async stop(failure: StorageFailure): Promise<void> {
    this.options.log.abandon()
    await Promise.all(this.all.map(({ engine }) => engine.stop(failure)))
  }
}
