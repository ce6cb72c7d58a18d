/**
 * OAuth 2.0 client credentials against the workspace, as the headers of every connection.
 *
 * A token is narrowed to one table, kept until shortly before its end, and asked for once however many streams open together. The
 * Unity Catalog does not accept such a token; `catalogToken` gives one that it does.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { HeadersProvider } from "./HeadersProvider.ts"
import type { Route } from "./internal/net/connector.ts"
import { parseEndpoint, workspaceId } from "./internal/net/endpoint.ts"
import { Opening } from "./internal/userCode/opening.ts"
import { makeTokenCache, type Minted } from "./internal/net/tokenCache.ts"
import { type WorkspaceFailure, workspaceRequest, workspaceRoute } from "./internal/net/workspace.ts"
import { defaults } from "./StreamConfigurationOptions.ts"
import {
  type InvalidArgument,
  type InvalidEndpoint,
  InvalidToken,
  Retryable,
  RetryableReason,
  type StreamFailure
} from "./ZerobusError.ts"
import * as ZerobusMetrics from "./ZerobusMetrics.ts"
import { checkZerobusOptions, type ZerobusOptions } from "./ZerobusOptions.ts"

/** The most bytes of a token's answer. */
const TOKEN_LIMIT = 64 * 1024

interface Principal {
  readonly route: Route
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted<string>
}

/**
 * Headers from OAuth client credentials. Without `workspaceUrl`, `clientId` and `clientSecret` it still builds, and fails with
 * `InvalidToken` when a stream without a headers provider of its own opens. Fails with `InvalidEndpoint` for a malformed URL.
 */
export const layer = (
  options: ZerobusOptions<unknown>
): Layer.Layer<HeadersProvider, InvalidEndpoint | InvalidArgument> =>
  Layer.effect(
    HeadersProvider,
    Effect.gen(function* () {
      yield* checkZerobusOptions(options)
      const server = yield* Effect.fromResult(parseEndpoint(options.serverEndpoint, "The Zerobus endpoint"))
      const principal = yield* principalOf(options)
      if (principal === undefined) {
        return HeadersProvider.make({
          getHeaders: Effect.fail(
            new InvalidToken({
              message: `There are no credentials: ${missing(options)}, or give the stream a headersProvider.`
            })
          )
        })
      }
      const { origin } = principal.route.endpoint
      const cache = makeTokenCache({
        mint: (tableName) =>
          requestToken(principal, tableForm(workspaceId(server), tableName), tableName).pipe(
            Effect.onExit((exit) => countMints(tableName, exit._tag === "Success" ? "minted" : "failed", 1))
          ),
        enabled: options.tokenCache?.enabled ?? true,
        lead: Duration.toMillis(Duration.fromInputUnsafe(options.tokenCache?.refreshBuffer ?? "5 minutes")),
        renewalLimit: defaults.recoveryTimeout / 2
      })
      // A token of a closed layer has no business in memory any more.
      yield* Effect.addFinalizer(() => cache.close)
      const bearer = (token: Redacted.Redacted<string>) => `Bearer ${Redacted.value(token)}`
      return {
        getHeaders: (tableName) =>
          Effect.gen(function* () {
            const opening = yield* Opening
            if (opening !== undefined) opening.waitingFor = () => `the token endpoint at ${origin}`
            yield* countMints(tableName, "minted", 0)
            yield* countMints(tableName, "failed", 0)
            // Half of the attempt's time is left for the connection when a renewal hangs.
            const token = yield* cache.get(tableName, opening && opening.limit / 2)
            return { authorization: bearer(token) }
          }),
        invalidate: (tableName, rejected) =>
          cache.invalidate(tableName, (token) => bearer(token) === rejected["authorization"])
      }
    })
  )

/** Adds to the tokens that were asked for a table; 0 makes the counter exist. */
const countMints = (table: string, outcome: "minted" | "failed", tokens: number): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(ZerobusMetrics.tokenMints, { table, outcome }), tokens)

/** A token with plain scope, which the Unity Catalog's REST API accepts. Fails with `Retryable` after 30 seconds without an answer. */
export const catalogToken = (
  options: ZerobusOptions<unknown>
): Effect.Effect<Redacted.Redacted<string>, StreamFailure> =>
  Effect.gen(function* () {
    const principal = yield* principalOf(options)
    if (principal === undefined) {
      return yield* new InvalidToken({
        message: `Reading the catalog needs credentials: ${missing(options)}.`
      })
    }
    const form = new URLSearchParams({ grant_type: "client_credentials", scope: "all-apis" })
    return (yield* requestToken(principal, form)).token
  })

const principalOf = (
  options: ZerobusOptions<unknown>
): Effect.Effect<Principal | undefined, InvalidEndpoint | InvalidArgument> =>
  Effect.gen(function* () {
    const { clientId, clientSecret, workspaceUrl } = options
    if (workspaceUrl === undefined) return undefined
    const route = yield* workspaceRoute(workspaceUrl, options)
    return clientId === undefined || clientSecret === undefined ? undefined : { route, clientId, clientSecret }
  })

const variables = {
  workspaceUrl: "DATABRICKS_WORKSPACE_URL",
  clientId: "DATABRICKS_CLIENT_ID",
  clientSecret: "DATABRICKS_CLIENT_SECRET"
} as const

/** What of the credentials is not set, as a request to set it. */
const missing = (options: ZerobusOptions<unknown>): string => {
  const names = (["workspaceUrl", "clientId", "clientSecret"] as const)
    .filter((option) => options[option] === undefined)
    .map((option) => `${variables[option]} (${option})`)
  return `set ${[names.slice(0, -1).join(", "), ...names.slice(-1)].filter((part) => part !== "").join(" and ")}`
}

/** The form of a token for writing to one table. */
const tableForm = (workspace: string, tableName: string): URLSearchParams => {
  const [catalog = "", schema = ""] = tableName.split(".")
  const grant = (
    object_type: string,
    object_full_path: string,
    privileges: ReadonlyArray<string>,
    operations?: ReadonlyArray<string>
  ) => ({
    type: "unity_catalog_privileges",
    privileges,
    object_type,
    object_full_path,
    ...(operations === undefined ? {} : { operations })
  })
  return new URLSearchParams({
    grant_type: "client_credentials",
    scope: "all-apis",
    resource: `api://databricks/workspaces/${workspace}/zerobusDirectWriteApi`,
    authorization_details: JSON.stringify([
      grant("CATALOG", catalog, ["USE CATALOG"]),
      grant("SCHEMA", `${catalog}.${schema}`, ["USE SCHEMA"]),
      grant("TABLE", tableName, ["SELECT", "MODIFY"], ["zerobuswrite"])
    ])
  })
}

const unavailable = (message: string, retryAfterMillis?: number) =>
  new Retryable({ reason: RetryableReason.TokenServiceUnavailable({ message, retryAfterMillis }), attempts: 1 })

const failureOf = ({ kind, message, retryAfterMillis, status }: WorkspaceFailure): StreamFailure => {
  switch (kind) {
    case "Unavailable":
    case "TooLarge":
      return unavailable(message, retryAfterMillis)
    case "Misdirected":
      return new InvalidToken({ message: `${message} Check the workspace URL.` })
    case "Refused":
      return new InvalidToken({
        message:
          status < 300
            ? `${message} Only 200 is a token. Check the workspace URL.`
            : `${message} Check the client id, the secret and the principal's privileges.`
      })
  }
}

const requestToken = Effect.fn("Zerobus.requestToken")(function* (
  { clientId, clientSecret, route }: Principal,
  form: URLSearchParams,
  tableName?: string
): Effect.fn.Return<Minted, StreamFailure> {
  if (tableName !== undefined) yield* Effect.annotateCurrentSpan("table", tableName)
  const secret = Redacted.value(clientSecret)
  const basic = Buffer.from(`${clientId}:${secret}`, "utf8").toString("base64")
  const body = yield* workspaceRequest(
    { name: "The token endpoint", route },
    {
      method: "POST",
      path: "/oidc/v1/token",
      headers: {
        "authorization": `Basic ${basic}`,
        "content-type": "application/x-www-form-urlencoded",
        "accept": "application/json"
      },
      body: form.toString(),
      limit: TOKEN_LIMIT,
      secrets: [secret, basic]
    }
  ).pipe(Effect.catchTag("WorkspaceFailure", (failure) => Effect.fail(failureOf(failure))))
  return yield* Effect.fromResult(parseToken(body, route.endpoint.origin))
})

const parseToken = (body: string, origin: string): Result.Result<Minted, InvalidToken | Retryable> => {
  const bad = (what: string) =>
    Result.fail(new InvalidToken({ message: `The token endpoint's answer ${what}. Check the workspace URL.` }))
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    // An object without its end was cut off on its way, which happens where no length was announced; anything else is another site.
    const cut = /^\s*(?:\{.*)?$/s.test(body)
    return cut
      ? Result.fail(unavailable(`The answer of the token endpoint at ${origin} was cut off.`))
      : bad("is not JSON")
  }
  if (typeof json !== "object" || json === null || !("access_token" in json) || typeof json.access_token !== "string") {
    return bad("has no access_token")
  }
  const token = json.access_token
  if (!/^[\x21-\x7e]{1,16384}$/.test(token)) return bad("has a token that is not a legal header value")
  const stated = "expires_in" in json ? json.expires_in : undefined
  const seconds = typeof stated === "string" && /^\s*\d+\s*$/.test(stated) ? Number(stated) : stated
  const known = typeof seconds === "number" && Number.isInteger(seconds) && seconds > 0
  return Result.succeed({ token: Redacted.make(token), lifeMillis: known ? seconds * 1000 : undefined })
}
