/**
 * Reads tables from the Unity Catalog of the workspace: columns, types, nullability, positions.
 *
 * `Table.fromCatalog` makes a table of the answer and `Table.check` compares one with it. Requests follow the client's TLS and proxy
 * settings, carry a token of their own with plain scope, end within 30 seconds, follow no redirect and read at most 8 MiB.
 */
import * as Cache from "effect/Cache"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { catalogToken } from "./Credentials.ts"
import type { CatalogTable } from "./internal/columns/tableDescription.ts"
import { readCatalogTable } from "./internal/columns/tableDescription.ts"
import type { Route } from "./internal/net/connector.ts"
import { parseEndpoint } from "./internal/net/endpoint.ts"
import type { HttpAnswer } from "./internal/net/httpRequest.ts"
import { httpRequest } from "./internal/net/httpRequest.ts"
import { checkOptions, count, fields, type OptionRules, period, required } from "./internal/optionRules.ts"
import { routeTo } from "./internal/net/route.ts"
import { scrub } from "./internal/net/scrub.ts"
import { checkTableName } from "./internal/columns/tableName.ts"
import type { StreamFailure } from "./ZerobusError.ts"
import {
  InvalidArgument,
  InvalidEndpoint,
  InvalidTable,
  InvalidToken,
  PermissionDenied,
  Retryable,
  RetryableReason,
  TlsFailure
} from "./ZerobusError.ts"
import { type ZerobusOptions, zerobusRules } from "./ZerobusOptions.ts"

export type { CatalogTable } from "./internal/columns/tableDescription.ts"

/** The settings of the catalog client, a part of the client's own. */
export interface UnityCatalogOptions extends Pick<ZerobusOptions, "clientId" | "clientSecret" | "tls" | "proxy"> {
  /** The workspace URL with the catalog and the token endpoint. Plain `http://` for loopback only. */
  readonly workspaceUrl: string
  /**
   * Keeps answers: at most `capacity` tables (default 100) for `timeToLive` each; failures are not kept. Default off: every call asks
   * the catalog.
   */
  readonly cache?: { readonly timeToLive: Duration.Input; readonly capacity?: number | undefined } | undefined
}

/** What the {@link UnityCatalog} service offers. */
export interface UnityCatalogShape {
  /**
   * Reads a table. Fails with `InvalidTable` for a malformed name, an unknown table or one whose columns cannot be used,
   * `InvalidToken` or `PermissionDenied` for the credentials, `Retryable` (`CatalogUnavailable`, `TokenServiceUnavailable`) when trying
   * again can help.
   */
  readonly getTable: (tableName: string) => Effect.Effect<CatalogTable, StreamFailure>
}

/** What each setting of the catalog client may be. */
export const catalogRules: OptionRules<UnityCatalogOptions> = {
  workspaceUrl: required(zerobusRules.workspaceUrl),
  clientId: zerobusRules.clientId,
  clientSecret: zerobusRules.clientSecret,
  tls: zerobusRules.tls,
  proxy: zerobusRules.proxy,
  cache: fields<NonNullable<UnityCatalogOptions["cache"]>>({ timeToLive: required(period), capacity: count() })
}

const bodyLimit = 8 * 1024 * 1024
const deadline = "30 seconds"

/** The workspace settings alone: `DATABRICKS_WORKSPACE_URL`, `DATABRICKS_CLIENT_ID`, `DATABRICKS_CLIENT_SECRET`. */
export const unityCatalogConfig: Config.Config<UnityCatalogOptions> = Config.all({
  workspaceUrl: Config.NonEmptyString("DATABRICKS_WORKSPACE_URL"),
  clientId: Config.NonEmptyString("DATABRICKS_CLIENT_ID"),
  clientSecret: Config.Redacted("DATABRICKS_CLIENT_SECRET")
})

const unavailable = (message: string): Retryable =>
  new Retryable({ reason: RetryableReason.CatalogUnavailable({ message }), attempts: 1 })

const failureOf = (
  tableName: string,
  origin: string,
  { body, status }: HttpAnswer,
  secrets: ReadonlyArray<string>
): StreamFailure => {
  const said = scrub(body, secrets)
  const answer = `The catalog at ${origin} answered ${status} for ${tableName}${said === "" ? "" : `: ${said}`}.`
  if (status === 408 || status === 429 || status >= 500) return unavailable(answer)
  if (status === 401) return new InvalidToken({ message: `${answer} Check the client id and the secret.` })
  if (status === 403)
    return new PermissionDenied({
      message: `${answer} Grant USE CATALOG, USE SCHEMA and SELECT to the service principal.`
    })
  if (status === 404) return new InvalidTable({ message: `${answer} Check the table's name.`, tableName })
  return status >= 300 && status < 400
    ? new InvalidEndpoint({
        message: `The catalog at ${origin} answered with a redirect (${status}), which is not followed. Check the workspace URL.`
      })
    : new InvalidArgument({ message: answer, path: [] })
}

const request = Effect.fn("UnityCatalog.getTable")(function* (
  options: UnityCatalogOptions,
  route: Route,
  tableName: string
): Effect.fn.Return<CatalogTable, StreamFailure> {
  yield* Effect.annotateCurrentSpan("table", tableName)
  const { origin } = route.endpoint
  const { cache: _, ...settings } = options
  const token = Redacted.value(yield* catalogToken({ serverEndpoint: "", ...settings }))
  const answer = yield* httpRequest({
    method: "GET",
    route,
    path: `/api/2.1/unity-catalog/tables/${encodeURIComponent(tableName)}`,
    headers: { authorization: `Bearer ${token}`, accept: "application/json" },
    limit: bodyLimit
  }).pipe(
    Effect.mapError((failure): StreamFailure =>
      failure.tls
        ? new TlsFailure({
            message: `The TLS handshake with ${origin} was refused: ${failure.message}.`,
            code: failure.code
          })
        : failure.code === "ANSWER_TOO_LARGE"
          ? new InvalidTable({
              message: `The catalog's description of ${tableName} is larger than ${bodyLimit} bytes.`,
              tableName
            })
          : unavailable(`The catalog at ${origin} could not be reached: ${failure.message}.`)
    )
  )
  if (answer.status !== 200) return yield* failureOf(tableName, origin, answer, [token])
  let body: unknown
  try {
    body = JSON.parse(answer.body)
  } catch {
    return yield* new InvalidEndpoint({ message: `The answer of ${origin} is not JSON. Check the workspace URL.` })
  }
  return yield* Effect.fromResult(
    Result.mapError(
      readCatalogTable(tableName, body),
      (message) => new InvalidTable({ message: `The table ${tableName} cannot be used: ${message}`, tableName })
    )
  )
})

const make = (options: UnityCatalogOptions): Effect.Effect<UnityCatalogShape, InvalidEndpoint | InvalidArgument> =>
  Effect.gen(function* () {
    const refused = checkOptions(catalogRules, options)
    if (refused !== undefined) return yield* refused
    const endpoint = yield* Effect.fromResult(parseEndpoint(options.workspaceUrl, "The workspace URL"))
    const route = yield* routeTo(endpoint, options, "http/1.1")
    const fetch = (tableName: string): Effect.Effect<CatalogTable, StreamFailure> =>
      Effect.timeoutOrElse(request(options, route, tableName), {
        duration: deadline,
        orElse: () => Effect.fail(unavailable(`The catalog at ${endpoint.origin} did not answer within ${deadline}.`))
      })
    const { cache } = options
    const kept =
      cache === undefined
        ? undefined
        : yield* Cache.makeWith(fetch, {
            capacity: cache.capacity ?? 100,
            timeToLive: (exit) => (Exit.isSuccess(exit) ? cache.timeToLive : 0)
          })
    return {
      getTable: (name) => {
        const tableName = name.trim()
        return Effect.andThen(
          checkTableName(tableName),
          kept === undefined ? fetch(tableName) : Cache.get(kept, tableName)
        )
      }
    }
  })

/** Reads tables from the catalog. */
export class UnityCatalog extends Context.Service<UnityCatalog, UnityCatalogShape>()("effect-zerobus/UnityCatalog") {
  /** The catalog client with explicit settings. Fails with `InvalidEndpoint` or `InvalidArgument` that names the setting. */
  static readonly layer = (
    options: UnityCatalogOptions
  ): Layer.Layer<UnityCatalog, InvalidEndpoint | InvalidArgument> => Layer.effect(UnityCatalog, make(options))

  /** The catalog client with settings that are read through `Config`. */
  static readonly layerConfig = (
    config: Config.Wrap<UnityCatalogOptions>
  ): Layer.Layer<UnityCatalog, Config.ConfigError | InvalidEndpoint | InvalidArgument> =>
    Layer.unwrap(Effect.map(Config.unwrap(config), UnityCatalog.layer))
}

/** The ready catalog client: reads {@link unityCatalogConfig}. */
export const UnityCatalogLayer: Layer.Layer<UnityCatalog, Config.ConfigError | InvalidEndpoint | InvalidArgument> =
  UnityCatalog.layerConfig(unityCatalogConfig)
