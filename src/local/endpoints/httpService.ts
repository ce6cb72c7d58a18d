/**
 * The HTTP endpoint of the local server: OAuth tokens, the Unity Catalog tables API, REST ingest,
 * health and counters, as one `effect/http` handler.
 *
 * It limits the size of bodies and checks tokens; `requestAccess.ts` refuses browser pages of other
 * origins. `testing/ZerobusLocal.ts` opens the HTTP server.
 */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import {
  alterTable,
  type CatalogAnswer,
  catalogError,
  createTable,
  deleteTable,
  getTable,
  listTables
} from "./catalogApi.ts"
import type { ServerEvent, Tell } from "../activity/serverEvent.ts"
import type { ConsoleRoutes } from "../console/consoleRoutes.ts"
import type { HttpScript } from "../faults/httpScript.ts"
import { insertRecords } from "./restIngest.ts"
import { refuseAccess, refuseBody, type ServedHosts } from "./requestAccess.ts"
import { refuseIngest } from "../auth/ingestTokens.ts"
import { tableNameProblem } from "../../internal/columns/columnNames.ts"
import type { Principals, Privilege } from "../auth/principals.ts"
import type { SubjectTokens } from "../auth/subjectTokens.ts"
import { printable } from "../stream/serverStatus.ts"
import type { TableStoreShape } from "../store/tableStore.ts"
import type { Timers } from "../timers.ts"
import { answerTokenRequest, type TokenAnswer } from "../auth/tokenEndpoint.ts"
import type { TokenMint } from "../auth/tokens.ts"

/** Options of the HTTP endpoint. */
export interface HttpServiceOptions {
  readonly store: TableStoreShape
  readonly timers: Timers
  /** Signs tokens even when they are not checked, so that clients can always fetch one. */
  readonly mint: TokenMint
  readonly principals: Principals
  /** Reads the JWTs that are exchanged for tokens. */
  readonly subjects: SubjectTokens
  readonly tokenLifeMillis: number
  /** False accepts every request. */
  readonly auth: boolean
  /** Live counters as Prometheus text. */
  readonly metrics: () => string
  /** Faults that tests inject. */
  readonly script: HttpScript
  /** Called for each token request. */
  readonly tell: Tell
  /** Called for records stored through REST. */
  readonly onStored: (tableName: string, records: number, bytes: number) => void
  /** The routes of the console. */
  readonly console: ConsoleRoutes | undefined
  readonly hosts: ServedHosts
}

const maxBodyBytes = 1024 * 1024
const maxInsertBytes = 10 * 1024 * 1024
const tables = "/api/2.1/unity-catalog/tables"
const reading: ReadonlyArray<Privilege> = ["USE CATALOG", "USE SCHEMA", "SELECT"]

/** The handler of all requests; it never fails. */
export const httpService = (
  options: HttpServiceOptions
): Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  HttpServerRequest.HttpServerRequest
> =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const refused = refuseAccess(request, options.hosts)
    if (refused !== undefined) return respond(refused)
    // Concatenated instead of resolved, because a path such as `//` would be parsed as a host.
    const url = new URL(`http://localhost${request.url.startsWith("/") ? "" : "/"}${request.url}`)
    if (url.pathname === "/metrics" && request.method === "GET") {
      return HttpServerResponse.text(options.metrics(), {
        contentType: "text/plain; version=0.0.4; charset=utf-8"
      })
    }
    const shown = options.console?.(request, url)
    if (shown !== undefined) return yield* shown
    const part =
      url.pathname === "/oidc/v1/token"
        ? "token"
        : url.pathname.startsWith(tables)
          ? "catalog"
          : undefined
    const fault = part === undefined ? undefined : options.script.next(part)
    switch (fault?._tag) {
      case "Answer": {
        const { body, headers, status } = fault
        return HttpServerResponse.text(body, {
          status,
          contentType: "application/json",
          ...(headers === undefined ? {} : { headers })
        })
      }
      case "Delay":
        yield* Effect.sleep(fault.millis)
        break
      case "Hang":
        return yield* Effect.never
    }
    const life = fault?._tag === "TokenLife" ? { tokenLifeMillis: fault.millis } : {}
    return respond(yield* route({ ...options, ...life }, request, url))
  }).pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(maxBodyBytes)),
    Effect.catchDefect((defect) =>
      Effect.logError("A request to the local server failed", defect).pipe(
        Effect.as(
          respond(
            catalogError(
              500,
              "INTERNAL_ERROR",
              "The server could not handle this request. See its log."
            )
          )
        )
      )
    )
  )

const respond = (answer: CatalogAnswer): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(answer.body, {
    status: answer.status,
    headers: { "cache-control": "no-store", "x-content-type-options": "nosniff" }
  })

const route = (
  options: HttpServiceOptions,
  request: HttpServerRequest.HttpServerRequest,
  url: URL
): Effect.Effect<CatalogAnswer> => {
  const { method } = request
  const path = url.pathname
  if (path === "/oidc/v1/token")
    return method === "POST" ? token(options, request) : wrongMethod("POST")
  if (path === "/health") {
    return method === "GET"
      ? Effect.succeed({ status: 200, body: { status: "ok" } })
      : wrongMethod("GET")
  }
  if (path === tables) {
    if (method === "GET")
      return guarded(options, request, undefined, () => listTables(options.store, url.searchParams))
    return method === "POST"
      ? guarded(options, request, undefined, () =>
          withBody(request, (body) => createTable(options.store, body))
        )
      : wrongMethod("GET, POST")
  }
  if (path.startsWith(`${tables}/`)) {
    const name = segment(path.slice(tables.length + 1))
    if (name === undefined)
      return Effect.succeed(
        catalogError(400, "INVALID_PARAMETER_VALUE", "The table name is malformed.")
      )
    if (method === "GET")
      return guarded(options, request, name, () => getTable(options.store, name))
    if (method === "PATCH") {
      return guarded(
        options,
        request,
        name,
        () => withBody(request, (body) => alterTable(options.store, name, body)),
        [...reading, "MODIFY"]
      )
    }
    return method === "DELETE"
      ? guarded(options, request, name, () => deleteTable(options.store, name))
      : wrongMethod("GET, PATCH, DELETE")
  }
  const inserted = /^\/zerobus\/v1\/tables\/([^/]+)\/insert$/.exec(path)?.[1]
  if (inserted !== undefined)
    return method === "POST" ? insert(options, request, inserted) : wrongMethod("POST")
  return Effect.succeed(catalogError(404, "ENDPOINT_NOT_FOUND", "This server has no such path."))
}

const wrongMethod = (allowed: string) =>
  Effect.succeed(catalogError(405, "METHOD_NOT_ALLOWED", `Use ${allowed} here.`))

const segment = (text: string): string | undefined => {
  try {
    const name = decodeURIComponent(text)
    return name.length > 1000 || name.includes("/") ? undefined : name
  } catch {
    return undefined
  }
}

const tooLarge = (limit: number) =>
  catalogError(
    413,
    "RESOURCE_EXHAUSTED",
    `The body cannot be read, or is larger than ${limit} bytes.`
  )

const token = (
  options: HttpServiceOptions,
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<CatalogAnswer> => {
  const refused = refuseBody(request.headers, "application/x-www-form-urlencoded")
  if (refused !== undefined) return Effect.succeed(refused)
  return request.text.pipe(
    Effect.map((body) => {
      const form = new URLSearchParams(body)
      const answer = answerTokenRequest(
        options,
        request.headers["authorization"],
        form,
        options.timers.now()
      )
      options.tell(tokenEvent(answer))
      return answer
    }),
    Effect.catch(() => Effect.succeed(tooLarge(maxBodyBytes)))
  )
}

const tokenEvent = ({ body, clientId, status, tableName }: TokenAnswer): ServerEvent => {
  const client = clientId === undefined ? undefined : printable(clientId)
  if (status === 200) return { _tag: "TokenMinted", clientId: client ?? "", tableName }
  const { error_description: reason } = body as { readonly error_description?: string }
  return { _tag: "TokenRefused", clientId: client, reason: reason ?? "" }
}

/** Runs `next` with the parsed JSON body. */
const withBody = (
  request: HttpServerRequest.HttpServerRequest,
  next: (body: unknown) => Effect.Effect<CatalogAnswer>
): Effect.Effect<CatalogAnswer> => {
  const refused = refuseBody(request.headers, "application/json")
  if (refused !== undefined) return Effect.succeed(refused)
  return request.text.pipe(
    Effect.matchEffect({
      onFailure: () => Effect.succeed(tooLarge(maxBodyBytes)),
      onSuccess: (body) => {
        let parsed: unknown
        try {
          parsed = JSON.parse(body)
        } catch {
          return Effect.succeed(catalogError(400, "MALFORMED_REQUEST", "The body is not JSON."))
        }
        return next(parsed)
      }
    })
  )
}

const insert = (
  options: HttpServiceOptions,
  request: HttpServerRequest.HttpServerRequest,
  encodedName: string
): Effect.Effect<CatalogAnswer> => {
  const name = segment(encodedName)
  const problem = name === undefined ? "The table name is malformed." : tableNameProblem(name)
  if (name === undefined || problem !== undefined) {
    return Effect.succeed(catalogError(400, "INVALID_PARAMETER_VALUE", problem ?? ""))
  }
  const refusal = options.auth
    ? refuseIngest(options, request.headers["authorization"], name, options.timers.now())
    : undefined
  if (refusal !== undefined) {
    const [status, code] =
      refusal._tag === "Unauthenticated"
        ? ([401, "UNAUTHENTICATED"] as const)
        : ([403, "PERMISSION_DENIED"] as const)
    return Effect.succeed(catalogError(status, code, `${refusal.message}.`))
  }
  const refused = refuseBody(request.headers, "application/json")
  if (refused !== undefined) return Effect.succeed(refused)
  return request.text.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(maxInsertBytes)),
    Effect.matchEffect({
      onFailure: () => Effect.succeed(tooLarge(maxInsertBytes)),
      onSuccess: (body) =>
        insertRecords(options.store, name, body, (records, bytes) =>
          options.onStored(name, records, bytes)
        )
    })
  )
}

/**
 * Runs `next` only for requests with a catalog token and, if a table is named, with privileges on
 * it.
 */
const guarded = (
  options: HttpServiceOptions,
  request: HttpServerRequest.HttpServerRequest,
  tableName: string | undefined,
  next: () => Effect.Effect<CatalogAnswer>,
  needed: ReadonlyArray<Privilege> = reading
): Effect.Effect<CatalogAnswer> => {
  if (!options.auth) return next()
  const bearer = /^Bearer (.+)$/i.exec(request.headers["authorization"] ?? "")?.[1]
  const refuse = (status: number, code: string, message: string) =>
    Effect.succeed(catalogError(status, code, message))
  if (bearer === undefined)
    return refuse(
      401,
      "UNAUTHENTICATED",
      "The header authorization is missing or is not a bearer token."
    )
  const claims = options.mint.read(bearer, options.timers.now())
  if (claims === "Expired")
    return refuse(401, "UNAUTHENTICATED", "The token has expired, fetch a new one.")
  if (claims === "Foreign")
    return refuse(401, "UNAUTHENTICATED", "The token was not issued by this server.")
  if (claims.table !== undefined) {
    return refuse(
      403,
      "PERMISSION_DENIED",
      "The token is valid for Zerobus writes only; request one with scope=all-apis alone."
    )
  }
  const missing =
    tableName === undefined ? [] : options.principals.missing(claims.clientId, tableName, needed)
  return missing.length > 0
    ? refuse(403, "PERMISSION_DENIED", `The principal lacks ${missing.join(", ")} for this table.`)
    : next()
}
