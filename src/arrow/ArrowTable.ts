/**
 * Tables with Arrow record batches, sent over Arrow Flight.
 *
 * @packageDocumentation
 *
 * @example
 * const program = Effect.gen(function*() {
 *   const zerobus = yield* Zerobus
 *   const table = yield* ArrowTable.fromCatalog("main.default.air_quality")
 *   const batch = tableFromArrays({ device_name: ["sensor-1"], temp: Int32Array.of(21) })
 *   yield* zerobus.withStream(table, (stream) => stream.ingestRecord(batch))
 * })
 *
 * @since 0.2.0
 */
import type { RecordBatch, Table } from "apache-arrow"
import { Schema } from "apache-arrow"
import * as Effect from "effect/Effect"
import { fieldOf } from "../internal/arrow/columnField.ts"
import { isCompression } from "../internal/flight/bodyCompression.ts"
import { tableNameProblem } from "../internal/columns/columnNames.ts"
import { definitionProblem } from "../internal/columns/columnRules.ts"
import type { TableDefinition } from "../internal/columns/columnType.ts"
import type { TableProperties } from "../TableProperties.ts"
import { UnityCatalog } from "../UnityCatalog.ts"
import { InvalidArgument, InvalidTable, type StreamFailure } from "../ZerobusError.ts"
import { arrowCodec, schemaMessage } from "./arrowCodec.ts"
import { fieldFrom, travelling } from "./fieldTypes.ts"

/**
 * One record: a `Table` or a `RecordBatch` of `apache-arrow`, or the bytes of an IPC stream or file
 * with one batch, from any library. It has one offset, regardless of its number of rows, and needs
 * at least one row.
 *
 * Columns are matched by name. A nullable column may be missing. Types are cast when the cast is
 * lossless: dictionaries to their values, strings and bytes to other offset widths, integers and
 * floats to wider types, decimals to text, times to other units when they can represent the value.
 * Anything else fails with `InvalidArgument`, whose `path` names the column.
 *
 * @since 0.2.0
 * @category models
 */
export type ArrowRecord = Table | RecordBatch | Uint8Array

/**
 * A table whose records are Arrow batches.
 *
 * @since 0.2.0
 * @category models
 */
export interface ArrowTable extends TableProperties<ArrowRecord> {
  /** Records travel by Arrow Flight. */
  readonly recordType: "arrow"
  /** The columns in their wire types, in the order of the table. */
  readonly schema: Schema
}

/**
 * Options for sending the batches of a table.
 *
 * @since 0.2.0
 * @category configuration
 */
export interface ArrowTableOptions {
  /** Compression of a batch's buffers. Default `"zstd"`. */
  readonly compression?: "zstd" | "lz4" | "none" | undefined
}

/**
 * Creates a table with the schema of its columns, in the table's order and in types that the
 * service accepts; `docs/arrow.md` lists them. Dictionary columns are sent as their values. Throws
 * `InvalidTable` for a malformed name and `InvalidArgument` for an unsupported schema.
 *
 * @example
 * const table = ArrowTable.make(
 *   "main.default.air_quality",
 *   new Schema([new Field("device", new LargeUtf8(), true), new Field("temp", new Int32(), true)])
 * )
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (
  tableName: string,
  schema: Schema,
  options: ArrowTableOptions = {}
): ArrowTable => {
  const name = typeof tableName === "string" ? tableName.trim() : ""
  const problem = tableNameProblem(name)
  if (problem !== undefined) throw new InvalidTable({ message: problem, tableName: name })
  const { compression = "zstd" } = options
  if (!isCompression(compression)) {
    const message = `The option compression must be "zstd", "lz4" or "none".`
    throw new InvalidArgument({ message, path: ["compression"] })
  }
  if (!(schema instanceof Schema) || schema.fields.length === 0) {
    const message = `The table ${name} needs a Schema of apache-arrow with at least one column.`
    throw new InvalidArgument({ message, path: ["schema"] })
  }
  const travels = travelling(schema)
  const descriptor = schemaMessage(travels)
  return {
    tableName: name,
    recordType: "arrow",
    descriptor,
    codec: arrowCodec(travels, descriptor, compression),
    schema: travels
  }
}

/**
 * Creates a table with its current columns in the catalog, in the types that the service accepts.
 * Fails like `UnityCatalog.getTable`, and with `InvalidArgument` when a column is not supported.
 *
 * @example
 * const table = yield* ArrowTable.fromCatalog("main.default.air_quality", { compression: "none" })
 *
 * @since 0.2.0
 * @category constructors
 */
export const fromCatalog = Effect.fn("ArrowTable.fromCatalog")(function* (
  tableName: string,
  options?: ArrowTableOptions
): Effect.fn.Return<ArrowTable, StreamFailure, UnityCatalog> {
  const catalog = yield* UnityCatalog
  const { definition } = yield* catalog.getTable(tableName)
  return yield* Effect.try({
    try: () => make(definition.name, schemaOf(definition), options),
    catch: (error): InvalidArgument | InvalidTable => {
      if (error instanceof InvalidArgument || error instanceof InvalidTable) return error
      throw error
    }
  })
})

/** The schema of a table's columns. */
const schemaOf = (definition: TableDefinition): Schema => {
  const problem = definitionProblem(definition)
  if (problem !== undefined) {
    throw new InvalidArgument({ message: `${problem} (table ${definition.name})`, path: [] })
  }
  const columns = definition.columns
    .map((column, index) => ({ ...column, position: column.position ?? index }))
    .filter(({ position }) => position >= 0)
    .sort((a, b) => a.position - b.position)
  return new Schema(columns.map((column) => fieldFrom(fieldOf(column))))
}
