/**
 * The options of the local server, and checks that limit it to development.
 */
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { isIP } from "node:net"
import type { Latency } from "../local/faults/latency.ts"
import type { Grant } from "../local/auth/principals.ts"
import { issuersProblem, type TrustedIssuer } from "../local/auth/subjectTokens.ts"
import type { StreamLimits } from "../local/stream/streamContract.ts"
import { defaultLimits } from "../local/stream/streamHost.ts"
import { isLoopback } from "../internal/net/loopback.ts"
import { InvalidArgument } from "../ZerobusError.ts"

export { isLoopback } from "../internal/net/loopback.ts"
export type { Grant, Principal, Privilege } from "../local/auth/principals.ts"
export type { TrustedIssuer } from "../local/auth/subjectTokens.ts"

/**
 * An additional service principal of a server.
 *
 * @since 0.2.0
 * @category models
 */
export interface LocalPrincipal {
  /** The id that it requests tokens with. */
  readonly clientId: string
  /**
   * Default: a generated one, which a data folder stores. `ZerobusLocalShape.principals` contains
   * it.
   */
  readonly clientSecret?: Redacted.Redacted<string> | undefined
  /**
   * The subjects (`sub`) of JWTs that act as this principal. Its client id is always one of them.
   */
  readonly subjects?: ReadonlyArray<string> | undefined
  /** Its grants. Default: everything is granted. */
  readonly grants?: ReadonlyArray<Grant> | undefined
}

/**
 * Options of the streams of a server. Durations are Effect durations; plain numbers are
 * milliseconds.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface StreamOptions {
  /** How long a stream lives until it receives a close signal. Default 15 minutes. */
  readonly streamLife?: Duration.Input | undefined
  /** How long it stays open after that. Default 1 minute. */
  readonly closeGrace?: Duration.Input | undefined
  /** Minimum time between two acknowledgements of a stream. Default 5 ms. */
  readonly ackInterval?: Duration.Input | undefined
  /**
   * Limits the rate of each stream, per second. Default no limit. The service's limits are 100,000
   * records and 100 MB a second.
   */
  readonly rateLimit?:
    | {
        /** Records a second. */
        readonly records?: number | undefined
        /** Bytes a second. */
        readonly bytes?: number | undefined
      }
    | undefined
  /**
   * Record bytes that each table's audit stores. Default 256 MiB in memory, 0 (counts only) on
   * disk.
   */
  readonly auditBytes?: number | undefined
  /**
   * Events that `trace` stores, see `docs/testing.md`. Default 10,000 in memory, 0 (no trace) on
   * disk.
   */
  readonly traceEvents?: number | undefined
}

/**
 * Options of a server without sockets.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface ZerobusVirtualOptions extends StreamOptions {
  /** Seed of all latencies. Default 1. */
  readonly seed?: number | undefined
  /** Latency of each message between client and server, in order. Default 1 ms. */
  readonly latency?: Latency | undefined
  /** Time until records become durable, in order. Default 1 ms. */
  readonly syncLatency?: Latency | undefined
}

/**
 * Options of a server in memory.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface ZerobusLocalOptions extends StreamOptions {
  /**
   * The address to listen on. Default `127.0.0.1`. One that is not loopback needs `allowRemote` and
   * `auth`.
   */
  readonly host?: string | undefined
  /** Port of the gRPC service. Default 0, a free one. */
  readonly port?: number | undefined
  /** Port of the token endpoint and the catalog. Default 0, a free one. */
  readonly httpPort?: number | undefined
  /** Allows listening on addresses that other machines can reach. Default false. */
  readonly allowRemote?: boolean | undefined
  /**
   * Additional host names and addresses of the server, such as `host.docker.internal` or the name
   * of a container. Requests may use them, and the certificate of `tls: true` includes them.
   */
  readonly hostNames?: ReadonlyArray<string> | undefined
  /** Whether tokens are checked as in the service. Default true. */
  readonly auth?: boolean | undefined
  /**
   * TLS on both ports. `true` generates an authority and a certificate (on disk they are stored in
   * `<dataDir>/.tls`); clients trust them with `ca`. Alternatively, supply key and certificate,
   * both PEM, and the authority that signed them. Default: plaintext.
   */
  readonly tls?:
    | boolean
    | {
        /** The private key (PEM). */
        readonly key: Redacted.Redacted<string>
        /** The certificate (PEM). */
        readonly cert: string
        /** The certificate of the authority that signed it (PEM). */
        readonly ca: string
      }
    | undefined
  /** The client id of the server's main principal. Default `local-client`. */
  readonly clientId?: string | undefined
  /** Its secret. Default: a random one, which a data folder stores. */
  readonly clientSecret?: Redacted.Redacted<string> | undefined
  /** Additional service principals with their grants. */
  readonly principals?: ReadonlyArray<LocalPrincipal> | undefined
  /**
   * The subjects (`sub`) of JWTs that act as the principal of `clientId`, in addition to its id.
   */
  readonly subjects?: ReadonlyArray<string> | undefined
  /**
   * Identity providers whose JWTs the token endpoint exchanges for tokens. Default: none. A server
   * in memory on loopback without any accepts JWTs without a signature (`alg` is `none`).
   */
  readonly trustedIssuers?: ReadonlyArray<TrustedIssuer> | undefined
  /** Lifetime of tokens. Default 1 hour. */
  readonly tokenLife?: Duration.Input | undefined
  /**
   * Logs server events through Effect: a line for each stream that is opened, closed or refused,
   * for each token and for each change of tables, and at most one line in 10 seconds for the
   * commits of a table. At debug level it also logs each message and commit. Default false.
   */
  readonly requestLog?: boolean | undefined
  /**
   * Serves the console, a page that shows the server live, on the HTTP port; `consoleUrl` is its
   * link. It is served on every `host`, so with `allowRemote` others who have the link can open it
   * too. Default false.
   */
  readonly console?: boolean | undefined
  /** Allows running when `NODE_ENV` is `production`. Default false. */
  readonly allowProduction?: boolean | undefined
}

/**
 * Options of a server on disk.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface ZerobusLocalDiskOptions extends ZerobusLocalOptions {
  /** The folder of the tables. Created if missing. */
  readonly dataDir: string
  /** Time between commits to the tables. Default 1 second, or 200 ms with `visibleOnceAcked`. */
  readonly flushInterval?: Duration.Input | undefined
  /**
   * Allows other users of the machine to read the tables: new folders have mode 0755 and new files
   * 0644. Default false: 0700 and 0600, regardless of the umask. Existing folders and files keep
   * their modes. Logs and keys are always private to the owner.
   */
  readonly sharedFiles?: boolean | undefined
  /**
   * Acknowledges records only when the table contains them, at each commit, so that a test can read
   * the table after each acknowledgement. Creates many small files. Default false: acknowledged
   * means durable in the log, and the table follows later.
   */
  readonly visibleOnceAcked?: boolean | undefined
}

/**
 * The options would expose the server or use it in production. `message` says what to change.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnsafeServer extends Data.TaggedError("UnsafeServer")<{
  /** What happened and what to do, as full sentences. */
  readonly message: string
}> {}

/** Refuses invalid options, access from other machines without token checks, and production. */
export const checkOptions = Effect.fnUntraced(function* (
  options: ZerobusLocalOptions
): Effect.fn.Return<void, UnsafeServer | InvalidArgument> {
  const problem = optionProblem(options)
  if (problem !== undefined) return yield* problem
  const host = options.host ?? "127.0.0.1"
  if (!isLoopback(host)) {
    if (options.allowRemote !== true) {
      return yield* new UnsafeServer({
        message:
          `The local server listens on loopback only. To let others reach it on ${host}, ` +
          `set allowRemote, and keep auth on.`
      })
    }
    if (options.auth === false) {
      return yield* new UnsafeServer({
        message:
          `The local server does not listen on ${host} without checking tokens. Turn ` +
          `auth on, or listen on 127.0.0.1.`
      })
    }
    yield* Effect.logWarning(
      `The local Zerobus server can be reached from other machines on ${host}. It is made for ` +
        `development.`
    )
  }
  const environment = yield* Effect.orElseSucceed(Config.String("NODE_ENV"), () => "")
  if (environment === "production" && options.allowProduction !== true) {
    return yield* new UnsafeServer({
      message:
        "NODE_ENV is production, and this server is made for development. Unset NODE_ENV, or " +
        "set allowProduction in a program if you mean it."
    })
  }
})

/** The problem with the options of any kind of server. */
export const optionProblem = (
  options: Partial<ZerobusLocalDiskOptions>
): InvalidArgument | undefined => {
  const refuse = (option: string, rule: string) =>
    new InvalidArgument({
      message: `The option ${option} of the local server must be ${rule}.`,
      path: [option]
    })
  for (const option of ["port", "httpPort"] as const) {
    const port = options[option] ?? 0
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      return refuse(option, "a port from 0 to 65535")
  }
  for (const option of ["tokenLife", "streamLife", "closeGrace", "ackInterval"] as const) {
    if (durationProblem(options[option]))
      return refuse(option, 'a duration such as "5 millis" that is not negative')
  }
  if (durationProblem(options.flushInterval)) {
    return refuse("flushInterval", 'a duration such as "1 second" that is not negative')
  }
  for (const limit of [options.rateLimit?.records, options.rateLimit?.bytes]) {
    if (limit !== undefined && !(limit > 0)) return refuse("rateLimit", "above 0")
  }
  if (options.hostNames?.some((name) => !isHostName(name))) {
    return refuse(
      "hostNames",
      'names and addresses such as "zerobus.test" and "10.0.0.5", without port'
    )
  }
  const untrusted = issuersProblem(options.trustedIssuers ?? [])
  if (untrusted !== undefined) {
    const message = `The option trustedIssuers of the local server ${untrusted}.`
    return new InvalidArgument({ message, path: ["trustedIssuers"] })
  }
  const all = [{ clientId: "local-client", ...options }, ...(options.principals ?? [])]
  const subjects = all.flatMap((each) => [...new Set([each.clientId, ...(each.subjects ?? [])])])
  const twice = subjects.find((subject, index) => subjects.indexOf(subject) !== index)
  if (twice !== undefined) {
    const message =
      `Two principals of the local server have the subject ` +
      `${JSON.stringify(twice)}. Leave it to one.`
    return new InvalidArgument({ message, path: ["subjects"] })
  }
  for (const option of ["auditBytes", "traceEvents"] as const) {
    const bound = options[option]
    if (bound !== undefined && !(bound >= 0)) return refuse(option, "0 or more")
  }
  return undefined
}

/** Whether a text is a host name or an address that a certificate and a Host header can contain. */
export const isHostName = (name: string): boolean =>
  isIP(name) !== 0
    ? !name.includes("%")
    : name.length <= 253 &&
      /^(?!\d+(?:\.\d+)*$)(?:(?:^|\.)[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?)+$/i.test(name)

const durationProblem = (input: Duration.Input | undefined): boolean => {
  if (input === undefined) return false
  const duration = Duration.fromInput(input)
  return Option.isNone(duration) || !(Duration.toMillis(duration.value) >= 0)
}

const millis = (input: Duration.Input | undefined, otherwise: number): number =>
  input === undefined ? otherwise : Duration.toMillis(Duration.fromInputUnsafe(input))

/** The stream limits from the options. */
export const limitsOf = (options: StreamOptions): StreamLimits => ({
  ...defaultLimits,
  streamLife: millis(options.streamLife, defaultLimits.streamLife),
  closeGrace: millis(options.closeGrace, defaultLimits.closeGrace),
  ackInterval: millis(options.ackInterval, defaultLimits.ackInterval),
  maxRecordsPerSecond: options.rateLimit?.records ?? Infinity,
  maxBytesPerSecond: options.rateLimit?.bytes ?? Infinity
})

/** The lifetime of tokens in milliseconds. */
export const tokenLifeOf = (options: ZerobusLocalOptions): number =>
  millis(options.tokenLife, 3_600_000)

/** Time between flushes in milliseconds. */
export const flushIntervalOf = (options: ZerobusLocalDiskOptions): number =>
  millis(options.flushInterval, options.visibleOnceAcked === true ? 200 : 1000)

/** The limits of audit and trace, with their defaults. */
export const boundsOf = (options: StreamOptions, auditBytes: number, traceEvents: number) => ({
  auditBytes: options.auditBytes ?? auditBytes,
  traceEvents: options.traceEvents ?? traceEvents
})
