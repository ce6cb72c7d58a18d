/**
 * Tables in memory, with the interface of the durable store: the same checks and decoders, no
 * files.
 *
 * Records become durable on the next turn of the event loop, or when `later` runs its callback.
 * Callers therefore see the same order of events as with a disk.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import type { TableDefinition } from "../../internal/columns/columnType.ts"
import { type ColumnTree, columnTree, makeLeaves } from "../parquet/columnTree.ts"
import { grownChunks } from "../parquet/grownChunks.ts"
import { type Leaf, markOf, rollBack } from "../parquet/columnBuffer.ts"
import { encodeParquet, type RowGroupInput } from "../parquet/parquet.ts"
import { readParquet } from "../parquet/parquetRows.ts"
import { problemOf } from "../records/recordProblem.ts"
import type { LogFormat } from "../log/logFrames.ts"
import {
  RecordRejected,
  type SchemaRejected,
  StorageFailure,
  storageFailure,
  TableExists,
  TableNotFound
} from "../log/storageErrors.ts"
import {
  type HeldStream,
  PersistentStreams,
  StreamRefused
} from "../persistent/persistentStreams.ts"
import { noRegister } from "../persistent/streamRegister.ts"
import { type Decoder, makeDecoder } from "../records/recordDecoder.ts"
import type { TableRecord } from "../delta/tableFolder.ts"
import {
  extended,
  refuseDefinition,
  refuseFormat,
  tableKey,
  type TableStoreShape,
  type TableWriter
} from "./tableStore.ts"

interface MemoryTable {
  record: TableRecord
  tree: ColumnTree
  /** Replaced when the columns change; streams then create new decoders. */
  leaves: ReadonlyArray<Leaf>
  readonly streams: PersistentStreams
  readonly sealed: Array<RowGroupInput>
  rows: number
  total: number
  groups: number
  dropped: boolean
}

const sealAt = 100_000

const seal = (table: MemoryTable): void => {
  if (table.rows === 0) return
  table.sealed.push({ rows: table.rows, chunks: table.leaves.map((leaf) => leaf.seal()) })
  table.rows = 0
}

/** Adds columns and fields to a table, NULL in all existing rows. */
const addColumns = (table: MemoryTable, definition: TableDefinition): void => {
  seal(table)
  const tree = columnTree(definition.columns)
  for (const [index, { chunks, rows }] of table.sealed.entries()) {
    table.sealed[index] = { rows, chunks: grownChunks(table.tree, chunks, tree) }
  }
  table.record = { ...table.record, definition }
  table.tree = tree
  table.leaves = makeLeaves(tree)
}

/** The last rows of a table, at most `limit`, read from the fewest row groups that hold them. */
const readBack = (table: MemoryTable, limit: number) => {
  seal(table)
  const { record, sealed, tree } = table
  let from = sealed.length
  for (let rows = 0; from > 0 && rows < limit; from--) rows += sealed[from - 1]!.rows
  return Effect.tryPromise({
    try: () =>
      readParquet(encodeParquet(tree, sealed.slice(from)), record.definition.columns, limit),
    catch: (error) => storageFailure(error, "reading the table", record.location)
  })
}

/**
 * Creates an empty store. `later` runs the callbacks that report records as durable; it has to keep
 * their order.
 */
export const makeMemoryTableStoreWith = Effect.fnUntraced(function* (
  later: (tell: () => void) => void
): Effect.fn.Return<TableStoreShape> {
  const clock = yield* Clock.Clock
  const tables = new Map<string, MemoryTable>()
  /** A table whose columns accept records of the format. */
  const writable = (name: string, format: LogFormat) =>
    Effect.suspend((): Effect.Effect<MemoryTable, TableNotFound | SchemaRejected> => {
      const table = tables.get(tableKey(name))
      if (table === undefined) return Effect.fail(new TableNotFound({ name }))
      const rejected = refuseFormat(table.record.definition, format)
      return rejected === undefined ? Effect.succeed(table) : Effect.fail(rejected)
    })
  const writerOf = (table: MemoryTable, format: LogFormat, stream?: HeldStream): TableWriter => {
    const { name } = table.record.definition
    let leaves: ReadonlyArray<Leaf> | undefined
    let decode: Decoder
    return {
      appendUnsafe: (records, offset = 0) => {
        if (leaves !== table.leaves) {
          leaves = table.leaves
          decode = makeDecoder(table.tree, format, leaves)
        }
        const mark = markOf(leaves, table.rows)
        let index = 0
        let rows = 0
        try {
          for (; index < records.length; index++) rows += decode(records[index]!)
        } catch (error) {
          rollBack(leaves, mark)
          const { expected, path, row } = problemOf(error)
          return new RecordRejected(index + row, path, expected)
        }
        table.rows += rows
        table.total += rows
        if (table.rows >= sealAt) seal(table)
        const group = ++table.groups
        stream?.noteUnsafe(group, offset)
        return group
      },
      onDurable: (_ticket, callback) => {
        later(() =>
          callback(
            table.dropped
              ? new StorageFailure({
                  reason: "TableDropped",
                  message: `The table ${name} was dropped.`
                })
              : undefined
          )
        )
      },
      pressure: () => false,
      onRoom: (callback) => callback(),
      close: () => stream?.release()
    }
  }
  return {
    create: (definition: TableDefinition) =>
      Effect.suspend((): ReturnType<TableStoreShape["create"]> => {
        const problem = refuseDefinition(definition)
        if (problem !== undefined) return Effect.fail(problem)
        const key = tableKey(definition.name)
        if (tables.has(key)) return Effect.fail(new TableExists({ name: definition.name }))
        const tree = columnTree(definition.columns)
        const record: TableRecord = {
          definition,
          createdAt: clock.currentTimeMillisUnsafe(),
          tableId: randomUUID(),
          location: `memory:${definition.name}`
        }
        tables.set(key, {
          record,
          tree,
          leaves: makeLeaves(tree),
          streams: new PersistentStreams({
            register: noRegister,
            known: [],
            onDurable: (_group, callback) => later(() => callback(undefined)),
            now: () => clock.currentTimeMillisUnsafe()
          }),
          sealed: [],
          rows: 0,
          total: 0,
          groups: 0,
          dropped: false
        })
        return Effect.succeed(record)
      }),
    get: (name) => Effect.sync(() => Option.fromUndefinedOr(tables.get(tableKey(name))?.record)),
    list: (catalog, schema) =>
      Effect.sync(() => {
        const prefix = `${tableKey(catalog)}.${tableKey(schema)}.`
        return [...tables]
          .filter(([key]) => key.startsWith(prefix))
          .map(([, table]) => table.record)
      }),
    listAll: Effect.sync(() => [...tables.values()].map((table) => table.record)),
    unserved: Effect.succeed([]),
    register: () =>
      Effect.fail(
        new StorageFailure({
          reason: "TableRefused",
          message:
            "This server keeps its tables in memory and has no data folder. Start it without " +
            "--memory."
        })
      ),
    addColumns: (name, columns) =>
      Effect.suspend((): ReturnType<TableStoreShape["addColumns"]> => {
        const table = tables.get(tableKey(name))
        if (table === undefined) return Effect.fail(new TableNotFound({ name }))
        return Effect.map(
          Effect.fromResult(extended(table.record.definition, columns)),
          (definition) => {
            addColumns(table, definition)
            return table.record
          }
        )
      }),
    drop: (name) =>
      Effect.sync(() => {
        const table = tables.get(tableKey(name))
        if (table === undefined) return false
        table.dropped = true
        return tables.delete(tableKey(name))
      }),
    openWriter: (name, format) =>
      Effect.map(writable(name, format), (table) => writerOf(table, format)),
    openStream: Effect.fnUntraced(function* (
      name: string,
      format,
      { isNew, onReplaced, streamId }
    ) {
      const table = yield* writable(name, format)
      const { streams } = table
      const opened = yield* Effect.promise(() =>
        streams.open(streamId, isNew, format._tag, onReplaced)
      )
      if (opened instanceof StreamRefused) return yield* opened
      const { committed, stream } = opened
      return { writer: writerOf(table, format, stream), committed }
    }),
    retireStream: Effect.fnUntraced(function* (name: string, streamId: string) {
      const table = tables.get(tableKey(name))
      if (table === undefined) return yield* new TableNotFound({ name })
      const refused = yield* Effect.promise(() => table.streams.retire(streamId))
      if (refused !== undefined) return yield* refused
    }),
    streams: (name) => Effect.sync(() => tables.get(tableKey(name))?.streams.all ?? []),
    flush: () => Effect.void,
    committedAt: () => Effect.succeed(undefined),
    stats: (name) =>
      Effect.sync(() => {
        const table = tables.get(tableKey(name))
        return { version: 0, files: 0, rows: table?.total ?? 0, bytes: 0 }
      }),
    rows: (name) =>
      Effect.suspend(() => {
        const table = tables.get(tableKey(name))
        if (table === undefined || table.total === 0) return Effect.succeed([])
        return readBack(table, Infinity)
      }),
    lastRows: (name, limit) =>
      Effect.suspend(() => {
        const table = tables.get(tableKey(name))
        return table === undefined || table.total === 0
          ? Effect.succeed([])
          : readBack(table, limit)
      })
  }
})

/** Creates an empty store whose records become durable on the next turn of the event loop. */
export const makeMemoryTableStore: Effect.Effect<TableStoreShape> = makeMemoryTableStoreWith(
  (tell) => {
    setImmediate(tell)
  }
)
