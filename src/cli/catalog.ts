/**
 * The catalog that the environment names, as the commands use it: read, list, create and drop tables over the Unity Catalog's REST API.
 *
 * Tokens come from `Credentials`. Every failure is a sentence for the user; none carries a header or a token.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { catalogToken } from "../Credentials.ts"
import type { TableDefinition } from "../internal/columns/columnType.ts"
import { toTypeJson, typeName, typeText } from "../internal/columns/columnType.ts"
import { isObject } from "../internal/columns/columnRules.ts"
import { checkTableName } from "../internal/columns/tableName.ts"
import { readCatalogTable } from "../internal/columns/tableDescription.ts"
import { because, type CommandFailed, failed } from "./CommandFailed.ts"

/** A table as the catalog tells it. */
export interface CatalogTable {
  readonly definition: TableDefinition
  /** Where its files are; empty when the catalog does not say. */
  readonly location: string
}

/** The catalog. */
export interface Catalog {
  readonly get: (name: string) => Effect.Effect<CatalogTable, CommandFailed>
  readonly list: (catalog: string, schema: string) => Effect.Effect<ReadonlyArray<CatalogTable>, CommandFailed>
  /** Creates a table, and says whether it did: an equal one that exists is kept. */
  readonly create: (definition: TableDefinition) => Effect.Effect<boolean, CommandFailed>
  readonly drop: (name: string) => Effect.Effect<void, CommandFailed>
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

const path = "/api/2.1/unity-catalog/tables"
const limit = "30 seconds"

const settings = Config.all({
  workspaceUrl: Config.NonEmptyString("DATABRICKS_WORKSPACE_URL"),
  clientId: Config.NonEmptyString("DATABRICKS_CLIENT_ID"),
  clientSecret: Config.Redacted("DATABRICKS_CLIENT_SECRET")
})

/** What to do when the environment lacks a setting, or has one that cannot be read. The value is not repeated. */
export const missingSetting = (error: { readonly message: string }): CommandFailed => {
  // The error names the place as `at ["ZEROBUS"]["FLUSH_TIMEOUT"]`.
  const names = [...error.message.matchAll(/\bat ((?:\["[A-Z][A-Z0-9_]*"\])+)/g)].map(([, path = ""]) =>
    path.slice(2, -2).replaceAll('"]["', "_")
  )
  return failed(
    `${names.length === 0 ? "A setting" : [...new Set(names)].join(", ")} is not set, or its value cannot be used. The environment needs ` +
      "ZEROBUS_SERVER_ENDPOINT, DATABRICKS_WORKSPACE_URL, DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET; " +
      "`zerobus local` prints them for a local server."
  )
}

/** Whether two tables have the same columns and partitions. */
export const sameColumns = (one: TableDefinition, other: TableDefinition): boolean => {
  const text = (definition: TableDefinition) =>
    JSON.stringify([definition.columns.map(toTypeJson), definition.partitionColumns ?? []])
  return text(one) === text(other)
}

/** The catalog of `DATABRICKS_WORKSPACE_URL`. The token is fetched with the first call and kept for the others. */
export const catalog: Effect.Effect<Catalog, CommandFailed> = Effect.gen(function* () {
  const { clientId, clientSecret, workspaceUrl } = yield* settings.pipe(Effect.mapError(missingSetting))
  const client = yield* HttpClient.HttpClient
  const token = yield* Effect.cached(
    catalogToken({ serverEndpoint: workspaceUrl, workspaceUrl, clientId, clientSecret }).pipe(Effect.mapError(because))
  )
  const origin = workspaceUrl.trim().replace(/\/+$/, "")

  const send = Effect.fnUntraced(function* (
    request: HttpClientRequest.HttpClientRequest
  ): Effect.fn.Return<Answer, CommandFailed> {
    const bearer = Redacted.value(yield* token)
    return yield* client.execute(HttpClientRequest.bearerToken(request, bearer)).pipe(
      Effect.flatMap((response) =>
        Effect.map(response.text, (text) => ({ status: response.status, body: readJson(text) }))
      ),
      Effect.timeout(limit),
      // The client's own errors hold the request with its headers: only their kind is told.
      Effect.mapError((error) =>
        failed(
          `The catalog at ${origin} cannot be reached (${error._tag}). Check DATABRICKS_WORKSPACE_URL and the network.`
        )
      )
    )
  })

  const table = (answer: Answer, what: string): Effect.Effect<CatalogTable, CommandFailed> =>
    answer.status === 200 ? Effect.fromResult(readTable(answer.body)) : Effect.fail(refusal(answer, what))

  const place = (name: string) => `${origin}${path}/${encodeURIComponent(name)}`

  const get = Effect.fnUntraced(function* (name: string): Effect.fn.Return<CatalogTable, CommandFailed> {
    yield* Effect.mapError(checkTableName(name), because)
    const answer = yield* send(HttpClientRequest.get(place(name)))
    return answer.status === 404
      ? yield* failed(
          `The table ${name} does not exist in the catalog at ${origin}. Create it with: zerobus table create '${name}(...)'`
        )
      : yield* table(answer, `The table ${name} cannot be read`)
  })

  return {
    get,
    list: Effect.fnUntraced(function* (catalogName, schemaName) {
      const found: Array<CatalogTable> = []
      let page: string | undefined
      do {
        const query = {
          catalog_name: catalogName,
          schema_name: schemaName,
          ...(page === undefined ? {} : { page_token: page })
        }
        const answer = yield* send(
          HttpClientRequest.get(`${origin}${path}`).pipe(HttpClientRequest.setUrlParams(query))
        )
        if (answer.status !== 200 || !isObject(answer.body)) {
          return yield* refusal(answer, `The tables of ${catalogName}.${schemaName} cannot be listed`)
        }
        const tables = answer.body["tables"]
        for (const one of Array.isArray(tables) ? tables : []) found.push(yield* Effect.fromResult(readTable(one)))
        const next = answer.body["next_page_token"]
        page = typeof next === "string" && next !== "" && next !== page ? next : undefined
      } while (page !== undefined)
      return found
    }),
    create: Effect.fnUntraced(function* (definition) {
      const { name } = definition
      const answer = yield* send(
        HttpClientRequest.post(`${origin}${path}`).pipe(HttpClientRequest.bodyJsonUnsafe(tableBody(definition)))
      )
      if (answer.status === 409 || errorCode(answer).endsWith("ALREADY_EXISTS")) {
        const existing = yield* get(name)
        if (sameColumns(existing.definition, definition)) return false
        return yield* failed(
          `The table ${name} exists already with other columns. Choose another name, or drop that table and its data with: zerobus table drop ${name} --yes`
        )
      }
      yield* table(answer, `The table ${name} cannot be created`)
      return true
    }),
    drop: Effect.fnUntraced(function* (name) {
      yield* Effect.mapError(checkTableName(name), because)
      const answer = yield* send(HttpClientRequest.delete(place(name)))
      if (answer.status === 404) return yield* failed(`The table ${name} does not exist in the catalog at ${origin}.`)
      if (answer.status !== 200) return yield* refusal(answer, `The table ${name} cannot be dropped`)
    })
  } satisfies Catalog
}).pipe(Effect.provide(FetchHttpClient.layer))

const readJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const errorCode = ({ body }: Answer): string => (isObject(body) ? text(body["error_code"]) : "")

/** A refusal in the catalog's words, cut short. */
const refusal = ({ body, status }: Answer, what: string): CommandFailed => {
  const said = isObject(body) && typeof body["message"] === "string" ? body["message"].slice(0, 500) : "no reason given"
  return failed(`${what}: ${said} (HTTP ${status})`)
}

const text = (value: unknown): string => (typeof value === "string" ? value : "")

const readTable = (body: unknown): Result.Result<CatalogTable, CommandFailed> => {
  if (!isObject(body)) return Result.fail(failed("The catalog's answer holds no table."))
  const name = [body["catalog_name"], body["schema_name"], body["name"]].map(text).join(".")
  return Result.mapBoth(readCatalogTable(name, body), {
    onFailure: (problem) => failed(`The table ${name} cannot be used here: ${problem}`),
    onSuccess: ({ definition }) => ({ definition, location: text(body["storage_location"]) })
  })
}

const tableBody = (definition: TableDefinition): unknown => {
  const [catalogName, schemaName, name] = definition.name.split(".")
  const partitions = definition.partitionColumns ?? []
  return {
    name,
    catalog_name: catalogName,
    schema_name: schemaName,
    table_type: "MANAGED",
    data_source_format: "DELTA",
    columns: definition.columns.map((column, position) => ({
      name: column.name,
      type_text: typeText(column.type),
      type_name: typeName(column.type),
      type_json: JSON.stringify(toTypeJson(column)),
      position,
      nullable: column.nullable,
      ...(column.type._tag === "Decimal"
        ? { type_precision: column.type.precision, type_scale: column.type.scale }
        : {}),
      ...(column.comment === undefined ? {} : { comment: column.comment }),
      ...(partitions.includes(column.name) ? { partition_index: partitions.indexOf(column.name) } : {})
    })),
    ...(definition.comment === undefined ? {} : { comment: definition.comment })
  }
}
