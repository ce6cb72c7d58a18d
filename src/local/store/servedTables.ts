/**
 * The tables of a data folder that are served, and those that are refused: opening them with the recovery of their logs, discarding what
 * was ordered of a log, and dropping them.
 *
 * Each of these has to be done alone and to its end: names are looked up before folders are made or deleted, and two engines of one
 * table would write one log. The store lets them take turns.
 */
import type { Readers } from "../../internal/log/durableFile.ts"
import { commitFinder, lastNumber, streamOffset } from "../delta/commitPlace.ts"
import { type DeltaLog, openLog, removeFalseCheckpoints } from "../delta/deltaLog.ts"
import { schemaKey, type TableRecord } from "../delta/tableFolder.ts"
import { sizeOf, type TableSize } from "../delta/tableSize.ts"
import { checkPlace, refusalOf, TableRefused, writeProblem } from "../delta/writability.ts"
import { discardOrdered, isDiscardOrdered, logIn, logsIn, walFolder } from "../log/logFolders.ts"
import { readSegments, segmentNumbers } from "../log/logSegments.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import { placeProblem } from "../log/tableFolders.ts"
import type { SharedLog } from "../log/sharedLog.ts"
import { moveOutFound } from "../log/ownLog.ts"
import { TableLog } from "../log/tableLog.ts"
import { PersistentStreams } from "../persistent/persistentStreams.ts"
import { folderRegister, knownStreams } from "../persistent/streamRegister.ts"
import { undoBrokenMerges } from "../upkeep/brokenMerges.ts"
import { Backlog } from "./backlog.ts"
import type { EngineLimits } from "./engineLimits.ts"
import { sweepOrphans } from "../upkeep/sweepOrphans.ts"
import type { Flusher } from "./flushTable.ts"
import { FlushTurns } from "./flushTurns.ts"
import { RefusedTables } from "./refusedTables.ts"
import { TableEngine } from "./tableEngine.ts"
import { usableDefinition } from "./tableForm.ts"
import { checkTableId } from "./tableIds.ts"
import { checkOwner, checkWritten, idOf, logsToDrop, removeTable } from "./tableRemoval.ts"
import { appIdOf, tableKey, type UnservedTable } from "./tableStore.ts"
import { unservedIn } from "./unserved.ts"

/** A table with the engine that writes it. */
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

/** How many tables are read, and brought into their state, at once at a start. */
const opensAtOnce = 16

/** What tables are opened with. */
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
  /** Told of each commit of rows. */
  readonly committed: (tableName: string, size: TableSize) => void
  /** Runs work when no other change of the tables runs. */
  readonly inTurn: <A>(work: () => Promise<A>) => Promise<A>
}

/** The tables of one data folder. All but the methods that say otherwise are to be called in turn. */
export class ServedTables {
  /** The refused tables. `retry` takes its turn by itself. */
  readonly refused: RefusedTables
  /** What of all tables waits for its flush. */
  readonly backlog: Backlog
  private readonly turns: FlushTurns
  private readonly options: ServedOptions
  private readonly byKey = new Map<string, ServedTable>()
  /** The names of the tables that are served or being opened, by their ids without case. */
  private readonly byId = new Map<string, string>()

  constructor(options: ServedOptions) {
    this.options = options
    this.backlog = new Backlog(options.limits, options.now)
    this.turns = new FlushTurns(options.limits.flushesAtOnce)
    this.refused = new RefusedTables((name, location) =>
      options.inTurn(async () => (await this.open(name, location)) !== undefined)
    )
  }

  /** A table by its name, in any case. At any time. */
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

  /** What lies in the data folder and is not served. At any time. */
  unserved(): Promise<ReadonlyArray<UnservedTable>> {
    return unservedIn(this.options.folder, this.ids, this.refused.all)
  }

  /** Opens the table in a folder, unless it is open; undefined when the folder holds none. */
  async open(name: string, location: string): Promise<ServedTable | undefined> {
    const open = this.get(name)
    if (open !== undefined) return open
    const log = await this.read(name, location)
    if (log === undefined) return undefined
    await this.checkId(name, log)
    return this.prepare(name, location, log)
  }

  /**
   * Opens the tables in these folders, many at once. Ids are checked in order: of two tables with the
   * same id the first one is served. `done` gets each table that is open or failed.
   */
  async openAll(
    found: ReadonlyArray<readonly [name: string, location: string]>,
    done: (name: string, location: string, failure: unknown) => void
  ): Promise<void> {
    const reads = new FlushTurns(opensAtOnce)
    const work = new FlushTurns(opensAtOnce)
    const logs = found.map(([name, location]) => {
      const log = reads.run(() => this.read(name, location))
      // Awaited below, in order.
      log.catch(() => {})
      return log
    })
    const opening: Array<Promise<void>> = []
    for (const [index, [name, location]] of found.entries()) {
      try {
        const log = await logs[index]
        if (log === undefined) continue
        await this.checkId(name, log)
        opening.push(
          work
            .run(() => this.prepare(name, location, log))
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
    // What waits of tables that are refused or gone must not hold up the files of the others.
    await moveOutFound(this.options.log, this.options.folder)
    await this.options.log.removeUnusedFiles()
  }

  /** Writes what a start has found in the shared log; a failure is the table's, and its next flush tries again. */
  async writeFound(): Promise<void> {
    await Promise.all(this.all.map(({ engine }) => (engine.hasWaiting ? engine.flush().catch(() => {}) : undefined)))
  }

  /** Reads the log of the table in a folder. */
  private async read(name: string, location: string): Promise<DeltaLog | undefined> {
    try {
      if (placeProblem(location)?.kind !== undefined) checkPlace(name, location)
      return await this.readLog(location)
    } catch (error) {
      throw refusalOf(name, error)
    }
  }

  private async readLog(location: string): Promise<DeltaLog | undefined> {
    const { readers } = this.options
    let log = await openLog(location, readers)
    if (log?.isDoubtful === true) {
      await removeFalseCheckpoints(location)
      log = await openLog(location, readers)
    }
    return log !== undefined && (await log.look()) ? log : undefined
  }

  /** Throws unless the table may have the log that its id names. */
  private async checkId(name: string, { snapshot }: DeltaLog): Promise<void> {
    const tableId = snapshot.metadata!.id
    const { folder, log } = this.options
    const waiting = log.found.get(tableId)?.owner.table
    await checkTableId(folder, { name, tableId }, this.byId.get(tableId.toLowerCase()), waiting)
    this.byId.set(tableId.toLowerCase(), name)
  }

  /** Brings a table into the state that it is served from, and serves it. */
  private async prepare(name: string, location: string, log: DeltaLog): Promise<ServedTable> {
    const { folder, now } = this.options
    const metadata = log.snapshot.metadata!
    try {
      await discardOrdered(walFolder(folder, metadata.id))
      const problem = writeProblem({ protocol: log.snapshot.protocol!, metadata })
      if (problem !== undefined) throw new TableRefused(name, problem)
      const definition = usableDefinition(name, metadata)
      await undoBrokenMerges(log, now())
      await sweepOrphans(log)
      const record = { definition, createdAt: metadata.createdTime ?? 0, tableId: metadata.id, location }
      return await this.serve(record, log)
    } catch (error) {
      this.byId.delete(metadata.id.toLowerCase())
      throw refusalOf(name, error)
    }
  }

  /** Serves a table whose log is open: commits what the write-ahead log holds beyond it. */
  async serve(record: TableRecord, delta: DeltaLog): Promise<ServedTable> {
    const { ackAfterCommit, flusher, folder, limits, log: shared, now } = this.options
    const { name } = record.definition
    const { tableId } = record
    const own = walFolder(folder, tableId)
    const ownFiles = await segmentNumbers(own)
    const appId = appIdOf(tableId)
    const committed = await lastNumber(delta, appId)
    const found = shared.found.get(tableId)?.parts ?? []
    let lastSequence = Math.max(committed, ...found.map((part) => part.lastSequence))
    const log = new TableLog(shared, { tableId, table: name }, own, ownFiles)
    const engine = new TableEngine({
      definition: record.definition,
      tableId: record.tableId,
      schema: schemaKey(delta.snapshot.metadata!),
      folder: record.location,
      appId,
      wal: log,
      flusher,
      limits,
      turns: this.turns,
      backlog: this.backlog,
      now,
      size: { ...sizeOf(delta.snapshot), committed: false, seen: delta.seen },
      ackAfterCommit,
      committed: (size) => this.options.committed(name, size)
    })
    /** Per persistent stream, the last offset in the log. What the log holds is about to be in the table. */
    const logged = new Map<string, number>()
    const note = (streamId: string, offset: number) =>
      logged.set(streamId, Math.max(offset, logged.get(streamId) ?? offset))
    for (const { streams } of found) for (const [streamId, { offset }] of streams) note(streamId, offset)
    // First look at everything, then change anything: damage must be found before records are moved.
    for await (const segment of readSegments(own, name)) {
      for (const { position, sequence } of segment.frames) {
        lastSequence = Math.max(lastSequence, sequence)
        if (position !== undefined) note(position.streamId, position.offset)
      }
    }
    const streams = new PersistentStreams({
      register: folderRegister(own),
      known: await knownStreams(own, (streamId) => streamOffset(delta, streamId), logged),
      onDurable: (group, callback) => log.onDurable(group, callback),
      now
    })
    await engine.recover(readSegments(own, name), committed, commitFinder(delta))
    const current = ownFiles.length === 0 ? delta : ((await this.read(name, record.location)) ?? delta)
    await engine.adopt(found, await lastNumber(current, appId), commitFinder(current))
    shared.found.delete(tableId)
    for (const part of found) await shared.release(part, part.places)
    log.startAt(lastSequence + 1)
    const table = { record, engine, streams }
    this.byKey.set(tableKey(name), table)
    this.byId.set(record.tableId.toLowerCase(), name)
    return table
  }

  /**
   * Discards what was ordered of logs whose tables are not served. A table that was refused while it was served has the rows in
   * memory too: it is closed, and opened anew from what is left.
   */
  async discardOrders(): Promise<void> {
    const { folder } = this.options
    for (const [key, { engine, record }] of this.byKey) {
      const failure = engine.refusal
      if (failure === undefined || !(await isDiscardOrdered(walFolder(folder, record.tableId)))) continue
      await engine.moveOut()
      await engine.stop(failure)
      this.byKey.delete(key)
      this.byId.delete(record.tableId.toLowerCase())
      this.refused.add({ name: record.definition.name, location: record.location, failure })
    }
    const { ids } = this
    for (const log of await logsIn(folder)) if (!ids.has(log.tableId)) await discardOrdered(log.folder)
  }

  /**
   * Deletes a table with its data and its log; false when there is none. Rows of a table that is served go with it. A refused table
   * stays while its log holds acknowledged records that it lacks, since nobody could have read them.
   */
  async drop(name: string): Promise<boolean> {
    const found = this.get(name)
    if (found === undefined || found.engine.refusal !== undefined) await this.discardOrders()
    const table = this.get(name)
    if (table === undefined) return this.dropRefused(name)
    const { engine, record } = table
    const { flusher, folder } = this.options
    await checkOwner(record)
    // The log may have the name that the table's folder had before.
    if (engine.refusal !== undefined) await engine.moveOut()
    const log = engine.refusal === undefined ? undefined : await logIn(folder, record.tableId)
    if (log !== undefined) await checkWritten(folder, name, [{ ...log, table: name }])
    this.byKey.delete(tableKey(name))
    this.byId.delete(record.tableId.toLowerCase())
    await engine.stop(new StorageFailure({ reason: "TableDropped", message: `The table ${name} was dropped.` }))
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

  /** Stops all tables from taking records. At any time. */
  async stop(failure: StorageFailure): Promise<void> {
    this.options.log.abandon()
    await Promise.all(this.all.map(({ engine }) => engine.stop(failure)))
  }
}
