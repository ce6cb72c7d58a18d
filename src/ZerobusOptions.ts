/**
 * The settings of a client, and the `Config` that reads them from the environment.
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import type { KeepaliveOptions, StreamConfigurationOptions } from "./StreamConfigurationOptions.ts"

/** TLS settings; they hold for gRPC, the token endpoint and the catalog alike. */
export interface TlsOptions {
  /** Certificates (PEM) of further authorities to trust, beside the operating system's store and the bundled roots. */
  readonly ca?: string | ReadonlyArray<string> | undefined
  /** The client's certificate chain (PEM) for mutual TLS. */
  readonly cert?: string | undefined
  /** The client's private key (PEM) for mutual TLS. */
  readonly key?: Redacted.Redacted<string> | undefined
  /** Lowest protocol version; default `"TLSv1.2"`. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined
}

/** Settings of one client. */
export interface ZerobusOptions {
  /** The Zerobus endpoint: `https://<workspace-id>.zerobus.<region>.cloud.databricks.com`. Plain `http://` for loopback only. */
  readonly serverEndpoint: string
  /** The workspace URL with the Unity Catalog and the token endpoint. Not needed when every stream has its own headers provider. */
  readonly workspaceUrl?: string | undefined
  /** The service principal's application id. */
  readonly clientId?: string | undefined
  /** The service principal's OAuth secret. */
  readonly clientSecret?: Redacted.Redacted<string> | undefined
  /** Added to the user agent: printable ASCII. */
  readonly applicationName?: string | undefined
  /** Whether each stream has a connection of its own; default true. Sharing one caps the throughput of all. */
  readonly connectionPerStream?: boolean | undefined
  readonly tls?: TlsOptions | undefined
  /**
   * An HTTP proxy, `http://[user:password@]host:port`, reached by CONNECT; `false` for none. Default: `grpc_proxy`, `https_proxy`,
   * `http_proxy` and the bypass lists `no_grpc_proxy`, `no_proxy` of the environment.
   */
  readonly proxy?: Redacted.Redacted<string> | false | undefined
  /** The token cache: on by default, tokens are renewed `refreshBuffer` (default 5 minutes) before they expire. */
  readonly tokenCache?:
    | { readonly enabled?: boolean | undefined; readonly refreshBuffer?: Duration.Input | undefined }
    | undefined
  /** Pings that find dead connections; `"off"` for none. */
  readonly keepalive?: KeepaliveOptions | "off" | undefined
  /** Defaults for the options of every stream. */
  readonly stream?: StreamConfigurationOptions | undefined
}

const optional = <A>(config: Config.Config<A>): Config.Config<A | undefined> => Config.withDefault(config, undefined)

/**
 * Reads the settings: `ZEROBUS_SERVER_ENDPOINT`, `DATABRICKS_WORKSPACE_URL`, `DATABRICKS_CLIENT_ID`, `DATABRICKS_CLIENT_SECRET`, and
 * optionally `ZEROBUS_MAX_INFLIGHT_RECORDS`, `ZEROBUS_MAX_INFLIGHT_BYTES`, `ZEROBUS_RECOVERY`, `ZEROBUS_RECOVERY_TIMEOUT`,
 * `ZEROBUS_RECOVERY_BACKOFF`, `ZEROBUS_RECOVERY_RETRIES`, `ZEROBUS_FLUSH_TIMEOUT`, `ZEROBUS_SERVER_LACK_OF_ACK_TIMEOUT`.
 * Durations as `"15 seconds"`. The workspace and the credentials may be missing where every stream has its own headers provider.
 */
export const zerobusConfig: Config.Config<ZerobusOptions> = Config.all({
  serverEndpoint: Config.NonEmptyString("ZEROBUS_SERVER_ENDPOINT"),
  workspaceUrl: optional(Config.NonEmptyString("DATABRICKS_WORKSPACE_URL")),
  clientId: optional(Config.NonEmptyString("DATABRICKS_CLIENT_ID")),
  clientSecret: optional(Config.Redacted("DATABRICKS_CLIENT_SECRET")),
  stream: Config.all({
    maxInflightRecords: optional(Config.Int("MAX_INFLIGHT_RECORDS")),
    maxInflightBytes: optional(Config.Int("MAX_INFLIGHT_BYTES")),
    recovery: optional(Config.Boolean("RECOVERY")),
    recoveryTimeout: optional(Config.Duration("RECOVERY_TIMEOUT")),
    recoveryBackoff: optional(Config.Duration("RECOVERY_BACKOFF")),
    recoveryRetries: optional(Config.Int("RECOVERY_RETRIES")),
    flushTimeout: optional(Config.Duration("FLUSH_TIMEOUT")),
    serverLackOfAckTimeout: optional(Config.Duration("SERVER_LACK_OF_ACK_TIMEOUT"))
  }).pipe(Config.nested("ZEROBUS"))
})
