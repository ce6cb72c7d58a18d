/**
 * Tokens for connections, from OAuth client credentials or from another identity provider.
 *
 * A token is valid for one table and cached until shortly before it expires. Streams that open at
 * the same time share one request. The Unity Catalog does not accept such a token; `catalogToken`
 * returns one that it accepts.
 *
 * @packageDocumentation
 * @since 0.1.0
 */
import * as Config from "effect/Config"
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
 * Settings whose effects for TLS and tokens may need services `R`.
 *
 * @inline
 */
type Settings<R> = Omit<ZerobusOptions<unknown>, "credentials" | "tls"> &
  Pick<ZerobusOptions<R>, "credentials" | "tls">

/** The principal whose tokens are requested, and the token endpoint. */
interface Principal {
  readonly route: Route
  /** Creates the grant of one request. */
  readonly grant: Effect.Effect<Grant, StreamFailure>
  readonly federated: boolean
}

/**
 * Credentials of another identity provider, for the `credentials` option of a client. Its JWT is
 * exchanged for a token of the workspace (RFC 8693), without a secret.
 *
 * - `subjectToken` returns the provider's current JWT. It runs when a token is requested: for a
 *   table that has none, and for a renewal. It has 30 seconds. When it fails with an error of the
 *   client, the stream fails with that error; any other failure is `Retryable`. Failures are not
 *   cached.
 * - `subjectTokenFile` is the path of a file with the JWT, instead of `subjectToken`.
 * - `clientId` names the service principal of workload identity federation. Without it, the
 *   account's federation policy determines the identity.
 *
 * A token is used until it expires or the JWT's `exp`, whichever is earlier.
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
 * Creates a headers provider, for a stream with a different identity (`headersProvider`). Its
 * tokens are not shared with other providers. They are discarded when the scope closes. Without
 * credentials, requesting headers fails with `InvalidToken`.
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
    // Discards the tokens of a closed layer.
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
          // A hanging renewal gets half of the attempt's time, so that the other half remains for
          // the connection.
          const token = yield* cache.get(tableName, opening && opening.limit / 2)
          return { authorization: bearer(token) }
        }),
      invalidate: (tableName: string, rejected: Readonly<Record<string, string>>) =>
        cache.invalidate(tableName, (token) => bearer(token) === rejected["authorization"])
    }
  })

/**
 * The headers provider of a client, as a layer: see {@link make}. Fails with `InvalidEndpoint` for
 * a malformed URL.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <R = never>(
  options: Settings<R>
): Layer.Layer<HeadersProvider, InvalidEndpoint | InvalidArgument, Exclude<R, Scope.Scope>> =>
  Layer.effect(HeadersProvider, make(options))

/**
 * The headers provider of a client with settings from `Config`.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = <R = never>(
  config: Config.Wrap<Settings<R>>
): Layer.Layer<
  HeadersProvider,
  Config.ConfigError | InvalidEndpoint | InvalidArgument,
  Exclude<R, Scope.Scope>
> => Layer.unwrap(Effect.map(Config.unwrap(config), (options) => layer<R>(options)))

/** Counts tokens requested for a table; 0 creates the counter. */
const countMints = (
  table: string,
  outcome: "minted" | "failed",
  tokens: number
): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(ZerobusMetrics.tokenMints, { table, outcome }), tokens)

/**
 * Requests a token with plain scope, which the Unity Catalog's REST API accepts. Fails with
 * `Retryable` after 30 seconds without an answer.
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

/** A sentence part that says which credentials to set. */
const missing = (options: Settings<unknown>): string => {
  const names = (["workspaceUrl", "clientId", "clientSecret"] as const)
    .filter((option) => options[option] === undefined)
    // Federation needs neither client id nor secret.
    .filter((option) => option === "workspaceUrl" || options.credentials === undefined)
    .map((option) => `${variables[option]} (${option})`)
  const parts = [names.slice(0, -1).join(", "), ...names.slice(-1)]
  return `set ${parts.filter((part) => part !== "").join(" and ")}`
}
