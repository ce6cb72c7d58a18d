/**
 * Client of the workspace's Unity Catalog: reads, lists, creates, alters and drops tables.
 *
 * `Table.fromCatalog` creates a table from the catalog's definition, and `Table.check` compares a
 * table with it. Requests use the client's TLS and proxy settings and a separate token with plain
 * scope. Each request ends within 30 seconds, follows no redirect and reads at most 8 MiB, or 32
 * MiB for a page of a list.
 */
import * as Cache from "effect/Cache"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { catalogToken } from "./Credentials.ts"
import {
  type ColumnDefinition,
  definitionProblem,
  type TableDefinition
} from "./internal/columns/columnType.ts"
import { additionProblem, hasColumn, withColumns } from "./internal/columns/columnAddition.ts"
import type { CatalogTable, TableSummary } from "./internal/columns/tableDescription.ts"
import {
  describeTable,
  problemOf,
  readCatalogTable,
  readTablePage
} from "./internal/columns/tableDescription.ts"
import { checkTableName } from "./internal/columns/tableName.ts"
import {
  alreadyExists,
  catalogFailure,
  type CatalogRequest,
  sendToCatalog
} from "./internal/net/catalogRequest.ts"
import { workspaceRoute } from "./internal/net/workspace.ts"
import {
  checkOptions,
  count,
  fields,
  type OptionRules,
  period,
  required
} from "./internal/optionRules.ts"
import type { StreamFailure } from "./ZerobusError.ts"
import { InvalidArgument, InvalidEndpoint, InvalidTable } from "./ZerobusError.ts"
import {
  principalConfig,
  principalProblem,
  type ZerobusOptions,
  zerobusRules
} from "./ZerobusOptions.ts"

export type {
  CatalogStream,
  CatalogTable,
  TableSummary
} from "./internal/columns/tableDescription.ts"

/**
 * The settings of the catalog client, a subset of the client's.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface UnityCatalogOptions<out R = never> extends Pick<
  ZerobusOptions<R>,
  "clientId" | "clientSecret" | "credentials" | "tls" | "proxy"
> {
  /**
   * The workspace URL with the catalog and the token endpoint. Plain `http://` for loopback only.
   */
  readonly workspaceUrl: string
  /**
   * Caches at most `capacity` tables (default 100) for `timeToLive` each; failures are not cached.
   * Default off: every call sends a request.
   */
  readonly cache?:
    | {
        /** How long an answer is cached. Milliseconds or a duration. */
        readonly timeToLive: Duration.Input
        /** Most cached tables. Default 100. */
        readonly capacity?: number | undefined
      }
    | undefined
}

/**
 * The methods of the {@link UnityCatalog} service. Every operation can fail with `InvalidToken` or
 * `PermissionDenied` for the credentials, `InvalidEndpoint` for a URL that is not a workspace's,
 * `TlsFailure`, and `Retryable` (`CatalogUnavailable`, `TokenServiceUnavailable`) when a retry can
 * help.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnityCatalogShape {
  /**
   * Reads a table. With `fresh` it bypasses the cache and updates it. Fails with `InvalidTable` for
   * a malformed name, an unknown table, or unsupported columns.
   *
   * @example
   * const { definition } = yield* catalog.getTable("main.default.air_quality")
   */
  readonly getTable: (
    tableName: string,
    options?: { readonly fresh?: boolean | undefined }
  ) => Effect.Effect<CatalogTable, StreamFailure>
  /**
   * Lists the tables of a schema (`catalog.schema`), in pages of 50. Fails with `InvalidArgument`
   * for a malformed or unknown schema, and with `InvalidEndpoint` after 500 pages or 100,000
   * tables, more than any schema has.
   *
   * @example
   * const tables = yield* Stream.runCollect(catalog.listTables("main.default"))
   */
  readonly listTables: (schemaName: string) => Stream.Stream<TableSummary, StreamFailure>
  /**
   * Creates a managed Delta table. Returns false and changes nothing when a table with that name
   * exists, whatever its columns. Fails with `InvalidArgument` for an invalid definition, and with
   * `InvalidTable` for a malformed name or an unknown catalog or schema.
   *
   * @example
   * const Events = Table.make("main.default.events", { id: Column.BigInt })
   * const created = yield* catalog.createTable(Events.definition)
   */
  readonly createTable: (definition: TableDefinition) => Effect.Effect<boolean, StreamFailure>
  /**
   * Adds nullable columns at the end of a table of the local server; open streams continue. A name
   * may be the path of a field in a STRUCT: `a.b`, `a.element.b` in an ARRAY, `a.value.b` in a MAP.
   * Fails with `InvalidArgument` for columns that cannot be added, and when the catalog does not
   * support adding columns: a Databricks workspace supports `ALTER TABLE ... ADD COLUMN` only in
   * SQL.
   *
   * @example
   * yield* catalog.addColumns("main.default.t", [
   *   { name: "note", type: { _tag: "String" }, nullable: true }
   * ])
   */
  readonly addColumns: (
    tableName: string,
    columns: ReadonlyArray<ColumnDefinition>
  ) => Effect.Effect<void, StreamFailure>
  /**
   * Registers an existing Delta table at `location` that another program wrote, and returns it. The
   * local server accepts the `file://` URL of a folder `<catalog>/<schema>/<table>` below its data
   * folder. In a workspace, use CREATE TABLE in SQL. Fails with `InvalidArgument` and the reason
   * for a table that cannot be served.
   *
   * @example
   * yield* catalog.registerTable("main.default.t", "file:///data/main/default/t")
   */
  readonly registerTable: (
    tableName: string,
    location: string
  ) => Effect.Effect<CatalogTable, StreamFailure>
  /**
   * Drops a table with all its data. Fails with `InvalidTable` for a malformed name or an unknown
   * table.
   *
   * @example
   * yield* catalog.dropTable("main.default.t")
   */
  readonly dropTable: (tableName: string) => Effect.Effect<void, StreamFailure>
}

/** Validation rules for the settings of the catalog client. */
export const catalogRules: OptionRules<UnityCatalogOptions> = {
  workspaceUrl: required(zerobusRules.workspaceUrl),
  clientId: zerobusRules.clientId,
  clientSecret: zerobusRules.clientSecret,
  credentials: zerobusRules.credentials,
  tls: zerobusRules.tls,
  proxy: zerobusRules.proxy,
  cache: fields<NonNullable<UnityCatalogOptions["cache"]>>({
    timeToLive: required(period),
    capacity: count()
  })
}

/** Tables per page of a list: the service's maximum. */
const pageSize = 50
/** Most bytes of a page. Larger than for one table, because each of the 50 can be wide. */
const pageLimit = 32 * 1024 * 1024
const mostPages = 500
const mostTables = 100_000

/**
 * Reads only the workspace settings: `DATABRICKS_WORKSPACE_URL`, `DATABRICKS_CLIENT_ID` and
 * `DATABRICKS_CLIENT_SECRET`, or the token of another identity provider, like `zerobusConfig`.
 *
 * @since 0.1.0
 * @category configuration
 */
export const unityCatalogConfig: Config.Config<UnityCatalogOptions> = Config.flatMap(
  principalConfig,
  (principal) =>
    Config.all({
      workspaceUrl: Config.NonEmptyString("DATABRICKS_WORKSPACE_URL"),
      ...(principal.credentials === undefined
        ? {
            clientId: Config.NonEmptyString("DATABRICKS_CLIENT_ID"),
            clientSecret: Config.Redacted("DATABRICKS_CLIENT_SECRET")
          }
        : { credentials: Config.succeed(principal.credentials) })
    })
)

const reading = "USE CATALOG, USE SCHEMA and SELECT"

const tableRequest = (
  method: "GET" | "PATCH" | "DELETE",
  tableName: string,
  privileges: string,
  body?: unknown
): CatalogRequest => ({
  method,
  path: `/${encodeURIComponent(tableName)}`,
  body,
  about: tableName,
  privileges,
  invalid: (message, isMissing) => new InvalidTable({ message, tableName, isMissing })
})

const make = <R>(
  options: UnityCatalogOptions<R>
): Effect.Effect<UnityCatalogShape, InvalidEndpoint | InvalidArgument, R> =>
  Effect.gen(function* () {
    const refused = checkOptions(catalogRules, options) ?? principalProblem(options)
    if (refused !== undefined) return yield* refused
    const { cache, ...settings } = options
    const route = yield* workspaceRoute(options.workspaceUrl, options)
    const { origin } = route.endpoint
    const services = yield* Effect.context<R>()
    const token = Effect.provideContext(catalogToken({ serverEndpoint: "", ...settings }), services)

    const send = (
      request: CatalogRequest,
      once: typeof token = token
    ): Effect.Effect<unknown, StreamFailure> =>
      Effect.flatMap(once, (bearer) => sendToCatalog(route, bearer, request)).pipe(
        Effect.catchTag("WorkspaceFailure", (failure) =>
          Effect.fail(catalogFailure(request)(failure))
        )
      )

    const fetch = Effect.fn("UnityCatalog.getTable")(function* (
      tableName: string
    ): Effect.fn.Return<CatalogTable, StreamFailure> {
      yield* Effect.annotateCurrentSpan("table", tableName)
      const body = yield* send(tableRequest("GET", tableName, reading))
      return yield* Effect.fromResult(
        Result.mapError(readCatalogTable(tableName, body), (why) => {
          // A local server's message for a table that it does not serve already names the table.
          const message =
            why === problemOf(body) ? why : `The table ${tableName} cannot be used: ${why}`
          return new InvalidTable({ message, tableName })
        })
      )
    })
    const kept =
      cache === undefined
        ? undefined
        : yield* Cache.makeWith(fetch, {
            capacity: cache.capacity ?? 100,
            timeToLive: (exit) => (Exit.isSuccess(exit) ? cache.timeToLive : 0)
          })
    const changed = (tableName: string) =>
      kept === undefined ? Effect.void : Cache.invalidate(kept, tableName)

    const page = Effect.fn("UnityCatalog.listTables")(function* (
      schemaName: string,
      place: Place,
      once: typeof token
    ) {
      const [catalog = "", schema = ""] = schemaName.split(".")
      const query = new URLSearchParams({
        catalog_name: catalog,
        schema_name: schema,
        max_results: String(pageSize),
        ...(place.next === undefined ? {} : { page_token: place.next })
      })
      const request: CatalogRequest = {
        method: "GET",
        path: `?${query}`,
        about: schemaName,
        privileges: "USE CATALOG and USE SCHEMA",
        invalid: (message) => new InvalidArgument({ message, path: ["schemaName"] }),
        limit: pageLimit
      }
      const body = yield* send(request, once)
      const misread = (message: string) =>
        new InvalidEndpoint({ message: `${message} Check the workspace URL.` })
      const { next, tables } = yield* Effect.fromResult(
        Result.mapError(readTablePage(schemaName, body), misread)
      )
      const then: Place = { next, pages: place.pages + 1, tables: place.tables + tables.length }
      if (then.tables > mostTables || (next !== undefined && then.pages === mostPages)) {
        return yield* misread(
          `The catalog at ${origin} lists ${schemaName} in more than ${mostPages} pages or ` +
            `${mostTables} tables.`
        )
      }
      return [tables, next === undefined ? Option.none() : Option.some(then)] as const
    })

    return {
      getTable: (name, { fresh = false } = {}) => {
        const tableName = name.trim()
        const read = kept === undefined ? fetch(tableName) : Cache.get(kept, tableName)
        return Effect.andThen(
          checkTableName(tableName),
          fresh ? Effect.andThen(changed(tableName), read) : read
        )
      },
      listTables: (name) => {
        const schemaName = name.trim()
        if (!schemaRule.test(schemaName)) {
          const message =
            `${JSON.stringify(name.slice(0, 200))} is not catalog.schema, such as ` +
            `main.default.`
          return Stream.fail(new InvalidArgument({ message, path: ["schemaName"] }))
        }
        const start: Place = { next: undefined, pages: 0, tables: 0 }
        // All pages use one token.
        return Stream.unwrap(
          Effect.map(Effect.cached(token), (once) =>
            Stream.paginate(start, (place) => page(schemaName, place, once))
          )
        )
      },
      createTable: Effect.fn("UnityCatalog.createTable")(function* (definition) {
        const { name } = definition
        yield* checkTableName(name)
        const problem = definitionProblem(definition)
        if (problem !== undefined) return yield* new InvalidArgument({ message: problem, path: [] })
        const request: CatalogRequest = {
          method: "POST",
          path: "",
          body: describeTable(definition),
          about: name,
          privileges: "USE CATALOG, USE SCHEMA and CREATE TABLE",
          invalid: (message) => new InvalidTable({ message, tableName: name })
        }
        return yield* sendToCatalog(route, yield* token, request).pipe(
          Effect.as(true),
          Effect.catchTag("WorkspaceFailure", (failure) =>
            alreadyExists(failure)
              ? Effect.succeed(false)
              : Effect.fail(catalogFailure(request)(failure))
          ),
          Effect.ensuring(changed(name))
        )
      }),
      addColumns: Effect.fn("UnityCatalog.addColumns")(function* (name, columns) {
        const tableName = name.trim()
        yield* checkTableName(tableName)
        const { definition } = yield* fetch(tableName)
        const problem = additionProblem(definition, columns)
        if (problem !== undefined)
          return yield* new InvalidArgument({ message: problem, path: ["columns"] })
        const wanted = describeTable(withColumns(definition, columns)).columns
        const body = { columns: wanted.map((column, position) => ({ ...column, position })) }
        const answer = yield* Effect.ensuring(
          send(tableRequest("PATCH", tableName, `${reading} and MODIFY`, body)),
          changed(tableName)
        )
        const now = Result.getOrUndefined(readCatalogTable(tableName, answer))
        if (!columns.every(({ name }) => hasColumn(now?.definition.columns ?? [], name))) {
          const message =
            `The catalog at ${origin} added no columns to ${tableName}. Use ALTER ` +
            `TABLE ... ADD COLUMN in SQL.`
          return yield* new InvalidArgument({ message, path: [] })
        }
      }),
      registerTable: Effect.fn("UnityCatalog.registerTable")(function* (name, location) {
        const tableName = name.trim()
        yield* checkTableName(tableName)
        const { columns: _, ...described } = describeTable({ name: tableName, columns: [] })
        const answer = yield* Effect.ensuring(
          send({
            method: "POST",
            path: "",
            body: { ...described, table_type: "EXTERNAL", storage_location: location },
            about: tableName,
            privileges: "USE CATALOG, USE SCHEMA and CREATE TABLE",
            invalid: (message) => new InvalidTable({ message, tableName })
          }),
          changed(tableName)
        )
        return yield* Effect.fromResult(
          Result.mapError(
            readCatalogTable(tableName, answer),
            (message) => new InvalidTable({ message, tableName })
          )
        )
      }),
      dropTable: Effect.fn("UnityCatalog.dropTable")(function* (name) {
        const tableName = name.trim()
        yield* checkTableName(tableName)
        yield* Effect.ensuring(
          send(tableRequest("DELETE", tableName, "MANAGE, or ownership of the table,")),
          changed(tableName)
        )
      })
    }
  })

/** The position in a list. */
interface Place {
  readonly next: string | undefined
  readonly pages: number
  readonly tables: number
}

const schemaRule = /^[A-Za-z0-9_]{1,255}\.[A-Za-z0-9_]{1,255}$/

/**
 * The catalog of a workspace.
 *
 * @since 0.1.0
 * @category services
 */
export class UnityCatalog extends Context.Service<UnityCatalog, UnityCatalogShape>()(
  "effect-zerobus/UnityCatalog"
) {
  /**
   * The catalog client with explicit settings. Fails with `InvalidEndpoint`, or with
   * `InvalidArgument` that names the setting.
   */
  static readonly layer = <R = never>(
    options: UnityCatalogOptions<R>
  ): Layer.Layer<UnityCatalog, InvalidEndpoint | InvalidArgument, Exclude<R, Scope.Scope>> =>
    Layer.effect(UnityCatalog, make(options))

  /** The catalog client with settings from `Config`. */
  static readonly layerConfig = <R = never>(
    config: Config.Wrap<UnityCatalogOptions<R>>
  ): Layer.Layer<
    UnityCatalog,
    Config.ConfigError | InvalidEndpoint | InvalidArgument,
    Exclude<R, Scope.Scope>
  > => Layer.unwrap(Effect.map(Config.unwrap(config), (options) => UnityCatalog.layer(options)))
}

/**
 * The catalog client with settings from the environment:
 * `UnityCatalog.layerConfig(unityCatalogConfig)`. {@link unityCatalogConfig} lists the variables.
 *
 * @since 0.1.0
 * @category layers
 */
export const UnityCatalogLayer: Layer.Layer<
  UnityCatalog,
  Config.ConfigError | InvalidEndpoint | InvalidArgument
> = UnityCatalog.layerConfig(unityCatalogConfig)
