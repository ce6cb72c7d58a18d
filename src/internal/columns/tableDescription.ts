/**
 * Unity Catalog's description of a table: read into a `TableDefinition`, and written for a table to
 * be created. The JSON comes from outside: every field is checked, and a column that cannot be used
 * is refused by name.
 */
import * as Result from "effect/Result"
import { unsupportedType } from "./columnNames.ts"
import { definitionProblem, isObject } from "./columnRules.ts"
import type { ColumnDefinition, TableDefinition } from "./columnType.ts"
import {
  fromColumnJson,
  fromTypeJson,
  fullTypeText,
  parseColumnType,
  toFullTypeJson,
  typeName
} from "./columnType.ts"
import { rescueTag } from "./rescueTag.ts"
import { scalarTag } from "./scalarTypes.ts"

/**
 * A table as described by the catalog.
 *
 * @since 0.1.0
 * @category models
 */
export interface CatalogTable {
  /** Name and columns. */
  readonly definition: TableDefinition
  /** The catalog's id of the table. It changes when the table is dropped and created again. */
  readonly tableId: string | undefined
  /** `MANAGED`, `EXTERNAL`, `VIEW`, ... Only managed Delta tables take records. */
  readonly tableType: string | undefined
  /** `DELTA`, ... */
  readonly dataSourceFormat: string | undefined
  /** The URL of its files: `s3://...`, or `file://...` for a local server with a data folder. */
  readonly location: string | undefined
  /** Why a local server does not write the table, with advice; undefined for any other table. */
  readonly problem: string | undefined
  /**
   * Experimental: the persistent streams of a local server's table, oldest first; empty for any
   * other table.
   */
  readonly persistentStreams: ReadonlyArray<CatalogStream>
}

/**
 * Experimental: a persistent stream of a local server's table. Times in milliseconds since the
 * epoch.
 *
 * @since 0.2.0
 * @category models
 */
export interface CatalogStream {
  /** The id that resumes the stream. */
  readonly streamId: string
  /** The format of its records. */
  readonly recordType: "json" | "proto"
  /** When it was created. */
  readonly createdAt: number
  /** Everything up to this offset is durable; -1 for nothing. */
  readonly committedOffset: number
  /** Undefined while it can be resumed. */
  readonly retiredAt: number | undefined
}

/** The property in which a local server lists the persistent streams of a table, as JSON. */
export const streamsProperty = "zerobus.persistentStreams"

/** The property in which a local server states why it does not serve a table. */
export const problemProperty = "zerobus.problem"

/**
 * A table as listed in its schema.
 *
 * @since 0.2.0
 * @category models
 */
export interface TableSummary {
  /** `catalog.schema.table`. */
  readonly name: string
  /** `MANAGED`, `EXTERNAL`, `VIEW`, ... */
  readonly tableType: string | undefined
  /** The number of columns. */
  readonly columnCount: number
  /** The URL of its files, if the list has it. */
  readonly location: string | undefined
  /** Why a local server does not write the table, with advice; undefined for any other table. */
  readonly problem: string | undefined
}

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined

/** What the catalog states about a column besides its name. */
type Described = Pick<ColumnDefinition, "type" | "defaultSql" | "rescue">

const fromJsonText = (text: string): Result.Result<Described, string> => {
  try {
    const json: unknown = JSON.parse(text)
    if (isObject(json) && typeof json["name"] === "string") return fromColumnJson(json)
    return Result.map(fromTypeJson(json), (type) => ({ type }))
  } catch (error) {
    if (error instanceof SyntaxError) return Result.fail("The type JSON is not JSON.")
    throw error
  }
}

// `type_json` is the most complete. `type_text` lacks nullability, and `type_name` lacks everything
// nested. A VARCHAR has the name STRING.
const readType = (column: Readonly<Record<string, unknown>>): Result.Result<Described, string> => {
  const json = text(column["type_json"])
  const name = text(column["type_name"])
  const scalar = name === undefined ? undefined : scalarTag(name)
  const read =
    json !== undefined && json !== "{}"
      ? fromJsonText(json)
      : text(column["type_text"]) === undefined
        ? undefined
        : Result.map(parseColumnType(String(column["type_text"])), (type): Described => ({ type }))
  if (read !== undefined && Result.isSuccess(read)) return read
  if (scalar !== undefined) return Result.succeed({ type: { _tag: scalar } })
  if (name?.toUpperCase() === "DECIMAL") {
    const { type_precision: precision, type_scale: scale } = column
    if (typeof precision === "number" && typeof scale === "number")
      return Result.succeed({ type: { _tag: "Decimal", precision, scale } })
  }
  return read ?? Result.fail(name === undefined ? "The column has no type." : unsupportedType(name))
}

/**
 * Whether a column of the catalog lists the tag `zerobus-rescue`. A local server lists tags here; a
 * workspace stores them elsewhere.
 */
export const hasRescueTag = (column: Readonly<Record<string, unknown>>): boolean =>
  Array.isArray(column["tags"]) &&
  column["tags"].some((tag) => isObject(tag) && tag["key"] === rescueTag)

const readColumn = (
  value: unknown,
  index: number
): Result.Result<ColumnDefinition & { readonly partition: number | undefined }, string> => {
  if (!isObject(value) || typeof value["name"] !== "string")
    return Result.fail(`Column ${index} has no name.`)
  const name = value["name"]
  const position = value["position"] ?? index
  if (typeof position !== "number" || !Number.isInteger(position))
    return Result.fail(`Column ${JSON.stringify(name.slice(0, 64))} has no integral position.`)
  const comment = text(value["comment"])
  const partition = value["partition_index"]
  return Result.mapBoth(readType(value), {
    onFailure: (message) => `Column ${JSON.stringify(name.slice(0, 64))}: ${message}`,
    onSuccess: ({ defaultSql, rescue, type }) => ({
      name,
      type,
      ...(rescue === true || hasRescueTag(value) ? { rescue: true } : {}),
      ...(defaultSql === undefined ? {} : { defaultSql }),
      nullable: value["nullable"] !== false,
      position,
      partition: typeof partition === "number" ? partition : undefined,
      ...(comment === undefined ? {} : { comment })
    })
  })
}

/** Why a table of the catalog is not served, from its properties. */
export const problemOf = (body: unknown): string | undefined =>
  isObject(body) && isObject(body["properties"])
    ? text(body["properties"][problemProperty])
    : undefined

/** The persistent streams listed in a table's properties; unreadable entries are left out. */
const streamsOf = (body: Readonly<Record<string, unknown>>): ReadonlyArray<CatalogStream> => {
  const listed = isObject(body["properties"])
    ? text(body["properties"][streamsProperty])
    : undefined
  if (listed === undefined) return []
  const number = (value: unknown): number | undefined =>
    typeof value === "number" ? value : undefined
  try {
    const streams: unknown = JSON.parse(listed)
    return (Array.isArray(streams) ? streams : [])
      .filter(isObject)
      .flatMap((stream): Array<CatalogStream> => {
        const streamId = text(stream["stream_id"])
        if (streamId === undefined) return []
        return [
          {
            streamId,
            recordType: stream["record_type"] === "proto" ? "proto" : "json",
            createdAt: number(stream["created_at"]) ?? 0,
            committedOffset: number(stream["last_committed_offset"]) ?? -1,
            retiredAt: number(stream["retired_at"])
          }
        ]
      })
  } catch {
    return []
  }
}

/** Reads the body of `GET /tables/{name}`, sorted by position. The failure is a sentence. */
export const readCatalogTable = (
  tableName: string,
  body: unknown
): Result.Result<CatalogTable, string> => {
  if (!isObject(body) || !Array.isArray(body["columns"]))
    return Result.fail("The catalog's answer has no list of columns.")
  const listed: ReadonlyArray<unknown> = body["columns"]
  const served = problemOf(body)
  if (listed.length === 0) return Result.fail(served ?? `The table ${tableName} has no columns.`)
  return Result.flatMap(Result.all(listed.map(readColumn)), (read) => {
    const columns = read.toSorted((a, b) => (a.position ?? 0) - (b.position ?? 0))
    const partitions = columns
      .filter((column) => column.partition !== undefined)
      .sort((a, b) => (a.partition ?? 0) - (b.partition ?? 0))
    const comment = text(body["comment"])
    const definition: TableDefinition = {
      name: tableName,
      columns: columns.map(({ partition: _partition, ...column }) => column),
      ...(partitions.length === 0
        ? {}
        : { partitionColumns: partitions.map((column) => column.name) }),
      ...(comment === undefined ? {} : { comment })
    }
    const problem = definitionProblem(definition)
    return problem === undefined
      ? Result.succeed({
          definition,
          tableId: text(body["table_id"]),
          tableType: text(body["table_type"]),
          dataSourceFormat: text(body["data_source_format"]),
          location: text(body["storage_location"]),
          problem: served,
          persistentStreams: streamsOf(body)
        })
      : Result.fail(served ?? problem)
  })
}

/**
 * Reads one response of `GET /tables`, with the token of the next page. The failure is a sentence.
 */
export const readTablePage = (
  schemaName: string,
  body: unknown
): Result.Result<
  { readonly tables: ReadonlyArray<TableSummary>; readonly next: string | undefined },
  string
> => {
  // A schema without tables has no list.
  const listed = isObject(body) ? (body["tables"] ?? []) : undefined
  if (!isObject(body) || !Array.isArray(listed))
    return Result.fail("The catalog's answer has no list of tables.")
  const tables: Array<TableSummary> = []
  for (const table of listed as ReadonlyArray<unknown>) {
    const name = isObject(table) ? text(table["name"]) : undefined
    if (!isObject(table) || name === undefined)
      return Result.fail("The catalog's answer has a table without a name.")
    const columns = table["columns"]
    tables.push({
      name: `${schemaName}.${name}`,
      tableType: text(table["table_type"]),
      columnCount: Array.isArray(columns) ? columns.length : 0,
      location: text(table["storage_location"]),
      problem: problemOf(table)
    })
  }
  return Result.succeed({ tables, next: text(body["next_page_token"]) })
}

/** A definition in the form that the catalog takes and returns: names, columns and comment. */
export const describeTable = ({
  columns,
  comment,
  name: fullName,
  partitionColumns = []
}: TableDefinition) => {
  const [catalogName, schemaName, name] = fullName.split(".")
  return {
    name,
    catalog_name: catalogName,
    schema_name: schemaName,
    table_type: "MANAGED",
    data_source_format: "DELTA",
    columns: columns.map((column, index) => ({
      name: column.name,
      type_text: fullTypeText(column.type),
      type_name: typeName(column.type),
      type_json: JSON.stringify(toFullTypeJson(column)),
      position: column.position ?? index,
      nullable: column.nullable,
      ...(column.type._tag === "Decimal"
        ? { type_precision: column.type.precision, type_scale: column.type.scale }
        : { type_precision: 0, type_scale: 0 }),
      ...(column.comment === undefined ? {} : { comment: column.comment }),
      ...(column.rescue === true ? { tags: [{ key: rescueTag, value: "" }] } : {}),
      ...(partitionColumns.includes(column.name)
        ? { partition_index: partitionColumns.indexOf(column.name) }
        : {})
    })),
    ...(comment === undefined ? {} : { comment })
  }
}
