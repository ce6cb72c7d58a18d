/**
 * The tables of the local server, as a service that the gRPC and HTTP endpoints share.
 *
 * `durableTableStore.ts` keeps tables on disk, `memoryTableStore.ts` in memory; both have this
 * interface. Records are appended through a `TableWriter` without effects per record; everything
 * else is an `Effect`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import {
  type ColumnDefinition,
  definitionProblem,
  type TableDefinition
} from "../../internal/columns/columnType.ts"
import { additionProblem, withColumns } from "../../internal/columns/columnAddition.ts"
import { deviceNameProblem } from "../../internal/columns/columnNames.ts"
import { appIdPrefix } from "../delta/deltaCheckpoint.ts"
import type { TableSize } from "../delta/tableSize.ts"
import type { LogFormat } from "../log/logFrames.ts"
import { formatProblem } from "../records/formatCheck.ts"
import {
  InvalidDefinition,
  type RecordRejected,
  SchemaRejected,
  type StorageFailure,
  type TableExists,
  type TableNotFound,
  type UnsupportedColumn
} from "../log/storageErrors.ts"
import { type TableRecord, unsupportedColumn } from "../delta/tableFolder.ts"

import type {
  PersistentStreamRecord,
  Replaced,
  StreamRefused
} from "../persistent/persistentStreams.ts"
import type { Appended } from "./appended.ts"
export type { TableRecord } from "../delta/tableFolder.ts"
export type { TableSize } from "../delta/tableSize.ts"

/** The number of the log group that a message joined. */
export type Ticket = number

/** Appends the records of one stream. */
export interface TableWriter {
  /**
   * Decodes and checks all records of one message and appends them to the open log group, all or
   * nothing. Returns the group's number, or why the message is refused. The bytes are copied. A
   * persistent stream needs the `offset` of the message.
   */
  readonly appendUnsafe: (
    records: ReadonlyArray<Uint8Array>,
    offset?: number
  ) => Ticket | RecordRejected
  /**
   * Whether another thread decodes a message of `messageBytes`. `undurableBytes` are the bytes of
   * its stream that are not durable, including its own. A single message is decoded here, because
   * passing it to a thread takes longer.
   */
  readonly isForElsewhere?: (messageBytes: number, undurableBytes: number) => boolean
  /**
   * Like `appendUnsafe` for several messages in order, up to the first refused one, with decoding
   * in another thread. `done` is called once; the bytes of the messages must not change until then.
   * `offset` is that of the first message.
   */
  readonly appendElsewhere?: (
    messages: ReadonlyArray<ReadonlyArray<Uint8Array>>,
    done: (appended: Appended) => void,
    offset?: number
  ) => void
  /** Calls back when the group is on disk, or with the failure that prevented it. */
  readonly onDurable: (
    ticket: Ticket,
    callback: (failure: StorageFailure | undefined) => void
  ) => void
  /** Whether the stream should pause, because too many rows wait for a flush. */
  readonly pressure: () => boolean
  /** Calls back once, as soon as `pressure` is false; immediately if it already is. */
  readonly onRoom: (callback: () => void) => void
  readonly close: () => void
}

/**
 * The persistent stream to open. `onReplaced` is called when another connection opens it, or when
 * it is retired.
 */
export interface StreamRequest {
  readonly streamId: string
  readonly isNew: boolean
  readonly onReplaced: (why: Replaced) => void
}

/**
 * The writer of a persistent stream. Messages up to the offset `committed` are durable; -1 for
 * none.
 */
export interface OpenedStream {
  readonly writer: TableWriter
  readonly committed: number
}

/** A part of the data folder that is not served: a refused table, or a log whose table is gone. */
export interface UnservedTable {
  readonly name: string
  /** The id of the table or of the log; undefined when it cannot be read. */
  readonly tableId: string | undefined
  readonly location: string
  /** The columns, if they can be read. */
  readonly definition: TableDefinition | undefined
  /** The reason and what to do, in full sentences. */
  readonly problem: string
}

/** Tables by case-insensitive name. */
export interface TableStoreShape {
  readonly create: (
    definition: TableDefinition
  ) => Effect.Effect<
    TableRecord,
    TableExists | UnsupportedColumn | InvalidDefinition | StorageFailure
  >
  readonly get: (name: string) => Effect.Effect<Option.Option<TableRecord>>
  readonly list: (catalog: string, schema: string) => Effect.Effect<ReadonlyArray<TableRecord>>
  /** All tables of all schemas. */
  readonly listAll: Effect.Effect<ReadonlyArray<TableRecord>>
  /**
   * Adds nullable columns at the end of a table, and fields of STRUCTs, named by their paths.
   * Running streams continue, and may write the new columns.
   */
  readonly addColumns: (
    name: string,
    columns: ReadonlyArray<ColumnDefinition>
  ) => Effect.Effect<
    TableRecord,
    TableNotFound | UnsupportedColumn | InvalidDefinition | StorageFailure
  >
  /** All refused tables and logs without a table in the data folder, read from disk. */
  readonly unserved: Effect.Effect<ReadonlyArray<UnservedTable>, StorageFailure>
  /**
   * Serves a Delta table that another program put into a folder `<catalog>/<schema>/<table>` of the
   * data folder, as the next start would. Returns its record, also when it is served already.
   */
  readonly register: (location: string) => Effect.Effect<TableRecord, StorageFailure>
  /** Deletes a table with its data. False when there is none. */
  readonly drop: (name: string) => Effect.Effect<boolean, StorageFailure>
  /** Checks that the format fits the table and builds the decoder, once per stream. */
  readonly openWriter: (
    name: string,
    format: LogFormat
  ) => Effect.Effect<TableWriter, TableNotFound | SchemaRejected | StorageFailure>
  /**
   * Opens the writer of a persistent stream. A new stream is on disk afterwards. A stream that was
   * created before is taken from the connection that has it open.
   */
  readonly openStream: (
    name: string,
    format: LogFormat,
    request: StreamRequest
  ) => Effect.Effect<OpenedStream, TableNotFound | SchemaRejected | StorageFailure | StreamRefused>
  /** Ends a persistent stream permanently; its rows stay. */
  readonly retireStream: (
    name: string,
    streamId: string
  ) => Effect.Effect<void, TableNotFound | StorageFailure | StreamRefused>
  /** The persistent streams of a table, oldest first; none for an unknown table. */
  readonly streams: (name: string) => Effect.Effect<ReadonlyArray<PersistentStreamRecord>>
  /** Commits everything acknowledged so far, of one table or of all. */
  readonly flush: (name?: string) => Effect.Effect<void, StorageFailure>
  /** Version, live files, rows and bytes of the committed table; zeros for an unknown table. */
  readonly stats: (name: string) => Effect.Effect<TableSize>
  /**
   * When a table got its latest commit, in milliseconds, including commits before this start;
   * undefined when it has only its creation.
   */
  readonly committedAt: (name: string) => Effect.Effect<number | undefined>
  /**
   * The committed rows, for small tables. BIGINT and timestamps (microseconds) are bigint, DATE is
   * days, DECIMAL text, BINARY bytes, MAP a `Map`.
   */
  readonly rows: (
    name: string
  ) => Effect.Effect<ReadonlyArray<Record<string, unknown>>, StorageFailure>
  /**
   * The last committed rows, at most `limit`, in the forms of `rows`. Reads only the newest files.
   */
  readonly lastRows: (
    name: string,
    limit: number
  ) => Effect.Effect<ReadonlyArray<Record<string, unknown>>, StorageFailure>
}

/** The store as a service. */
export class TableStore extends Context.Service<TableStore, TableStoreShape>()(
  "effect-zerobus/local/TableStore"
) {}

/** Why a definition cannot become a table. */
export const refuseDefinition = (
  definition: TableDefinition
): InvalidDefinition | UnsupportedColumn | undefined => {
  const problem = definitionProblem(definition) ?? deviceNameProblem(definition.name)
  return problem === undefined
    ? unsupportedColumn(definition)
    : new InvalidDefinition({ message: problem })
}

/** Why a format does not fit a table. */
export const refuseFormat = (
  definition: TableDefinition,
  format: LogFormat
): SchemaRejected | undefined => {
  const problem = formatProblem(definition.columns, format)
  if (problem === undefined) return undefined
  const { noun } = problem
  if (problem._tag === "Unreadable") {
    return new SchemaRejected({ causes: [], message: `The ${noun} cannot be read: ${problem.why}` })
  }
  const { findings } = problem
  return new SchemaRejected({
    causes: [...new Set(findings.map((finding) => finding.cause))],
    message:
      `The ${noun} does not fit the table ${definition.name}: ` +
      `${findings.map((finding) => finding.message).join("; ")}. ` +
      `Derive it from the table's columns.`
  })
}

/** The application id of a table's log in Delta's `txn` action. */
export const appIdOf = (tableId: string): string => `${appIdPrefix}${tableId}`

/** The key of a name for case-insensitive comparison. */
export const tableKey = (name: string): string => name.toLowerCase()

/** The definition with further columns. Fails when they cannot be added or written. */
export const extended = (
  definition: TableDefinition,
  columns: ReadonlyArray<ColumnDefinition>
): Result.Result<TableDefinition, InvalidDefinition | UnsupportedColumn> => {
  const problem = additionProblem(definition, columns)
  if (problem !== undefined) return Result.fail(new InvalidDefinition({ message: problem }))
  const altered = withColumns(definition, columns)
  const unsupported = unsupportedColumn(altered)
  return unsupported === undefined ? Result.succeed(altered) : Result.fail(unsupported)
}
