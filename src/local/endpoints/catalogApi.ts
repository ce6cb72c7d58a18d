/**
 * The tables API of Unity Catalog, in the JSON of the real service: create, get, list, delete, and
 * add columns.
 *
 * Reads and writes plain JSON values over the store; `httpService.ts` handles requests and tokens.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import {
  type ColumnDefinition,
  fromTypeJson,
  parseColumnType,
  type TableDefinition
} from "../../internal/columns/columnType.ts"
import { additionsOf } from "../../internal/columns/columnAddition.ts"
import type {
  InvalidDefinition,
  StorageFailure,
  TableExists,
  TableNotFound,
  UnsupportedColumn
} from "../log/storageErrors.ts"
import {
  describeTable,
  hasRescueTag,
  problemProperty,
  streamsProperty
} from "../../internal/columns/tableDescription.ts"
import type { PersistentStreamRecord } from "../persistent/persistentStreams.ts"
import type { TableRecord, TableStoreShape, UnservedTable } from "../store/tableStore.ts"

/** A response of the API. */
export interface CatalogAnswer {
  readonly status: number
  readonly body: unknown
}

/** An error in the form of the service. */
export const catalogError = (status: number, code: string, message: string): CatalogAnswer => ({
  status,
  body: { error_code: code, message, details: [] }
})

/** The URL of a table. A table in memory has no path and a URL that starts with `memory:`. */
const locationOf = ({ location }: { readonly location: string }): string =>
  Path.isAbsolute(location) ? pathToFileURL(location).href : location

/** The properties with the reason why a table is not served, and with its persistent streams. */
const propertiesOf = (
  { problem }: { readonly problem?: string | undefined },
  streams: ReadonlyArray<PersistentStreamRecord> = []
) => ({
  ...(problem === undefined ? {} : { [problemProperty]: problem }),
  ...(streams.length === 0 ? {} : { [streamsProperty]: JSON.stringify(streams.map(streamJson)) })
})

const streamJson = ({
  committed,
  createdAt,
  kind,
  retiredAt,
  streamId
}: PersistentStreamRecord) => ({
  stream_id: streamId,
  record_type: kind === "Json" ? "json" : "proto",
  created_at: createdAt,
  ...(committed < 0 ? {} : { last_committed_offset: committed }),
  ...(retiredAt === undefined ? {} : { retired_at: retiredAt })
})

const tableJson = (
  record: TableRecord,
  streams?: ReadonlyArray<PersistentStreamRecord>
): unknown => ({
  ...describeTable(record.definition),
  full_name: record.definition.name,
  storage_location: locationOf(record),
  owner: "local",
  properties: propertiesOf(record, streams),
  created_at: record.createdAt,
  created_by: "local",
  updated_at: record.createdAt,
  updated_by: "local",
  table_id: record.tableId
})

/** A table that is not served, with its columns if they can be read. */
const unservedJson = (table: UnservedTable): unknown => ({
  ...describeTable(table.definition ?? { name: table.name, columns: [] }),
  full_name: table.name,
  storage_location: locationOf(table),
  owner: "local",
  properties: propertiesOf(table),
  ...(table.tableId === undefined ? {} : { table_id: table.tableId })
})

const readFailure = (failure: StorageFailure): Effect.Effect<CatalogAnswer> =>
  Effect.succeed(catalogError(500, "INTERNAL_ERROR", failure.message))

/** A table whose state the user has to fix is not an error of the server. */
const storeFailure = (failure: StorageFailure): Effect.Effect<CatalogAnswer> =>
  failure.reason === "TableRefused" || failure.reason === "CorruptTable"
    ? Effect.succeed(catalogError(400, "INVALID_STATE", failure.message))
    : readFailure(failure)

const noTable = (name: string): CatalogAnswer =>
  catalogError(404, "TABLE_DOES_NOT_EXIST", `Table '${name.slice(0, 300)}' does not exist.`)

const unservedNamed = (store: TableStoreShape, name: string) =>
  Effect.map(store.unserved, (tables) =>
    tables.find((table) => table.name.toLowerCase() === name.toLowerCase())
  )

/** `GET /tables/{full_name}`. For a table that is not served, the properties contain the reason. */
export const getTable = (store: TableStoreShape, name: string): Effect.Effect<CatalogAnswer> =>
  Effect.flatMap(store.get(name), (served) => {
    if (Option.isSome(served)) {
      const { value } = served
      return Effect.map(store.streams(name), (streams) => ({
        status: 200,
        body: tableJson(value, streams)
      }))
    }
    return unservedNamed(store, name).pipe(
      Effect.map((found) =>
        found === undefined ? noTable(name) : { status: 200, body: unservedJson(found) }
      ),
      Effect.catch(readFailure)
    )
  })

/** `GET /tables?catalog_name=&schema_name=`, in pages of `max_results`. */
export const listTables = (
  store: TableStoreShape,
  query: URLSearchParams
): Effect.Effect<CatalogAnswer> => {
  const catalog = query.get("catalog_name")
  const schema = query.get("schema_name")
  if (catalog === null || schema === null) {
    const missing = catalog === null ? "catalog_name" : "schema_name"
    return Effect.succeed(
      catalogError(400, "INVALID_PARAMETER_VALUE", `The query parameter ${missing} is missing.`)
    )
  }
  const size = Math.min(Math.max(Number(query.get("max_results") ?? 0) || 50, 1), 50)
  const start = Math.max(0, Number(query.get("page_token") ?? 0) || 0)
  const prefix = `${catalog}.${schema}.`.toLowerCase()
  return Effect.all([store.list(catalog, schema), store.unserved]).pipe(
    Effect.map(([served, unserved]) => {
      const others = unserved.filter(({ name }) => name.toLowerCase().startsWith(prefix))
      const all = [...served.map((record) => tableJson(record)), ...others.map(unservedJson)]
      const next = all.length > start + size ? { next_page_token: String(start + size) } : {}
      return { status: 200, body: { tables: all.slice(start, start + size), ...next } }
    }),
    Effect.catch(readFailure)
  )
}

/**
 * `DELETE /tables/{full_name}`. A table that is not served is dropped too, unless its log holds
 * acknowledged records that it lacks. A log without a table stays; the response tells how to export
 * its records.
 */
export const deleteTable = (store: TableStoreShape, name: string): Effect.Effect<CatalogAnswer> =>
  store.drop(name).pipe(
    Effect.flatMap((dropped) =>
      dropped
        ? Effect.succeed({ status: 200, body: {} })
        : Effect.map(unservedNamed(store, name), (found) =>
            found === undefined ? noTable(name) : catalogError(400, "INVALID_STATE", found.problem)
          )
    ),
    Effect.catch(storeFailure)
  )

/**
 * `POST /tables`. Column types are read from `type_json`, or from `type_text` if that is missing.
 * An external table already exists at its `storage_location` inside the data folder.
 */
export const createTable = (
  store: TableStoreShape,
  body: unknown
): Effect.Effect<CatalogAnswer> => {
  if (isObject(body) && body["table_type"] === "EXTERNAL") {
    const location = String(body["storage_location"] ?? "")
    const path = location.startsWith("file://") ? pathOf(location) : undefined
    if (path === undefined) {
      const message =
        "An external table needs the storage_location file:///... of a folder below the data " +
        "folder."
      return Effect.succeed(catalogError(400, "INVALID_PARAMETER_VALUE", message))
    }
    return answered(store.register(path))
  }
  const definition = readDefinition(body)
  if (Result.isFailure(definition)) {
    return Effect.succeed(catalogError(400, "INVALID_PARAMETER_VALUE", definition.failure))
  }
  return answered(store.create(definition.success))
}

/**
 * `PATCH /tables/{full_name}` with the complete new list of columns. Columns that the table lacks
 * are added at its end, and fields at the end of its STRUCTs. Existing columns must be listed
 * unchanged.
 */
export const alterTable = (
  store: TableStoreShape,
  name: string,
  body: unknown
): Effect.Effect<CatalogAnswer> =>
  Effect.flatMap(store.get(name), (found) => {
    const listed = isObject(body)
      ? readColumns(body["columns"])
      : Result.fail("The body must be a JSON object.")
    const refuse = (message: string) =>
      Effect.succeed(catalogError(400, "INVALID_PARAMETER_VALUE", message))
    if (Result.isFailure(listed)) return refuse(listed.failure)
    if (Option.isNone(found)) return getTable(store, name)
    const { definition } = found.value
    const asked = listed.success.map(({ column }) => column)
    const additions = additionsOf(definition.columns, asked)
    if (Result.isFailure(additions)) return refuse(additions.failure)
    if (additions.success.length === 0) return getTable(store, name)
    return answered(store.addColumns(definition.name, additions.success))
  })

/** The resulting table, or the error in the form of the service. */
const answered = (
  work: Effect.Effect<
    TableRecord,
    TableExists | TableNotFound | UnsupportedColumn | InvalidDefinition | StorageFailure
  >
): Effect.Effect<CatalogAnswer> =>
  work.pipe(
    Effect.map((record) => ({ status: 200, body: tableJson(record) })),
    Effect.catchTags({
      TableExists: ({ message, problem }) =>
        Effect.succeed(
          problem === undefined
            ? catalogError(409, "TABLE_ALREADY_EXISTS", message)
            : catalogError(400, "INVALID_STATE", message)
        ),
      TableNotFound: (error) =>
        Effect.succeed(catalogError(404, "TABLE_DOES_NOT_EXIST", error.message)),
      UnsupportedColumn: (error) =>
        Effect.succeed(catalogError(400, "INVALID_PARAMETER_VALUE", error.message)),
      InvalidDefinition: (error) =>
        Effect.succeed(catalogError(400, "INVALID_PARAMETER_VALUE", error.message)),
      StorageFailure: storeFailure
    })
  )

/** The path of a `file://` URL; undefined for a URL with a host or without a valid path. */
const pathOf = (url: string): string | undefined => {
  try {
    return fileURLToPath(url)
  } catch {
    return undefined
  }
}

const readDefinition = (body: unknown): Result.Result<TableDefinition, string> => {
  if (!isObject(body)) return Result.fail("The body must be a JSON object.")
  const parts: Array<string> = []
  for (const field of ["catalog_name", "schema_name", "name"]) {
    const value = body[field]
    if (typeof value !== "string" || value === "")
      return Result.fail(`The field ${field} is missing.`)
    parts.push(value)
  }
  const listed = readColumns(body["columns"])
  if (Result.isFailure(listed)) return Result.fail(listed.failure)
  const columns = [...listed.success]
  columns.sort((one, other) => one.position - other.position)
  const partitions = columns
    .filter(({ partition }) => partition >= 0)
    .sort((a, b) => a.partition - b.partition)
  return Result.succeed({
    name: parts.join("."),
    columns: columns.map(({ column }) => column),
    ...(partitions.length > 0
      ? { partitionColumns: partitions.map(({ column }) => column.name) }
      : {}),
    ...(typeof body["comment"] === "string" ? { comment: body["comment"] } : {})
  })
}

/**
 * A column of a request, with its position and its index among the partition columns; -1 for other
 * columns.
 */
interface ListedColumn {
  readonly column: ColumnDefinition
  readonly position: number
  readonly partition: number
}

const readColumns = (listed: unknown): Result.Result<ReadonlyArray<ListedColumn>, string> => {
  if (!Array.isArray(listed) || listed.length === 0)
    return Result.fail("The field columns must list at least one column.")
  if (listed.length > 2000) return Result.fail("A table has at most 2,000 columns.")
  const columns: Array<ListedColumn> = []
  for (const [index, entry] of listed.entries()) {
    if (!isObject(entry) || typeof entry["name"] !== "string")
      return Result.fail(`Column ${index} has no name.`)
    const type = readType(entry)
    if (Result.isFailure(type))
      return Result.fail(`Column ${entry["name"].slice(0, 128)}: ${type.failure}`)
    columns.push({
      column: {
        name: entry["name"],
        type: type.success,
        nullable: entry["nullable"] !== false,
        ...(typeof entry["comment"] === "string" ? { comment: entry["comment"] } : {}),
        ...(hasRescueTag(entry) ? { rescue: true } : {})
      },
      position: typeof entry["position"] === "number" ? entry["position"] : index,
      partition: typeof entry["partition_index"] === "number" ? entry["partition_index"] : -1
    })
  }
  return Result.succeed(columns)
}

const readType = (entry: Record<string, unknown>) => {
  const json = entry["type_json"]
  const text = entry["type_text"]
  if (typeof json === "string" && json !== "") {
    try {
      return fromTypeJson(JSON.parse(json))
    } catch {
      // Some clients send the plain name of a type, without the quotes that JSON requires.
      return fromTypeJson(json)
    }
  }
  return typeof text === "string"
    ? parseColumnType(text)
    : Result.fail("it has neither type_json nor type_text.")
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
