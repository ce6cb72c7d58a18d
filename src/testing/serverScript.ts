/**
 * Methods with which tests inspect and script a local server, with sockets (`ZerobusLocal`) or
 * without (`ZerobusVirtual`).
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { tableNameProblem } from "../internal/columns/columnNames.ts"
import {
  type ColumnDefinition,
  parseTableDefinition,
  type TableDefinition
} from "../internal/columns/columnType.ts"
import type { Fault, LocalEvent } from "../local/faults/faultScript.ts"
import type { makeServerCounters, ServerCounters } from "../local/endpoints/serverCounters.ts"
import {
  InvalidDefinition,
  type StorageFailure,
  type TableExists,
  type TableNotFound,
  type UnsupportedColumn
} from "../local/log/storageErrors.ts"
import type { PersistentStreamRecord } from "../local/persistent/persistentStreams.ts"
import type { Audit } from "../local/stream/streamAudit.ts"
import type { StreamHub } from "../local/stream/streamHost.ts"
import type { TableRecord, TableStoreShape } from "../local/store/tableStore.ts"
import { decodeTrace, encodeTrace, type Trace } from "../local/faults/trace.ts"
import { type Replay, replayOf } from "../local/faults/traceReplay.ts"
import { type InvalidArgument, InvalidTable } from "../ZerobusError.ts"
import { faultProblem } from "./faultRules.ts"

export type { PersistentStreamRecord } from "../local/persistent/persistentStreams.ts"
export type { Audit, ConnectionAudit } from "../local/stream/streamAudit.ts"

/**
 * A table's name: a string, or an object with the name.
 *
 * @since 0.1.0
 * @category models
 */
export type TableName =
  | string
  | {
      /** As in the properties of a table. */
      readonly tableName: string
    }
  | {
      /** As in a definition. */
      readonly name: string
    }

/**
 * A table to create: SQL-like text `c.s.t(col TYPE [NOT NULL], ...)`, a definition, or a typed
 * table.
 *
 * @since 0.1.0
 * @category models
 */
export type NewTable =
  | string
  | TableDefinition
  | {
      /** As in a typed table. */
      readonly definition: TableDefinition
    }

/**
 * The text is not a trace that can be replayed. `message` says why.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidTrace extends Data.TaggedError("InvalidTrace")<{
  /** What is wrong with the text, as a full sentence. */
  readonly message: string
}> {}

/**
 * Tables, scripts and audits of a local server.
 *
 * @since 0.1.0
 * @category models
 */
export interface ZerobusScript {
  /** Creates a table. Fails when it exists, or has a column that this server cannot write. */
  readonly createTable: (
    table: NewTable
  ) => Effect.Effect<
    TableRecord,
    TableExists | UnsupportedColumn | InvalidDefinition | StorageFailure
  >
  /** Returns the table's definition, if it exists. */
  readonly getTable: (table: TableName) => Effect.Effect<Option.Option<TableRecord>>
  /**
   * Adds nullable columns at the end of a table, and fields to its STRUCTs, named by their paths
   * (`place.height`). Open streams continue. Fails when the table does not exist or a column cannot
   * be added.
   */
  readonly addColumns: (
    table: TableName,
    columns: ReadonlyArray<ColumnDefinition>
  ) => Effect.Effect<
    TableRecord,
    TableNotFound | UnsupportedColumn | InvalidDefinition | StorageFailure
  >
  /** All tables. */
  readonly listTables: Effect.Effect<ReadonlyArray<TableRecord>>
  /** Deletes a table with its data. Returns false when there is none. */
  readonly dropTable: (table: TableName) => Effect.Effect<boolean, StorageFailure>
  /**
   * Returns the rows of a small table, including all acknowledged records. BIGINT and timestamps
   * (microseconds) are bigint, DATE is days.
   */
  readonly records: (
    table: TableName
  ) => Effect.Effect<ReadonlyArray<Record<string, unknown>>, StorageFailure>
  /** The persistent streams of a table, oldest first, including retired ones. */
  readonly streams: (table: TableName) => Effect.Effect<ReadonlyArray<PersistentStreamRecord>>
  /** Commits all acknowledged records of one table or of all tables. */
  readonly flush: (table?: TableName) => Effect.Effect<void, StorageFailure>
  /** Version, files, rows and bytes of the committed table. */
  readonly stats: TableStoreShape["stats"]
  /**
   * Reports received, durable and acknowledged records per connection, and totals. The table must
   * exist.
   */
  readonly audit: (table: TableName) => Effect.Effect<Audit, StorageFailure | InvalidTable>
  /**
   * Adds faults to a table's script, all or none. Fails with `InvalidTable` when the table does not
   * exist, and with `InvalidArgument` for a fault that could not trigger; its path starts with
   * `"faults"` and the fault's index.
   */
  readonly inject: (
    table: TableName,
    ...faults: ReadonlyArray<Fault>
  ) => Effect.Effect<void, InvalidTable | InvalidArgument>
  /** Removes a table's faults. Held streams stay held. */
  readonly clearFaults: (table: TableName) => Effect.Effect<void>
  /**
   * Continues everything of a table that a `hold` stopped. Succeeds with the number of continued
   * items.
   */
  readonly release: (table: TableName) => Effect.Effect<number>
  /**
   * Waits until an event has happened on a table `count` times (default 1) since the server
   * started.
   */
  readonly waitFor: (table: TableName, event: LocalEvent, count?: number) => Effect.Effect<void>
  /** Number of times an event has happened on a table. */
  readonly count: (table: TableName, event: LocalEvent) => Effect.Effect<number>
  /** Live counters over all tables. */
  readonly counters: Effect.Effect<ServerCounters>
  /**
   * The events since the server started, as JSON lines: connections, messages with their offsets,
   * acknowledgements, faults and times, but no payloads and no header values. Up to `traceEvents`
   * lines.
   */
  readonly trace: Effect.Effect<string>
  /**
   * Replays the faults and acknowledgements of a trace, in its order on each connection. Applies to
   * future connections of a program that sends the same messages. Times are not replayed, and held
   * streams need `release` again.
   */
  readonly replay: (trace: string) => Effect.Effect<void, InvalidTrace>
}

const nameOf = (table: TableName): string =>
  typeof table === "string" ? table : "tableName" in table ? table.tableName : table.name

const noTable = (tableName: string): InvalidTable =>
  new InvalidTable({
    message:
      tableNameProblem(tableName) ??
      `There is no table ${tableName} on the local server. Create it with createTable first.`,
    tableName: tableName.slice(0, 200)
  })

const definitionOf = (table: NewTable): Effect.Effect<TableDefinition, InvalidDefinition> => {
  if (typeof table !== "string")
    return Effect.succeed("definition" in table ? table.definition : table)
  return Effect.fromResult(
    Result.mapError(parseTableDefinition(table), (message) => new InvalidDefinition({ message }))
  )
}

/**
 * Creates the methods for a server. `onReplay` receives the parts of a replay that do not concern
 * tables.
 */
export const serverScript = (server: {
  readonly store: TableStoreShape
  readonly hub: StreamHub
  readonly counters: ReturnType<typeof makeServerCounters>
  readonly trace: Trace
  readonly onReplay: (replay: Replay) => void
}): ZerobusScript => {
  const { counters, hub, store, trace } = server
  /** Fails for a missing table: accepting it would hide a mistyped name. */
  const known = (table: TableName) =>
    Effect.flatMap(store.get(nameOf(table)), (found) =>
      Option.isSome(found) ? Effect.succeed(nameOf(table)) : Effect.fail(noTable(nameOf(table)))
    )
  const flush = (table?: TableName) => store.flush(table === undefined ? undefined : nameOf(table))
  return {
    createTable: (table) => Effect.flatMap(definitionOf(table), store.create),
    getTable: (table) => store.get(nameOf(table)),
    addColumns: (table, columns) => store.addColumns(nameOf(table), columns),
    listTables: store.listAll,
    dropTable: (table) => store.drop(nameOf(table)),
    records: (table) => Effect.andThen(flush(table), store.rows(nameOf(table))),
    streams: (table) => store.streams(nameOf(table)),
    flush,
    stats: store.stats,
    audit: (table) =>
      known(table).pipe(
        Effect.andThen(flush(table)),
        Effect.andThen(store.stats(nameOf(table))),
        Effect.map((stats) => hub.audit(nameOf(table)).read(stats.rows))
      ),
    inject: (table, ...faults) =>
      Effect.flatMap(known(table), (name) => {
        for (const [index, fault] of faults.entries()) {
          const problem = faultProblem(fault, ["faults", index])
          if (problem !== undefined) return Effect.fail(problem)
        }
        return Effect.sync(() => {
          for (const fault of faults) hub.script(name).inject(fault)
        })
      }),
    clearFaults: (table) => Effect.sync(() => hub.script(nameOf(table)).clear()),
    release: (table) => Effect.sync(() => hub.script(nameOf(table)).releaseUnsafe()),
    waitFor: (table, event, count = 1) =>
      Effect.callback<void>((resume) => {
        const stop = hub.script(nameOf(table)).when(event, count, () => resume(Effect.void))
        return Effect.sync(stop)
      }),
    count: (table, event) => Effect.sync(() => hub.script(nameOf(table)).count(event)),
    counters: Effect.sync(counters.read),
    trace: Effect.sync(() => encodeTrace(trace.read())),
    replay: (text) =>
      Effect.suspend(() => {
        const events = decodeTrace(text)
        if (typeof events === "string") {
          return Effect.fail(
            new InvalidTrace({ message: `The text is not a trace of a local server: ${events}.` })
          )
        }
        if (events.some(({ event }) => event === "truncated")) {
          const message =
            "The trace is truncated, so it cannot be replayed. Record it with a higher traceEvents."
          return Effect.fail(new InvalidTrace({ message }))
        }
        const replay = replayOf(events)
        // Connections are numbered from the server's start, so those of the trace are shifted by
        // the number of existing ones.
        const shifts = new Map(
          replay.faults.map(({ table }) => [table, hub.script(table).count("connect")])
        )
        for (const { fault, table } of replay.faults) {
          const connection = (fault.connection ?? 0) + (shifts.get(table) ?? 0)
          hub.script(table).inject({ ...fault, connection })
        }
        server.onReplay(replay)
        return Effect.void
      })
  }
}
