/**
 * Tables on disk: Delta tables under `<folder>/<catalog>/<schema>/<table>`, logs under
 * `<folder>/.wal/<table id>`.
 *
 * Opening takes the folder's lock, replays every table, commits the logged rows that the table
 * lacks, and deletes the leftovers of a crash. A table that cannot be opened is refused by name;
 * the others work. `TableEngine` does the work per table.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { randomUUID } from "node:crypto"
import { availableParallelism } from "node:os"
import * as Path from "node:path"
import type { TableDefinition } from "../../internal/columns/columnType.ts"
import { addColumns } from "../delta/alterTable.ts"
import { makeFolder, type Readers, writeSynced } from "../../internal/log/durableFile.ts"
import { isFolder } from "../../internal/log/plainFile.ts"
import { modeWarning } from "../log/folderMode.ts"
import { type CommittedSize, noSize, type TableSize } from "../delta/tableSize.ts"
import { type Flusher, localFlusher } from "../flush/flusher.ts"
import { lockFolder } from "../../internal/log/folderLock.ts"
import { openSharedLog } from "../log/sharedLog.ts"
import { StorageFailure, storageFailure, TableExists, TableNotFound } from "../log/storageErrors.ts"
import { defaultLimits, type EngineLimits } from "./engineLimits.ts"
import type { TableEngine } from "./tableEngine.ts"
import { readLastRows, readRows } from "../delta/tableFiles.ts"
import { sweepTrash, tableFolders, tablePlace } from "../log/tableFolders.ts"
import { makeTable } from "../delta/newTable.ts"
import { StreamRefused } from "../persistent/persistentStreams.ts"
import type { LogFormat } from "../log/logFrames.ts"
import { type DecodeThread, decodeThread } from "../decoding/decodeThread.ts"
import type { TableRecord } from "../delta/tableFolder.ts"
import {
  extended,
  refuseDefinition,
  refuseFormat,
  tableKey,
  type TableStoreShape
} from "./tableStore.ts"
import { recordOf, type ServedTable, ServedTables } from "./servedTables.ts"
import { withProgress } from "./progress.ts"
import { servedAgain, TableReports } from "./tableReports.ts"
import { tableWriter } from "./tableWriter.ts"
import { workerFlusher } from "../flush/workerFlusher.ts"

/** Options of the durable store. */
export interface DurableOptions {
  /** The data folder; created when missing. */
  readonly folder: string
  /**
   * Who may read the tables; by default only the owner of the process. Logs and keys are always
   * readable by the owner only.
   */
  readonly readers?: Readers | undefined
  /** Milliseconds between flushes, 1000 by default, 200 with `visibleOnceAcked`. */
  readonly flushIntervalMillis?: number | undefined
  /**
   * Whether Parquet encoding and commits run in a worker thread. With more than one core, large
   * messages are decoded in a second one. True by default.
   */
  readonly worker?: boolean | undefined
  /**
   * Acknowledge records only once they are in the table; false by default. Meant for tests that
   * query right after an acknowledgement: acknowledgements take up to a flush interval, and every
   * interval writes a file.
   */
  readonly visibleOnceAcked?: boolean | undefined
  /** Called after each commit of rows. */
  readonly committed?: ((tableName: string, size: TableSize) => void) | undefined
  /** Replaces the flusher, for tests that make flushes fail. The store closes it. */
  readonly flusher?: Flusher | undefined
  /** Replaces the decoding thread, for tests that delay decoding. The store closes it. */
  readonly decoding?: DecodeThread | undefined
  readonly limits?: Partial<EngineLimits> | undefined
}

/**
 * How long a start waits for the logged rows to reach their tables, in milliseconds after it began
 * to open the tables. It does not wait when opening took longer.
 */
const writeFoundMillis = 1000

/** Opens the store of a data folder. Closing the scope flushes and releases the lock. */
export const makeDurableTableStore = Effect.fnUntraced(function* (
  options: DurableOptions
): Effect.fn.Return<TableStoreShape, StorageFailure, Scope.Scope> {
  const folder = Path.resolve(options.folder)
  const readers = options.readers ?? "owner"
  const limits = { ...defaultLimits, ...options.limits }
  const ackAfterCommit = options.visibleOnceAcked ?? false
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const attempt = <A>(doing: string, run: () => Promise<A>): Effect.Effect<A, StorageFailure> =>
    Effect.tryPromise({ try: run, catch: (error) => storageFailure(error, doing, folder) })

  const lock = yield* Effect.acquireRelease(
    attempt("opening the data folder", async () => {
      const isNew = await makeFolder(folder, readers)
      // Keeps tables and credentials out of Git when the folder is inside a repository.
      if (isNew) await writeSynced(Path.join(folder, ".gitignore"), "*\n", readers)
      await isFolder(Path.join(folder, ".wal"))
      return lockFolder(folder)
    }),
    (lock) => Effect.promise(() => lock.release())
  )
  const warning =
    readers === "owner"
      ? yield* attempt("opening the data folder", () => modeWarning(folder))
      : undefined
  if (warning !== undefined) yield* Effect.logWarning(warning)
  const flusher: Flusher = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        options.flusher ??
        ((options.worker ?? true) ? workerFlusher(readers) : localFlusher(readers))
    ),
    (flusher) => Effect.promise(() => flusher.close())
  )
  const decoding = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        options.decoding ??
        ((options.worker ?? true) && availableParallelism() > 1 ? decodeThread() : undefined)
    ),
    (thread) => Effect.promise(async () => thread?.close())
  )

  const log = yield* Effect.acquireRelease(
    attempt("opening the log", () => openSharedLog(folder, now)),
    (log) => Effect.promise(() => log.close().catch(() => {}))
  )

  const changing = yield* Semaphore.make(1)
  // Changes to the set of tables run one at a time, and finish even when the caller is interrupted.
  const change = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    changing.withPermits(1)(Effect.uninterruptible(effect))
  const runPromise = Effect.runPromiseWith(yield* Effect.context())
  const tables = new ServedTables({
    folder,
    readers,
    log,
    flusher,
    limits,
    now,
    ackAfterCommit,
    committed: options.committed ?? (() => {}),
    inTurn: (work) => runPromise(change(attempt("opening the table", work)))
  })
  const { refused } = tables
  const unserved = attempt("listing the tables", () => tables.unserved())

  yield* attempt("listing the tables", () => sweepTrash(folder))
  const found = yield* attempt("listing the tables", () => tableFolders(folder))
  for (const path of found.strange) {
    yield* Effect.logWarning(
      `${path} is a link or a special file, which is not followed. Move the folder itself there.`
    )
  }
  const places: Array<readonly [name: string, location: string]> = []
  const byKey = new Map<string, string>()
  for (const [name, location] of found.tables) {
    const other = byKey.get(tableKey(name))
    if (other === undefined) {
      places.push([name, location])
      byKey.set(tableKey(name), location)
    } else
      yield* Effect.logError(
        `${location} is not served: its name differs from ${other} in case only. Move one away.`
      )
  }
  const began = now()
  yield* withProgress("opened", places.length, (done) =>
    attempt("opening the tables", () =>
      tables.openAll(places, (name, location, error) => {
        done()
        if (error === undefined) return
        refused.add({
          name,
          location,
          failure: storageFailure(error, "opening the table", location)
        })
      })
    )
  )
  // After a kill, most logged rows reach their tables before the first query. The time limit keeps
  // a long log from delaying the start.
  yield* Effect.timeoutOption(
    Effect.promise(() => tables.writeFound()),
    Math.max(0, began + writeFoundMillis - now())
  )
  for (const { problem } of yield* unserved) yield* Effect.logError(problem)

  const discardOrders = change(attempt("discarding logs", () => tables.discardOrders()))

  /** Opens a refused table, after carrying out the discard orders for its log. */
  const openRefused = (name: string): Effect.Effect<void, StorageFailure> =>
    Effect.gen(function* () {
      const engine = tables.get(name)?.engine
      if (engine?.refusal !== undefined) yield* discardOrders
      // The disk may have space again.
      if (engine?.hasWaiting === true && engine.refusal !== undefined)
        yield* Effect.ignore(attempt("writing the table", () => engine.flush()))
      const isRefused = refused.has(name)
      const failure = yield* Effect.promise(() => refused.retry(name))
      if (failure !== undefined) return yield* failure
      if (isRefused && !refused.has(name)) yield* Effect.logInfo(servedAgain(name))
    })

  /**
   * The number of flush intervals between attempts to open the tables that were refused at the
   * start.
   */
  const reopenEvery = 10
  let intervals = 0
  const reopenRefused = (): Effect.Effect<void> =>
    ++intervals % reopenEvery === 0
      ? discardOrders.pipe(
          Effect.catch((failure) => Effect.logWarning(failure.message)),
          Effect.andThen(
            Effect.forEach(refused.all, ({ name }) => Effect.ignore(openRefused(name)), {
              discard: true
            })
          ),
          Effect.andThen(
            Effect.forEach(changed(), ({ engine }) => lookAt(engine), { discard: true })
          )
        )
      : Effect.void
  /**
   * Tables refused because another writer changed them while they were served. Without rows to
   * write, only a look withdraws the refusal.
   */
  const changed = () => tables.all.filter(({ engine }) => engine.refusal?.reason === "TableRefused")
  const lookAt = (engine: TableEngine) =>
    Effect.ignore(attempt("reading the table", () => engine.look()))

  const engines = (name?: string): ReadonlyArray<TableEngine> =>
    name === undefined
      ? tables.all.map((table) => table.engine)
      : [tables.get(name)?.engine].filter((engine) => engine !== undefined)

  const flush: TableStoreShape["flush"] = (name) =>
    Effect.suspend(() => {
      const failure = name === undefined ? undefined : refused.failureOf(name)
      if (failure !== undefined) return Effect.fail(failure)
      return Effect.forEach(
        engines(name),
        (engine) => attempt("writing the table", () => engine.flush()),
        {
          concurrency: "unbounded",
          discard: true
        }
      )
    })

  // Another server owns the folder now, and two writers would damage a log.
  yield* Effect.promise(() => lock.lost).pipe(
    Effect.andThen(
      Effect.logError(
        `The lock of ${folder} was lost to another process. This server stores no further records.`
      )
    ),
    Effect.andThen(
      Effect.suspend(() => {
        const failure = new StorageFailure({
          reason: "Locked",
          message:
            `The data folder ${folder} was taken over by another process. Start one ` +
            `server per folder.`
        })
        return Effect.promise(() => tables.stop(failure))
      })
    ),
    Effect.forkScoped
  )

  yield* Effect.addFinalizer(() =>
    withProgress("written", tables.all.length, (done) =>
      Effect.forEach(
        tables.all,
        ({ engine, record }) =>
          attempt("writing the table", () => engine.flush()).pipe(
            Effect.catch((failure) =>
              Effect.logWarning(
                `The last flush of ${record.definition.name} failed; its log keeps the records. ` +
                  `${failure.message}`
              )
            ),
            Effect.andThen(
              Effect.promise(() =>
                engine.stop(
                  new StorageFailure({
                    reason: "Closed",
                    message: `The storage of ${record.definition.name} is closed.`
                  })
                )
              )
            ),
            Effect.andThen(Effect.sync(done))
          ),
        { concurrency: "unbounded", discard: true }
      )
    )
  )
  const reports = new TableReports()
  yield* Effect.sleep(options.flushIntervalMillis ?? (ackAfterCommit ? 200 : 1000)).pipe(
    Effect.andThen(
      Effect.suspend(() => {
        tables.backlog.lookAtAge()
        for (const { engine } of tables.all) engine.flushSoon()
        const { news, warnings } = reports.take(tables.all)
        return Effect.andThen(
          Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true }),
          Effect.forEach(news, (line) => Effect.logInfo(line), { discard: true })
        )
      })
    ),
    Effect.andThen(Effect.suspend(reopenRefused)),
    Effect.forever,
    Effect.forkScoped
  )

  const createTable = Effect.fnUntraced(function* (definition: TableDefinition) {
    const problem = refuseDefinition(definition)
    if (problem !== undefined) return yield* problem
    if (tables.get(definition.name) !== undefined || refused.has(definition.name))
      return yield* new TableExists({ name: definition.name })
    const [catalog, schema, table] = definition.name.split(".") as [string, string, string]
    const location = Path.join(folder, catalog, schema, table)
    const record: TableRecord = { definition, createdAt: now(), tableId: randomUUID(), location }
    const created = yield* attempt("creating the table", () =>
      makeTable(folder, record, readers, (log) => Promise.resolve(tables.serveNew(record, log)))
    )
    if (created === undefined) return yield* new TableExists({ name: definition.name })
    return record
  }, change)

  /** The served table, after trying to open a refused one. */
  const served = (name: string): Effect.Effect<ServedTable, TableNotFound | StorageFailure> =>
    Effect.andThen(
      openRefused(name),
      Effect.suspend(() => {
        const table = tables.get(name)
        return table === undefined
          ? Effect.fail(new TableNotFound({ name }))
          : Effect.succeed(table)
      })
    )

  /** A table after a look at its current columns, which accept records of the format. */
  const writable = Effect.fnUntraced(function* (name: string, format: LogFormat) {
    const table = yield* served(name)
    yield* attempt("reading the table", () => table.engine.look())
    const rejected = refuseFormat(table.engine.definition, format)
    if (rejected !== undefined) return yield* rejected
    return table
  })

  /** Fails when a table of this name exists and cannot be served. */
  const checkServed = (name: string): Effect.Effect<void, TableExists> =>
    Effect.suspend(() => {
      const table = tables.get(name)
      if (table !== undefined) return attempt("reading the table", () => table.engine.look())
      return refused.has(name) ? openRefused(name) : Effect.void
    }).pipe(Effect.mapError(({ message }) => new TableExists({ name, problem: message })))

  const sizeOf = (name: string): CommittedSize => tables.get(name)?.engine.size ?? noSize
  const rowsOf = (name: string, read: typeof readRows): ReturnType<TableStoreShape["rows"]> =>
    Effect.suspend(() => {
      const table = tables.get(name)
      return table === undefined
        ? Effect.succeed([])
        : attempt("reading the table", () => read(recordOf(table)))
    })

  return {
    create: (definition) => Effect.andThen(checkServed(definition.name), createTable(definition)),
    get: (name) =>
      Effect.sync(() => Option.map(Option.fromUndefinedOr(tables.get(name)), recordOf)),
    list: (catalog, schema) =>
      Effect.sync(() => {
        const prefix = `${tableKey(catalog)}.${tableKey(schema)}.`
        return tables.all
          .map(recordOf)
          .filter(({ definition }) => tableKey(definition.name).startsWith(prefix))
      }),
    listAll: Effect.sync(() => tables.all.map(recordOf)),
    unserved,
    register: Effect.fnUntraced(function* (path: string) {
      const { location, name } = yield* attempt("reading the table", () => tablePlace(folder, path))
      if (tables.get(name) === undefined) {
        const failure = yield* Effect.promise(() => refused.retry(name, true))
        if (failure !== undefined) return yield* failure
      }
      const opened = yield* change(
        attempt("opening the table", () => tables.open(name, location)).pipe(
          Effect.tapError((failure) => Effect.sync(() => refused.add({ name, location, failure })))
        )
      )
      if (opened !== undefined) return recordOf(opened)
      return yield* new StorageFailure({
        reason: "TableRefused",
        message: `${location} holds no Delta table.`
      })
    }),
    addColumns: Effect.fnUntraced(function* (name: string, columns) {
      yield* openRefused(name)
      return yield* change(
        Effect.gen(function* () {
          const table = tables.get(name)
          if (table === undefined) return yield* new TableNotFound({ name })
          const { engine, record } = table
          yield* attempt("reading the table", () => engine.look())
          yield* Effect.fromResult(extended(engine.definition, columns))
          yield* attempt("changing the table", async () => {
            await addColumns({
              name,
              folder: record.location,
              tableId: record.tableId,
              columns,
              now: now()
            })
            await engine.look()
          })
          return recordOf(table)
        })
      )
    }),
    drop: (name) => change(attempt("dropping the table", () => tables.drop(name))),
    openWriter: (name, format) =>
      Effect.map(writable(name, format), ({ engine }) =>
        tableWriter(engine, format, decoding, limits)
      ),
    openStream: Effect.fnUntraced(function* (
      name: string,
      format,
      { isNew, onReplaced, streamId }
    ) {
      const { engine, streams } = yield* writable(name, format)
      const opened = yield* attempt("opening the stream", async () => {
        const stream = await streams.open(streamId, isNew, format._tag, onReplaced)
        // With acknowledgement after commit, only rows that a query sees count as committed.
        if (ackAfterCommit && !isNew) await engine.flush()
        return stream
      })
      if (opened instanceof StreamRefused) return yield* opened
      const { committed, stream } = opened
      return { writer: tableWriter(engine, format, decoding, limits, stream), committed }
    }),
    retireStream: Effect.fnUntraced(function* (name: string, streamId: string) {
      const table = yield* served(name)
      const refused = yield* attempt("retiring the stream", () => table.streams.retire(streamId))
      if (refused !== undefined) return yield* refused
    }),
    streams: (name) => Effect.sync(() => tables.get(name)?.streams.all ?? []),
    flush,
    stats: (name) =>
      Effect.sync(() => {
        const { bytes, files, rows, version } = sizeOf(name)
        return { version, files, rows, bytes }
      }),
    committedAt: (name) =>
      Effect.sync(() => (sizeOf(name).version > 0 ? sizeOf(name).committedAt : undefined)),
    rows: (name) => rowsOf(name, readRows),
    lastRows: (name, limit) => rowsOf(name, (record) => readLastRows(record, limit))
  }
})
