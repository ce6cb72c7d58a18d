/**
 * The options of the local server, and the checks that keep it a server for development.
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
 * A further service principal of a server.
 *
 * @since 0.2.0
 * @category models
 */
export interface LocalPrincipal {
  /** The id that it requests tokens with. */
  readonly clientId: string
  /**
   * Default: one made for the server, which a data folder keeps. `ZerobusLocalShape.principals` has
   * it.
   */
  readonly clientSecret?: Redacted.Redacted<string> | undefined
  /** The subjects (`sub`) of JWTs that act as this principal; its client id is one in any case. */
  readonly subjects?: ReadonlyArray<string> | undefined
  /** Everything is granted when left out. */
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
  /** How long a stream lives until it gets a close signal; default 15 minutes. */
  readonly streamLife?: Duration.Input | undefined
  /** How long it stays open after that; default 1 minute. */
  readonly closeGrace?: Duration.Input | undefined
  /** The least time between two acknowledgements of a stream; default 5 ms. */
  readonly ackInterval?: Duration.Input | undefined
  /**
   * Slows each stream down to this pace; default no limit. The service's limits are 100,000 records
   * and 100 MB a second.
   */
  readonly rateLimit?:
    | {
        /** Records a second. */
        readonly records?: number | undefined
        /** Bytes a second. */
        readonly bytes?: number | undefined
      }
    | undefined
  /** Record bytes each table's audit keeps; default 256 MiB in memory, 0 (counts only) on disk. */
  readonly auditBytes?: number | undefined
  /**
   * Events that `trace` keeps, see `docs/testing.md`; default 10,000 in memory, 0 (no trace) on
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
  /** Decides every latency; default 1. */
  readonly seed?: number | undefined
  /** How long each message takes between client and server, in order; default 1 ms. */
  readonly latency?: Latency | undefined
  /** How long records take to become durable, in order; default 1 ms. */
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
   * The address to listen on; default `127.0.0.1`. One that is not loopback needs `allowRemote` and
   * works only with `auth`.
   */
  readonly host?: string | undefined
  /** Port of the gRPC face; default 0, a free one. */
  readonly port?: number | undefined
  /** Port of the HTTP face (tokens, catalog); default 0, a free one. */
  readonly httpPort?: number | undefined
  /** Listens on addresses others can reach; default false. */
  readonly allowRemote?: boolean | undefined
  /**
   * Further host names and addresses under which clients reach the server, such as
   * `host.docker.internal` or the name of a container. Requests may name them, and the certificate
   * of `tls: true` is for them.
   */
  readonly hostNames?: ReadonlyArray<string> | undefined
  /** Whether tokens are checked as the service does; default true. */
  readonly auth?: boolean | undefined
  /**
   * TLS on both faces. `true` makes an authority and a certificate (on disk they are kept in
   * `<dataDir>/.tls`); clients trust them with `ca`. Or bring key and certificate, both PEM, and
   * the authority that signed them. Default: plaintext.
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
  /** The client id that `environment` names; default `local-client`. */
  readonly clientId?: string | undefined
  /** Its secret; default one made at random, which a data folder keeps. */
  readonly clientSecret?: Redacted.Redacted<string> | undefined
  /** Further service principals, with what they may do. */
  readonly principals?: ReadonlyArray<LocalPrincipal> | undefined
  /** The subjects (`sub`) of JWTs that act as the principal of `clientId`, beside its id. */
  readonly subjects?: ReadonlyArray<string> | undefined
  /**
   * Identity providers whose JWTs the token endpoint exchanges for tokens; default: none. A server
   * in memory on loopback without any takes JWTs that have no signature (`alg` is `none`).
   */
  readonly trustedIssuers?: ReadonlyArray<TrustedIssuer> | undefined
  /** How long tokens are good; default 1 hour. */
  readonly tokenLife?: Duration.Input | undefined
  /**
   * Logs what happens, through Effect: a line for each stream that is opened, closed or refused,
   * each token and each change of the tables, and at most one in 10 seconds about the commits of a
   * table; at the level debug also each message and commit. Default false.
   */
  readonly requestLog?: boolean | undefined
  /**
   * Serves the console, a page that shows the server live, at the address of the HTTP face;
   * `consoleUrl` is its link. On every `host`, so others who have the link reach it too where
   * `allowRemote` lets them. Default false.
   */
  readonly console?: boolean | undefined
  /** Runs although `NODE_ENV` is `production`; default false. */
  readonly allowProduction?: boolean | undefined
}

/**
 * Options of a server on disk.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface ZerobusLocalDiskOptions extends ZerobusLocalOptions {
  /** The folder of the tables; made when missing. */
  readonly dataDir: string
  /** Time between commits to the tables; default 1 second, or 200 ms with `visibleOnceAcked`. */
  readonly flushInterval?: Duration.Input | undefined
  /**
   * Lets other users of the machine read the tables: new folders get mode 0755 and new files 0644.
   * Default false: 0700 and 0600, whatever the umask. Existing folders and files keep their modes;
   * logs and keys are for the owner in any case.
   */
  readonly sharedFiles?: boolean | undefined
  /**
   * Acknowledges records only when the table shows them, at each commit, so that a test can read
   * the table after each acknowledgement. Makes many small files. Default false: acknowledged means
   * durable in the log, and the table follows.
   */
  readonly visibleOnceAcked?: boolean | undefined
}

/**
 * The options would make the server reachable or used in a way it is not made for. `message` says
 * what to change.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnsafeServer extends Data.TaggedError("UnsafeServer")<{
  /** What happened and what to do, as full sentences. */
  readonly message: string
}> {}

/** Refuses options that are none, other machines without a check of tokens, and production. */
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

/** What is wrong with the options, whatever server they are for. */
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

/** Whether a text is a host name or an address, as a certificate and a Host header can have it. */
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

/** The limits of streams that the options ask for. */
export const limitsOf = (options: StreamOptions): StreamLimits => ({
  ...defaultLimits,
  streamLife: millis(options.streamLife, defaultLimits.streamLife),
  closeGrace: millis(options.closeGrace, defaultLimits.closeGrace),
  ackInterval: millis(options.ackInterval, defaultLimits.ackInterval),
  maxRecordsPerSecond: options.rateLimit?.records ?? Infinity,
  maxBytesPerSecond: options.rateLimit?.bytes ?? Infinity
})

/** How long tokens are good, in milliseconds. */
export const tokenLifeOf = (options: ZerobusLocalOptions): number =>
  millis(options.tokenLife, 3_600_000)

/** Time between flushes in milliseconds. */
export const flushIntervalOf = (options: ZerobusLocalDiskOptions): number =>
  millis(options.flushInterval, options.visibleOnceAcked === true ? 200 : 1000)

/** What the audit and the trace keep, given what they keep when nothing is said. */
export const boundsOf = (options: StreamOptions, auditBytes: number, traceEvents: number) => ({
  auditBytes: options.auditBytes ?? auditBytes,
  traceEvents: options.traceEvents ?? traceEvents
})
