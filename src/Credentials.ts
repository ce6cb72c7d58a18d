/**
 * The tokens of connections: OAuth client credentials, or the token of another identity provider.
 *
 * A token is narrowed to one table, kept until shortly before its end, and requested once however
 * many streams open together. The Unity Catalog does not accept such a token; `catalogToken` gives
 * one that it does.
 *
 * @packageDocumentation
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { HeadersProvider, type HeadersProviderShape } from "./HeadersProvider.ts"
import type { Route } from "./internal/net/connector.ts"
import { parseEndpoint, workspaceId } from "./internal/net/endpoint.ts"
import { clientGrant, exchangeGrant, type Grant } from "./internal/net/grants.ts"
import { makeTokenCache } from "./internal/net/tokenCache.ts"
import { catalogScope, requestToken, tableScope } from "./internal/net/tokenRequest.ts"
import { workspaceRoute } from "./internal/net/workspace.ts"
import { Opening } from "./internal/userCode/opening.ts"
import { defaults } from "./StreamConfigurationOptions.ts"
import {
  type InvalidArgument,
  type InvalidEndpoint,
  InvalidToken,
  type StreamFailure
} from "./ZerobusError.ts"
import * as ZerobusMetrics from "./ZerobusMetrics.ts"
import {
  checkZerobusOptions,
  type FederatedCredentials,
  type ZerobusOptions
} from "./ZerobusOptions.ts"

/**
 * Settings whose effects for connections and tokens may need services `R`.
 *
 * @inline
 */
type Settings<R> = Omit<ZerobusOptions<unknown>, "credentials" | "tls"> &
  Pick<ZerobusOptions<R>, "credentials" | "tls">

/** Whose tokens are requested where. */
interface Principal {
  readonly route: Route
  /** Makes the grant of one request. */
  readonly grant: Effect.Effect<Grant, StreamFailure>
  readonly federated: boolean
}

/**
 * Credentials of another identity provider, as the `credentials` of a client: its JWT is exchanged
 * for a token of the workspace (RFC 8693), without a secret.
 *
 * - `subjectToken` gives the provider's current JWT. It runs when a token is requested: for a table
 *   without one, and for a renewal. It has 30 seconds. An error of the client that it fails with is
 *   that of the stream; any other failure is `Retryable`. No failure is kept.
 * - `subjectTokenFile` is the path of a file with it, in place of `subjectToken`.
 * - `clientId` names the service principal of workload identity federation; without it the
 *   account's own federation finds the identity.
 *
 * A token is used until the earlier of its own end and the JWT's `exp`.
 *
 * @example
 * Zerobus.layer({
 *   serverEndpoint,
 *   workspaceUrl,
 *   credentials: Credentials.federated({
 *     subjectToken: Effect.map(idToken, Redacted.make),
 *     clientId: "12345678-0000-0000-0000-000000000000"
 *   })
 * })
 *
 * @since 0.2.0
 * @category constructors
 */
export const federated = <E = never, R = never>(
  options:
    | {
        readonly subjectToken: Effect.Effect<Redacted.Redacted<string>, E, R>
        readonly clientId?: string | undefined
      }
    | { readonly subjectTokenFile: string; readonly clientId?: string | undefined }
): FederatedCredentials<R> => options

/**
 * Makes a provider of headers, for a stream with an identity of its own (`headersProvider`). Its
 * tokens are its own: no other provider is given one of them. They are forgotten when the scope
 * closes. Without credentials it fails with `InvalidToken` when headers are requested.
 *
 * @example
 * const headersProvider = yield* Credentials.make({
 *   ...settings,
 *   credentials: Credentials.federated({ subjectToken })
 * })
 * const stream = yield* zerobus.createStream(table, { headersProvider })
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = <R = never>(
  options: Settings<R>
): Effect.Effect<HeadersProviderShape, InvalidEndpoint | InvalidArgument, R | Scope.Scope> =>
  Effect.gen(function* () {
    yield* checkZerobusOptions(options)
    const server = yield* Effect.fromResult(
      parseEndpoint(options.serverEndpoint, "The Zerobus endpoint")
    )
    const principal = yield* principalOf(options)
    if (principal === undefined) {
      return HeadersProvider.make({
        getHeaders: Effect.fail(
          new InvalidToken({
            message:
              `There are no credentials: ${missing(options)}, or give the stream a ` +
              `headersProvider.`
          })
        )
      })
    }
    const { federated, grant, route } = principal
    const cache = makeTokenCache({
      mint: (tableName) =>
        requestToken(route, grant, tableScope(workspaceId(server), tableName), tableName).pipe(
          Effect.onExit((exit) =>
            countMints(tableName, exit._tag === "Success" ? "minted" : "failed", 1)
          )
        ),
      enabled: options.tokenCache?.enabled ?? true,
      lead: Duration.toMillis(
        Duration.fromInputUnsafe(options.tokenCache?.refreshBuffer ?? "5 minutes")
      ),
      renewalLimit: defaults.recoveryTimeout / 2
    })
    // A token of a closed layer has no business in memory any more.
    yield* Effect.addFinalizer(() => cache.close)
    const bearer = (token: Redacted.Redacted<string>) => `Bearer ${Redacted.value(token)}`
    const waitedFor =
      `${federated ? "the subject token, or " : ""}the token endpoint at ` +
      `${route.endpoint.origin}`
    return {
      ...(federated ? { federated } : {}),
      getHeaders: (tableName: string) =>
        Effect.gen(function* () {
          const opening = yield* Opening
          if (opening !== undefined) opening.waitingFor = () => waitedFor
          yield* countMints(tableName, "minted", 0)
          yield* countMints(tableName, "failed", 0)
          // Half of the attempt's time is left for the connection when a renewal hangs.
          const token = yield* cache.get(tableName, opening && opening.limit / 2)
          return { authorization: bearer(token) }
        }),
      invalidate: (tableName: string, rejected: Readonly<Record<string, string>>) =>
        cache.invalidate(tableName, (token) => bearer(token) === rejected["authorization"])
    }
  })

/**
 * The headers provider of a client: {@link make} as a layer. Fails with `InvalidEndpoint` for a
 * malformed URL.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <R = never>(
  options: Settings<R>
): Layer.Layer<HeadersProvider, InvalidEndpoint | InvalidArgument, Exclude<R, Scope.Scope>> =>
  Layer.effect(HeadersProvider, make(options))

/** Adds to the tokens that were requested for a table; 0 makes the counter exist. */
const countMints = (
  table: string,
  outcome: "minted" | "failed",
  tokens: number
): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(ZerobusMetrics.tokenMints, { table, outcome }), tokens)

/**
 * A token with plain scope, which the Unity Catalog's REST API accepts. Fails with `Retryable`
 * after 30 seconds without an answer.
 *
 * @since 0.1.0
 * @category accessors
 */
export const catalogToken = <R = never>(
  options: Settings<R>
): Effect.Effect<Redacted.Redacted<string>, StreamFailure, R> =>
  Effect.gen(function* () {
    const principal = yield* principalOf(options)
    if (principal === undefined) {
      return yield* new InvalidToken({
        message: `Reading the catalog needs credentials: ${missing(options)}.`
      })
    }
    return (yield* requestToken(principal.route, principal.grant, catalogScope)).token
  })

const principalOf = <R>(
  options: Settings<R>
): Effect.Effect<Principal | undefined, InvalidEndpoint | InvalidArgument, R> =>
  Effect.gen(function* () {
    const { clientId, clientSecret, credentials, workspaceUrl } = options
    if (workspaceUrl === undefined) return undefined
    const route = yield* workspaceRoute(workspaceUrl, options)
    if (credentials !== undefined) {
      const services = yield* Effect.context<R>()
      const { subjectToken, ...rest } = credentials
      const own =
        subjectToken === undefined
          ? rest
          : { ...rest, subjectToken: Effect.provideContext(subjectToken, services) }
      return { route, grant: exchangeGrant(own), federated: true }
    }
    return clientId === undefined || clientSecret === undefined
      ? undefined
      : { route, grant: clientGrant(clientId, clientSecret), federated: false }
  })

const variables = {
  workspaceUrl: "DATABRICKS_WORKSPACE_URL",
  clientId: "DATABRICKS_CLIENT_ID",
  clientSecret: "DATABRICKS_CLIENT_SECRET"
} as const

/** What of the credentials is not set, as a request to set it. */
const missing = (options: Settings<unknown>): string => {
  const names = (["workspaceUrl", "clientId", "clientSecret"] as const)
    .filter((option) => options[option] === undefined)
    // Federation needs neither id nor secret.
    .filter((option) => option === "workspaceUrl" || options.credentials === undefined)
    .map((option) => `${variables[option]} (${option})`)
  return `set ${[names.slice(0, -1).join(", "), ...names.slice(-1)].filter((part) => part !== "").join(" and ")}`
}
