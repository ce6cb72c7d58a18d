/**
 * The settings of a client, and the `Config` that reads them from the environment.
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import {
  checkOptions,
  duration,
  either,
  fields,
  flag,
  oneOf,
  type OptionRules,
  required,
  secret,
  text,
  texts,
  that
} from "./internal/optionRules.ts"
import {
  type KeepaliveOptions,
  type StreamConfigurationOptions,
  streamRules
} from "./StreamConfigurationOptions.ts"
import { InvalidArgument } from "./ZerobusError.ts"

/**
 * TLS settings for gRPC, the token endpoint and the catalog.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface TlsOptions {
  /**
   * Certificates (PEM) of additional trusted authorities, besides the operating system's store and
   * the bundled roots.
   */
  readonly ca?: string | ReadonlyArray<string> | undefined
  /** The client's certificate chain (PEM) for mutual TLS. */
  readonly cert?: string | undefined
  /** The client's private key (PEM) for mutual TLS. */
  readonly key?: Redacted.Redacted<string> | undefined
  /** Minimum protocol version. Default `"TLSv1.2"`. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined
  /**
   * The host name sent to servers (SNI) and checked against their certificates. Default: the host
   * of the URL. For an endpoint that is reached under another name or address.
   */
  readonly serverName?: string | undefined
}

/**
 * Credentials of another identity provider, instead of a secret. Created with
 * `Credentials.federated`. The effect may need services `R`.
 *
 * @since 0.2.0
 * @category configuration
 */
export interface FederatedCredentials<out R = never> {
  /**
   * Returns the provider's current JWT. Runs when a token is requested. Set either this or
   * `subjectTokenFile`.
   */
  readonly subjectToken?: Effect.Effect<Redacted.Redacted<string>, unknown, R> | undefined
  /** Path of a file with the JWT, read when a token is requested. */
  readonly subjectTokenFile?: string | undefined
  /**
   * The service principal of workload identity federation. Not set for the account's federation
   * policy.
   */
  readonly clientId?: string | undefined
}

/**
 * Settings of a client. The effects among them may need services `R`.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface ZerobusOptions<out R = never> {
  /**
   * The Zerobus endpoint: `https://<workspace-id>.zerobus.<region>.cloud.databricks.com`. Plain
   * `http://` for loopback only.
   */
  readonly serverEndpoint: string
  /**
   * The workspace URL, with the Unity Catalog and the token endpoint. Not needed when every stream
   * has a headers provider.
   */
  readonly workspaceUrl?: string | undefined
  /** The service principal's application id. */
  readonly clientId?: string | undefined
  /** The service principal's OAuth secret. */
  readonly clientSecret?: Redacted.Redacted<string> | undefined
  /**
   * The token of another identity provider, instead of `clientId` and `clientSecret`:
   * `Credentials.federated`. Default: none. Persistent streams refuse it.
   */
  readonly credentials?: FederatedCredentials<R> | undefined
  /** Added to the user agent: printable ASCII. */
  readonly applicationName?: string | undefined
  /**
   * Whether each stream has its own connection (default). Otherwise streams share as few
   * connections as the server's limit of concurrent streams (SETTINGS_MAX_CONCURRENT_STREAMS)
   * allows. Sharing saves most of the time and memory for opening many streams, but copies their
   * requests once more.
   */
  readonly connectionPerStream?: boolean | undefined
  /**
   * TLS settings, or an effect that returns them and runs for each new connection, so that
   * certificates can be replaced while the program runs. The effect has 30 seconds. When it fails
   * or returns invalid settings, that connection fails and is retried within the retry budget.
   */
  readonly tls?: TlsOptions | Effect.Effect<TlsOptions, unknown, R> | undefined
  /**
   * An HTTP proxy, `http://[user:password@]host:port`, used with CONNECT; `false` for none.
   * Default: the proxy of the environment, except for loopback hosts. Streams use the first of
   * `grpc_proxy`, `https_proxy` and `http_proxy`, unless `no_grpc_proxy`, or else `no_proxy`, lists
   * the host. Requests for tokens and tables ignore the gRPC variables. The lists contain names,
   * addresses and ranges such as `10.0.0.0/8`, each with or without a port, and `*`.
   */
  readonly proxy?: Redacted.Redacted<string> | false | undefined
  /**
   * The token cache. Enabled by default; tokens are renewed `refreshBuffer` (default 5 minutes)
   * before they expire.
   */
  readonly tokenCache?:
    | {
        /** Whether tokens are cached. Default true. */
        readonly enabled?: boolean | undefined
        /** How long before it expires a token is renewed. Default 5 minutes. */
        readonly refreshBuffer?: Duration.Input | undefined
      }
    | undefined
  /** Pings that detect dead connections; `"off"` disables them. */
  readonly keepalive?: KeepaliveOptions | "off" | undefined
  /** Defaults for the options of every stream. */
  readonly stream?: StreamConfigurationOptions<any, R> | undefined
}

/**
 * {@link ZerobusOptions} with a type parameter for the services of each effect. TypeScript does not
 * infer the union of the services of several effects in one object.
 *
 * @since 0.2.0
 * @category configuration
 */
export type SettingsByEffect<R1, R2, R3> = Omit<ZerobusOptions, "credentials" | "stream" | "tls"> &
  Pick<ZerobusOptions<R1>, "stream"> &
  Pick<ZerobusOptions<R2>, "credentials"> &
  Pick<ZerobusOptions<R3>, "tls">

const tlsRules: OptionRules<TlsOptions> = {
  ca: texts("a certificate as PEM text, or an array of them"),
  cert: text("a certificate chain as PEM text"),
  key: secret,
  minVersion: oneOf("TLSv1.2", "TLSv1.3"),
  serverName: text(
    "a host name, or an address",
    /^[A-Za-z0-9_](?:[A-Za-z0-9._:-]{0,251}[A-Za-z0-9_])?$/
  )
}

/** The problem with TLS settings, if any. */
export const tlsProblem = (tls: unknown): InvalidArgument | undefined =>
  checkOptions(tlsRules, tls, ["tls"])

// In the authorization header, a colon ends the client id.
const clientIdRule = text("text without colons, and not empty", /^[^:]+$/)

/**
 * Validation rules for the settings of a client. The content of URLs, proxies and certificates is
 * checked where it is used.
 */
export const zerobusRules: OptionRules<ZerobusOptions> = {
  serverEndpoint: required(text("the URL of the Zerobus endpoint")),
  workspaceUrl: text("the URL of the workspace"),
  clientId: clientIdRule,
  clientSecret: secret,
  credentials: {
    ...fields<FederatedCredentials>({
      subjectToken: that("an Effect", Effect.isEffect),
      subjectTokenFile: text("the path of a file", /./),
      clientId: clientIdRule
    }),
    words: "made with Credentials.federated"
  },
  applicationName: text("printable ASCII", /^([\x21-\x7e]+( [\x21-\x7e]+)*)?$/),
  connectionPerStream: flag,
  tls: either(fields(tlsRules), that("an Effect of one", Effect.isEffect)),
  proxy: either(oneOf(false), secret),
  tokenCache: fields<NonNullable<ZerobusOptions["tokenCache"]>>({
    enabled: flag,
    refreshBuffer: duration("from zero")
  }),
  keepalive: either(
    oneOf("off"),
    fields<KeepaliveOptions>({
      interval: duration("from 1 millisecond"),
      timeout: duration("from 1 millisecond"),
      idleInterval: duration("from 1 millisecond")
    })
  ),
  stream: fields(streamRules)
}

/** The problem with a combination of principal settings, if any. */
export const principalProblem = ({
  clientId,
  clientSecret,
  credentials
}: Pick<ZerobusOptions<unknown>, "clientId" | "clientSecret" | "credentials">):
  | InvalidArgument
  | undefined => {
  if (credentials === undefined) return undefined
  const refuse = (message: string) => new InvalidArgument({ message, path: ["credentials"] })
  if (clientId !== undefined || clientSecret !== undefined) {
    return refuse(
      "The option credentials takes the place of clientId and clientSecret: leave them out. The " +
        "client id of a " +
        "workload is an option of Credentials.federated."
    )
  }
  const { subjectToken, subjectTokenFile } = credentials
  return (subjectToken === undefined) === (subjectTokenFile === undefined)
    ? refuse("The option credentials needs one of subjectToken and subjectTokenFile.")
    : undefined
}

/** Fails for the first invalid setting. */
export const checkZerobusOptions = (
  options: ZerobusOptions<unknown>
): Effect.Effect<void, InvalidArgument> =>
  Effect.suspend(() => {
    const refused = checkOptions(zerobusRules, options) ?? principalProblem(options)
    return refused === undefined ? Effect.void : Effect.fail(refused)
  })

const optional = <A>(config: Config.Config<A>): Config.Config<A | undefined> =>
  Config.withDefault(config, undefined)

/**
 * Reads a stream option from an environment variable. The text is parsed and then checked by the
 * option's rule.
 */
const variable = <A>(
  name: `ZEROBUS_${string}`,
  option: keyof StreamConfigurationOptions,
  read: (text: string) => A
) => {
  const { accepts, words } = streamRules[option]
  const legal = Schema.makeFilter((text: string) => accepts(read(text)) || `Expected ${words}`)
  return optional(Config.map(Config.schema(Schema.String.check(legal), name), read))
}

const numeric = /^[+-]?\d+(\.\d+)?(e\d+)?$/i

const readCount = (text: string): number => (numeric.test(text.trim()) ? Number(text) : Number.NaN)

const flags: ReadonlyMap<string, boolean> = new Map([
  ...["true", "yes", "on", "1", "y"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0", "n"].map((word) => [word, false] as const)
])

/** The words that `Config.Boolean` accepts, in upper or lower case. */
const readFlag = (text: string): boolean | undefined => flags.get(text.trim().toLowerCase())

/**
 * A plain number is milliseconds, as in the options. The option's rule refuses text that is not a
 * duration.
 */
const readDuration = (text: string): Duration.Input =>
  numeric.test(text.trim()) ? Number(text) : (text.trim() as Duration.Input)

const endpoint = Schema.String.annotate({
  message:
    "ZEROBUS_SERVER_ENDPOINT is not set. Set it to the Zerobus endpoint of the workspace; " +
    "`zerobus local` prints the one of a local server."
}).check(
  Schema.isNonEmpty({
    message: "ZEROBUS_SERVER_ENDPOINT is empty. Set it to the Zerobus endpoint."
  })
)

/**
 * The principal of the environment: `DATABRICKS_CLIENT_ID` with `DATABRICKS_CLIENT_SECRET`, or a
 * token of another identity provider. The secret has priority, then the file, as in other clients
 * of Databricks.
 */
export const principalConfig: Config.Config<
  Pick<ZerobusOptions, "clientId" | "clientSecret"> & Pick<ZerobusOptions, "credentials">
> = Config.map(
  Config.all({
    clientId: optional(Config.NonEmptyString("DATABRICKS_CLIENT_ID")),
    clientSecret: optional(Config.Redacted("DATABRICKS_CLIENT_SECRET")),
    subjectTokenFile: optional(Config.NonEmptyString("DATABRICKS_OIDC_TOKEN_FILEPATH")),
    token: optional(Config.Redacted("DATABRICKS_OIDC_TOKEN"))
  }),
  ({ clientId, clientSecret, subjectTokenFile, token }) => {
    if (clientSecret !== undefined) return { clientId, clientSecret }
    if (subjectTokenFile !== undefined) return { credentials: { subjectTokenFile, clientId } }
    return token === undefined
      ? { clientId, clientSecret }
      : { credentials: { subjectToken: Effect.succeed(token), clientId } }
  }
)

/**
 * Reads the settings: `ZEROBUS_SERVER_ENDPOINT`, `DATABRICKS_WORKSPACE_URL`,
 * `DATABRICKS_CLIENT_ID`, `DATABRICKS_CLIENT_SECRET`, and optionally
 * `ZEROBUS_MAX_INFLIGHT_RECORDS`, `ZEROBUS_MAX_INFLIGHT_BYTES`, `ZEROBUS_RECOVERY`,
 * `ZEROBUS_RECOVERY_TIMEOUT`, `ZEROBUS_RECOVERY_BACKOFF`, `ZEROBUS_RECOVERY_RETRIES`,
 * `ZEROBUS_FLUSH_TIMEOUT`, `ZEROBUS_SERVER_LACK_OF_ACK_TIMEOUT`. Durations are texts such as `"15
 * seconds"`; plain numbers are milliseconds. An invalid value fails with `ConfigError`. The
 * workspace and the credentials may be missing when every stream has its own headers provider.
 *
 * Without `DATABRICKS_CLIENT_SECRET`, the token of another identity provider is used
 * (`Credentials.federated`): from the file `DATABRICKS_OIDC_TOKEN_FILEPATH`, read for each
 * exchange, or from `DATABRICKS_OIDC_TOKEN`, which cannot change while the program runs.
 * `DATABRICKS_CLIENT_ID` then names the service principal of workload identity federation.
 *
 * @since 0.1.0
 * @category configuration
 */
export const zerobusConfig: Config.Config<ZerobusOptions> = Config.map(
  Config.all({
    serverEndpoint: Config.schema(endpoint, "ZEROBUS_SERVER_ENDPOINT"),
    workspaceUrl: optional(Config.NonEmptyString("DATABRICKS_WORKSPACE_URL")),
    principal: principalConfig,
    stream: Config.all({
      maxInflightRecords: variable("ZEROBUS_MAX_INFLIGHT_RECORDS", "maxInflightRecords", readCount),
      maxInflightBytes: variable("ZEROBUS_MAX_INFLIGHT_BYTES", "maxInflightBytes", readCount),
      recovery: variable("ZEROBUS_RECOVERY", "recovery", readFlag),
      recoveryTimeout: variable("ZEROBUS_RECOVERY_TIMEOUT", "recoveryTimeout", readDuration),
      recoveryBackoff: variable("ZEROBUS_RECOVERY_BACKOFF", "recoveryBackoff", readDuration),
      recoveryRetries: variable("ZEROBUS_RECOVERY_RETRIES", "recoveryRetries", readCount),
      flushTimeout: variable("ZEROBUS_FLUSH_TIMEOUT", "flushTimeout", readDuration),
      serverLackOfAckTimeout: variable(
        "ZEROBUS_SERVER_LACK_OF_ACK_TIMEOUT",
        "serverLackOfAckTimeout",
        readDuration
      )
    })
  }),
  ({ principal, ...settings }) => ({ ...settings, ...principal })
)
