/**
 * Typed tables: a table's name and columns as one value, from which its record type, its descriptor
 * and its encoder follow.
 *
 * A typed table is a `TableProperties`, so it goes wherever those go: `createStream`, `withStream`,
 * `sink`. No `protoc`, no generated code. Columns are in `Column.ts`; reading a table from the
 * catalog is in `UnityCatalog.ts`.
 *
 * @packageDocumentation
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ColumnNode } from "./internal/codec/columnNode.ts"
import { nodeOfColumns, structOf } from "./internal/codec/columnNode.ts"
import { compileRecord } from "./internal/codec/columnSchema.ts"
import { tableNameProblem } from "./internal/columns/columnNames.ts"
import { definitionProblem, Refusal } from "./internal/columns/columnRules.ts"
import type { ColumnDefinition, TableDefinition } from "./internal/columns/columnType.ts"
import { toDescriptorProto } from "./internal/protobuf/descriptor.ts"
import { jsonTableCodec, protoTableCodec } from "./internal/codec/tableCodec.ts"
import type { TableDifference } from "./internal/columns/tableDiff.ts"
import { diffDefinitions } from "./internal/columns/tableDiff.ts"
import type { TableProperties } from "./TableProperties.ts"
import { withReread } from "./internal/tableForm.ts"
import { UnityCatalog, type UnityCatalogShape } from "./UnityCatalog.ts"
import {
  InvalidArgument,
  InvalidTable,
  SchemaMismatch,
  type StreamFailure
} from "./ZerobusError.ts"

export type {
  ColumnDefinition,
  ColumnType,
  TableDefinition
} from "./internal/columns/columnType.ts"
export type { TableDifference } from "./internal/columns/tableDiff.ts"

/**
 * A table whose records are values of `A`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Table<in out A> extends TableProperties<A> {
  /** The record type, for `typeof table.Type`; not there at run time. */
  readonly Type: A
  /** The columns in order, as the table has them. */
  readonly columns: ReadonlyArray<ColumnDefinition>
  /** Name and columns as plain data: what creates the table, what `diff` compares. */
  readonly definition: TableDefinition
  /** The schema of a record; `undefined` for tables known only at run time. */
  readonly schema: Schema.Codec<A, any> | undefined
  /** Reads one encoded record back. Fails with `InvalidArgument` for bytes that are none. */
  readonly decode: (payload: Uint8Array) => Result.Result<A, InvalidArgument>
}

/**
 * A record of a table that is known only at run time: column names to values. It is checked at the
 * ingest call.
 *
 * @since 0.1.0
 * @category models
 */
export type DynamicRecord = Readonly<Record<string, unknown>>

/**
 * How a typed table travels and is created.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface TableOptions {
  /**
   * `"proto"` sends protobuf records, `"json"` JSON records with the same checks. Default
   * `"proto"`.
   */
  readonly recordType?: "proto" | "json" | undefined
  /**
   * Columns that partition the table when it is created, in a local server for one. Default none.
   */
  readonly partitionColumns?: ReadonlyArray<string> | undefined
  /** The table's comment when it is created. Default none. */
  readonly comment?: string | undefined
}

const build = <A>(
  definition: TableDefinition,
  node: ColumnNode,
  schema: Schema.Codec<A, any> | undefined,
  recordType: "proto" | "json"
): Table<A> => {
  const invalid = (message: string): never => {
    throw new InvalidArgument({ message, path: [] })
  }
  // JSON tables keep the limits of protobuf, so that one table can travel either way.
  const descriptor = Result.getOrElse(toDescriptorProto(definition), invalid)
  const codec =
    recordType === "json"
      ? jsonTableCodec<A>(definition.name, node)
      : protoTableCodec<A>(definition.name, node)
  const table: Omit<Table<A>, "Type"> = {
    tableName: definition.name,
    recordType,
    descriptor: recordType === "json" ? undefined : descriptor,
    codec,
    columns: definition.columns,
    definition,
    schema,
    decode: codec.decode
  }
  return table as Table<A>
}

const checked = <A>(tableName: string, make: () => A): A => {
  const problem = tableNameProblem(tableName)
  if (problem !== undefined) throw new InvalidTable({ message: problem, tableName })
  try {
    return make()
  } catch (error) {
    if (error instanceof Refusal)
      throw new InvalidArgument({ message: `${error.message} (table ${tableName})`, path: [] })
    throw error
  }
}

/**
 * Makes a typed table from columns by name, a `Schema.Struct` or a `Schema.Class`.
 *
 * Columns are numbered in the order written, which should be the table's. A column is NOT NULL only
 * when marked with `Column.required`. Throws `InvalidTable` for a malformed name and
 * `InvalidArgument` for columns that cannot travel; both say what to do.
 *
 * @example
 * const Readings = Table.make("main.default.readings", {
 *   device: Column.String,
 *   temp: Column.Int,
 *   note: Column.nullable(Column.String)
 * })
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: {
  <const Fields extends Schema.Struct.Fields>(
    tableName: string,
    columns: Fields,
    options?: TableOptions
  ): Table<Schema.Struct.Type<Fields>>
  <A, I>(tableName: string, schema: Schema.Codec<A, I>, options?: TableOptions): Table<A>
} = (
  tableName: string,
  columns: Schema.Struct.Fields | Schema.Codec<any, any>,
  options?: TableOptions
): Table<any> => {
  const name = tableName.trim()
  return checked(name, () => {
    const schema = Schema.isSchema(columns) ? columns : Schema.Struct(columns)
    const node = compileRecord(schema.ast)
    const definition: TableDefinition = {
      name,
      columns: structOf(node).fields.map((field) => field.definition),
      ...(options?.partitionColumns === undefined
        ? {}
        : { partitionColumns: options.partitionColumns }),
      ...(options?.comment === undefined ? {} : { comment: options.comment })
    }
    return build(definition, node, schema as Schema.Codec<any, any>, options?.recordType ?? "proto")
  })
}

/**
 * Makes a table from a definition that is known only at run time, such as one read from the
 * catalog. Records are objects whose values have the default type of each column
 * (`Column.Timestamp` and so on); nullable columns may be null or absent, arrays and maps absent
 * but not null. Columns keep their catalog positions. A rescue column (`rescue`) is no field of a
 * record. Throws as `make` does.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromDefinition = (
  definition: TableDefinition,
  options?: Pick<TableOptions, "recordType">
): Table<DynamicRecord> =>
  checked(definition.name, () => {
    const problem = definitionProblem(definition)
    if (problem !== undefined) throw new Refusal(problem)
    const columns = definition.columns
      .map((column, index) => ({ ...column, position: column.position ?? index }))
      .filter((column) => column.position >= 0)
      .sort((a, b) => a.position - b.position)
    const filled = columns.filter(({ rescue }) => rescue !== true)
    const table = build<DynamicRecord>(
      { ...definition, columns: filled },
      nodeOfColumns(filled),
      undefined,
      options?.recordType ?? "proto"
    )
    return { ...table, columns, definition: { ...definition, columns } }
  })

/**
 * Reads a table from the catalog: columns, nullability, positions and descriptor as they are now,
 * records checked at the ingest call (see {@link fromDefinition}). A stream with
 * `onSchemaChange: "reopen"` follows columns that are added later. Fails as `UnityCatalog.getTable`
 * does, and with `InvalidArgument` when a column cannot travel.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromCatalog = Effect.fn("Table.fromCatalog")(function* (
  tableName: string,
  options?: Pick<TableOptions, "recordType">
): Effect.fn.Return<Table<DynamicRecord>, StreamFailure, UnityCatalog> {
  const catalog = yield* UnityCatalog
  const { definition } = yield* catalog.getTable(tableName)
  return yield* ofCatalog(catalog, definition, options)
})

/**
 * The table of a definition; it knows how to read itself again, for streams that follow its
 * columns.
 */
const ofCatalog = (
  catalog: UnityCatalogShape,
  definition: TableDefinition,
  options: Pick<TableOptions, "recordType"> | undefined
): Effect.Effect<Table<DynamicRecord>, InvalidArgument | InvalidTable> =>
  Effect.map(
    Effect.try({
      try: () => fromDefinition(definition, options),
      catch: (error): InvalidArgument | InvalidTable => {
        if (error instanceof InvalidArgument || error instanceof InvalidTable) return error
        throw error
      }
    }),
    (table) => withReread(table, reread(catalog, table, options))
  )

/** The table as it is now, when it has other columns than before that records without them fit. */
const reread = Effect.fnUntraced(function* (
  catalog: UnityCatalogShape,
  before: Table<DynamicRecord>,
  options: Pick<TableOptions, "recordType"> | undefined
): Effect.fn.Return<Table<DynamicRecord> | undefined, StreamFailure> {
  const { definition } = yield* catalog.getTable(before.tableName, { fresh: true })
  const now = yield* ofCatalog(catalog, definition, options)
  const same = JSON.stringify(now.columns) === JSON.stringify(before.columns)
  return same || mismatch(now.tableName, diff(before, now)) !== undefined ? undefined : now
})

/**
 * Compares a table with the catalog before a stream opens. Succeeds with the harmless differences;
 * fails with `SchemaMismatch`, which says each breaking one in words, or as `UnityCatalog.getTable`
 * does.
 *
 * @since 0.1.0
 * @category comparisons
 */
export const check = Effect.fn("Table.check")(function* (
  table: Table<any>
): Effect.fn.Return<ReadonlyArray<TableDifference>, StreamFailure, UnityCatalog> {
  const catalog = yield* UnityCatalog
  const differences = diff(table, (yield* catalog.getTable(table.tableName)).definition)
  const error = mismatch(table.tableName, differences)
  return error === undefined ? differences : yield* error
})

/**
 * Says what differs between a table in code and another one, usually the catalog's. Empty when
 * nothing does.
 *
 * @since 0.1.0
 * @category comparisons
 */
export const diff = (
  code: Table<any> | TableDefinition,
  table: Table<any> | TableDefinition
): ReadonlyArray<TableDifference> =>
  diffDefinitions(
    "definition" in code ? code.definition : code,
    "definition" in table ? table.definition : table
  )

/**
 * The error a stream would meet for differences that the service refuses, or `undefined` when none
 * of them is breaking.
 *
 * @since 0.1.0
 * @category comparisons
 */
export const mismatch = (
  tableName: string,
  differences: ReadonlyArray<TableDifference>
): SchemaMismatch | undefined => {
  const breaking = differences.filter((difference) => difference.breaking)
  if (breaking.length === 0) return undefined
  const shown = breaking
    .slice(0, 10)
    .map((difference) => difference.message)
    .join(" ")
  const more = breaking.length > 10 ? ` And ${breaking.length - 10} more.` : ""
  return new SchemaMismatch({
    message: `The table ${tableName} in code does not fit the one in the catalog. ${shown}${more}`,
    causes: [...new Set(breaking.map((difference) => difference.kind))]
  })
}
