/**
 * Typed tables: a table's name and columns as one value, which determines its record type,
 * descriptor and encoder.
 *
 * A typed table is a `TableProperties`, so it works with `createStream`, `withStream` and `sink`.
 * It needs no `protoc` and no generated code. `Column.ts` defines the columns; `UnityCatalog.ts`
 * reads tables from the catalog.
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
import type {
  ColumnDefinition,
  ColumnType,
  TableDefinition
} from "./internal/columns/columnType.ts"
import { isSimple } from "./internal/columns/scalarTypes.ts"
import { toDescriptorProto } from "./internal/protobuf/descriptor.ts"
import { jsonTableCodec, protoTableCodec } from "./internal/codec/tableCodec.ts"
import type { TableDifference } from "./internal/columns/tableDiff.ts"
import { diffDefinitions } from "./internal/columns/tableDiff.ts"
import type { TableProperties } from "./TableProperties.ts"
import type { RecordProtocol } from "./internal/recordCodec.ts"
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
  /** The record type, for `typeof table.Type`. Not present at run time. */
  readonly Type: A
  /** The columns in the order of the table. */
  readonly columns: ReadonlyArray<ColumnDefinition>
  /** Name and columns as plain data, for creating and comparing tables. */
  readonly definition: TableDefinition
  /** The schema of a record. `undefined` for tables known only at run time. */
  readonly schema: Schema.Codec<A, any> | undefined
  /** Decodes one encoded record. Fails with `InvalidArgument` for invalid bytes. */
  readonly decode: (payload: Uint8Array) => Result.Result<A, InvalidArgument>
}

/**
 * A record of a table that is known only at run time: values by column name. It is checked at the
 * ingest call.
 *
 * @since 0.1.0
 * @category models
 */
export type DynamicRecord = Readonly<Record<string, unknown>>

/**
 * Options of a typed table: its record format, and how it is created.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface TableOptions {
  /**
   * `"proto"` (default) sends protobuf records. `"json"` sends JSON records with the same checks.
   */
  readonly recordType?: "proto" | "json" | undefined
  /**
   * `"rows"` sends each record as it is encoded. `"arrow"` sends the records of a message as the
   * columns of a record batch, by Arrow Flight: records, checks, offsets and receipts are the same,
   * fewer bytes travel, for more processor time. Not with `recordType: "json"`, VARIANT columns and
   * persistent streams. Default `"rows"`.
   */
  readonly format?: "rows" | "arrow" | undefined
  /** How the columns are compressed that travel with `format: "arrow"`. Default `"zstd"`. */
  readonly compression?: "zstd" | "lz4" | "none" | undefined
  /** Partition columns for creating the table, for example in a local server. Default none. */
  readonly partitionColumns?: ReadonlyArray<string> | undefined
  /** The table's comment for creating it. Default none. */
  readonly comment?: string | undefined
}

/** How the records of a typed table travel. */
type TravelOptions = Pick<TableOptions, "recordType" | "format" | "compression">

/** How a table loads what it needs to travel as Arrow batches. */
const asArrow = (
  { columns, name }: TableDefinition,
  { compression = "zstd", format, recordType }: TravelOptions = {}
): (() => Promise<RecordProtocol>) => {
  const invalid = (option: string, message: string): never => {
    throw new InvalidArgument({ message: `${message} (table ${name})`, path: [option] })
  }
  if (format !== "arrow") {
    return invalid("format", `The option format must be "rows" or "arrow"`)
  }
  if (recordType === "json")
    return invalid("recordType", `The format "arrow" takes no JSON: leave recordType out`)
  if (!["zstd", "lz4", "none"].includes(compression))
    return invalid("compression", `The option compression must be "zstd", "lz4" or "none"`)
  const variant = columns.find(({ type }) => holdsVariant(type))
  if (variant !== undefined) {
    return invalid(
      variant.name,
      `The column ${variant.name} holds VARIANT, which the format "arrow" cannot carry yet: ` +
        `leave the option format out`
    )
  }
  return async () => {
    const { rowProtocol } = await import("./internal/flight/rowProtocol.ts")
    return rowProtocol(columns, compression)
  }
}

const holdsVariant = (type: ColumnType): boolean => {
  if (isSimple(type)) return type._tag === "Variant"
  switch (type._tag) {
    case "Array":
      return holdsVariant(type.element)
    case "Map":
      return holdsVariant(type.value)
    case "Struct":
      return type.fields.some((field) => holdsVariant(field.type))
  }
}

const build = <A>(
  definition: TableDefinition,
  node: ColumnNode,
  schema: Schema.Codec<A, any> | undefined,
  options: TravelOptions | undefined
): Table<A> => {
  const invalid = (message: string): never => {
    throw new InvalidArgument({ message, path: [] })
  }
  const { format = "rows", recordType = "proto" } = options ?? {}
  // JSON tables have the limits of protobuf, so that a table can use either format.
  const descriptor = Result.getOrElse(toDescriptorProto(definition), invalid)
  const codec =
    recordType === "json"
      ? jsonTableCodec<A>(definition.name, node)
      : protoTableCodec<A>(definition.name, node)
  const arrow = format === "rows" ? undefined : asArrow(definition, options)
  const table: Omit<Table<A>, "Type"> = {
    tableName: definition.name,
    recordType: arrow === undefined ? recordType : "arrow",
    descriptor: recordType === "json" ? undefined : descriptor,
    codec: arrow === undefined ? codec : { ...codec, loadProtocol: arrow },
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
 * Creates a typed table from columns by name, a `Schema.Struct` or a `Schema.Class`.
 *
 * Columns are numbered in the given order, which should be that of the table. A column is NOT NULL
 * only when marked with `Column.required`. Throws `InvalidTable` for a malformed name and
 * `InvalidArgument` for columns that cannot be sent. Both messages say what to do.
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
    return build(definition, node, schema as Schema.Codec<any, any>, options)
  })
}

/**
 * Creates a table from a definition that is known only at run time, such as one read from the
 * catalog. Records are objects with the default type of each column (`Column.Timestamp` and so on).
 * Nullable columns may be null or absent; arrays and maps may be absent but not null. Columns keep
 * their catalog positions. A rescue column (`rescue`) is not a field of a record. Throws like
 * `make`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromDefinition = (
  definition: TableDefinition,
  options?: Pick<TableOptions, "recordType" | "format" | "compression">
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
      options
    )
    return { ...table, columns, definition: { ...definition, columns } }
  })

/**
 * Reads a table from the catalog: its current columns, nullability, positions and descriptor.
 * Records are checked at the ingest call (see {@link fromDefinition}). A stream with
 * `onSchemaChange: "reopen"` follows columns that are added later. Fails like
 * `UnityCatalog.getTable`, and with `InvalidArgument` when a column cannot be sent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromCatalog = Effect.fn("Table.fromCatalog")(function* (
  tableName: string,
  options?: Pick<TableOptions, "recordType" | "format" | "compression">
): Effect.fn.Return<Table<DynamicRecord>, StreamFailure, UnityCatalog> {
  const catalog = yield* UnityCatalog
  const { definition } = yield* catalog.getTable(tableName)
  return yield* ofCatalog(catalog, definition, options)
})

/**
 * The table of a definition, with an effect that reads it again, for streams that follow its
 * columns.
 */
const ofCatalog = (
  catalog: UnityCatalogShape,
  definition: TableDefinition,
  options: TravelOptions | undefined
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

/**
 * Reads the table again. Returns it when its columns have changed and records without the new
 * columns still fit.
 */
const reread = Effect.fnUntraced(function* (
  catalog: UnityCatalogShape,
  before: Table<DynamicRecord>,
  options: TravelOptions | undefined
): Effect.fn.Return<Table<DynamicRecord> | undefined, StreamFailure> {
  const { definition } = yield* catalog.getTable(before.tableName, { fresh: true })
  const now = yield* ofCatalog(catalog, definition, options)
  const same = JSON.stringify(now.columns) === JSON.stringify(before.columns)
  return same || mismatch(now.tableName, diff(before, now)) !== undefined ? undefined : now
})

/**
 * Compares a table with the catalog before a stream opens. Succeeds with the harmless differences.
 * Fails with `SchemaMismatch`, which describes each breaking difference, or like
 * `UnityCatalog.getTable`.
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
 * Returns the differences between a table in code and another one, usually the catalog's. Empty
 * when there are none.
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
 * The error of a stream for differences that the service refuses, or `undefined` when none is
 * breaking.
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
