/**
 * Turns the client's settings into those of a gRPC channel: target, credentials that make its
 * connections, keepalive, user agent.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Socket } from "node:net"
import type { KeepaliveOptions } from "../../StreamConfigurationOptions.ts"
import type { InvalidArgument, InvalidEndpoint } from "../../ZerobusError.ts"
import { checkZerobusOptions, type ZerobusOptions } from "../../ZerobusOptions.ts"
import { PingPolicy } from "./grpcPings.ts"
import { complete, ConnectFailure, firstHop, type Route, toFailure } from "../net/connector.ts"
import { authorityOf, parseEndpoint } from "../net/endpoint.ts"
import { LARGEST_RESPONSE, plainChannel } from "./grpcReplies.ts"
import { proxyName } from "../net/proxy.ts"
import { routeTo } from "../net/route.ts"

/** The settings of channels to the Zerobus endpoint. */
export interface ChannelSettings {
  readonly target: string
  readonly route: Route
  readonly options: Grpc.ClientOptions
  /** How connections are pinged; undefined when `keepalive` is `"off"`. */
  readonly pings: PingPolicy | undefined
}

/** The product in front of an application's own name in the user agent. */
const PRODUCT = "effect-zerobus"

/** Milliseconds without traffic after which the operating system probes a connection. */
const TCP_KEEPALIVE = 60_000

/** Alerts by which a server refuses the client's certificate, or its absence. */
const lateRefusal = /^ERR_SSL_.*ALERT_(?:.*CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)/

/**
 * The settings of a client. Those of TLS may need services `R`.
 *
 * @inline
 */
export type ChannelOptions<R> = Omit<ZerobusOptions<unknown>, "tls"> &
  Pick<ZerobusOptions<R>, "tls">

/** Checks the settings of the channel and combines them. */
export const channelSettings = <R = never>(
  options: ChannelOptions<R>
): Effect.Effect<ChannelSettings, InvalidEndpoint | InvalidArgument, R> =>
  Effect.gen(function* () {
    yield* checkZerobusOptions(options)
    const endpoint = yield* Effect.fromResult(
      parseEndpoint(options.serverEndpoint, "The Zerobus endpoint")
    )
    const application = options.applicationName?.trim() ?? ""
    const keepalive = options.keepalive === "off" ? undefined : (options.keepalive ?? {})
    const route = yield* routeTo(endpoint, options, "h2")
    const log = yield* Effect.map(Effect.context(), Effect.runForkWith)
    return {
      // With an explicit scheme, a host named "unix" or "ipv4" is not taken for a scheme.
      target: `dns:${authorityOf(firstHop(route))}`,
      route,
      options: {
        "channelFactoryOverride": plainChannel,
        "grpc.default_authority": authorityOf(endpoint),
        // Every client has its own connection: programs share connections by sharing a client.
        "grpc.use_local_subchannel_pool": 1,
        "grpc.enable_retries": 0,
        // Its statistics cost two dates per message, and nothing reads them.
        "grpc.enable_channelz": 0,
        "grpc.max_send_message_length": -1,
        "grpc.max_receive_message_length": LARGEST_RESPONSE,
        "grpc.primary_user_agent": application === "" ? PRODUCT : `${PRODUCT} ${application}`,
        "grpc.service_config_disable_resolution": 1,
        "grpc.initial_reconnect_backoff_ms": 100,
        // The route handles the proxy, also for the workspace's HTTP.
        "grpc.enable_http_proxy": 0
      },
      pings: keepalive === undefined ? undefined : pingPolicy(keepalive, endpoint.host, log)
    }
  })

const pingPolicy = (
  { idleInterval = "5 minutes", interval = "20 seconds", timeout = "10 seconds" }: KeepaliveOptions,
  host: string,
  log: (effect: Effect.Effect<void>) => unknown
): PingPolicy =>
  new PingPolicy(
    {
      interval: wholeMillis(interval),
      timeout: wholeMillis(timeout),
      idleInterval: wholeMillis(idleInterval)
    },
    (slower) => {
      const advice =
        "Set keepalive.interval to what the server or the proxy in front of it accepts."
      log(
        Effect.logWarning(
          `${host} refuses pings this often. The interval is now ${slower} ms. ${advice}`
        )
      )
    }
  )

const wholeMillis = (value: Duration.Input): number =>
  Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(value)))

/** The progress of one attempt to connect. */
interface Progress {
  /** Completed steps. */
  done: number
  /** What it waits for, as the end of a sentence; undefined when it has ended. */
  waitingFor: string | undefined
}

/**
 * Channel credentials that make the connection themselves: through the proxy and with the client's
 * TLS rules, which must hold for every connection. They keep the error of the latest attempt, since
 * a channel reports only a text.
 */
export class RouteCredentials extends Grpc.ChannelCredentials {
  private failure: ConnectFailure | undefined
  readonly route: Route
  /** Connections that are being made, each with its abort controller. */
  private readonly pending = new Set<AbortController>()
  private aborted = false
  /** Every open one: grpc-js may race several addresses and keep any of them. */
  private readonly sockets = new Set<Socket>()
  /** The latest attempt for each address. */
  private readonly attempts = new Set<Progress>()

  constructor(route: Route) {
    super()
    this.route = route
  }

  /** Aborts connections that are being made. */
  abort(): void {
    this.aborted = true
    for (const attempt of this.pending) attempt.abort()
  }

  /** Ends every connection at once: unwritten data is not sent any more. */
  disconnect(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  /**
   * Why the latest connection could not be made. It applies to all calls that wait for it, since
   * none of them gets another one.
   */
  get latestFailure(): ConnectFailure | undefined {
    return this.failure
  }

  /** What the most advanced attempt to connect waits for, as the end of a sentence. */
  waitingFor(): string {
    let furthest: Progress | undefined
    for (const attempt of this.attempts) {
      if (
        attempt.waitingFor !== undefined &&
        (furthest === undefined || attempt.done > furthest.done)
      )
        furthest = attempt
    }
    return furthest?.waitingFor ?? `the address of ${firstHop(this.route).host} (name resolution)`
  }

  override _isSecure(): boolean {
    return this.route.endpoint.secure
  }

  override _equals(other: Grpc.ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(): Grpc.experimental.SecureConnector {
    const { proxy } = this.route
    const progress: Progress = { done: 0, waitingFor: undefined }
    this.attempts.add(progress)
    const step = (waitingFor: string) => {
      progress.done++
      progress.waitingFor = waitingFor
    }
    return {
      connect: async (socket) => {
        const attempt = new AbortController()
        const { signal } = attempt
        // Aborted while grpc-js was connecting: it destroys the socket of a connector that fails,
        // but keeps one that it is given.
        if (this.aborted) attempt.abort()
        this.pending.add(attempt)
        socket.setKeepAlive(true, TCP_KEEPALIVE)
        try {
          signal.throwIfAborted()
          const connected = await complete(this.route, socket, signal, step)
          signal.throwIfAborted()
          this.failure = undefined
          this.sockets.add(connected)
          step("the server's HTTP/2 settings")
          connected.once("close", () => {
            this.sockets.delete(connected)
            progress.waitingFor = undefined
          })
          // With TLS 1.3 the client completes the handshake before the server has checked its
          // certificate.
          connected.on("error", (error: NodeJS.ErrnoException) => {
            if (lateRefusal.test(error.code ?? "")) this.failure = toFailure(error)
          })
          return { socket: connected, secure: this.route.endpoint.secure }
        } catch (error) {
          this.failure = error instanceof ConnectFailure ? error : undefined
          progress.waitingFor = undefined
          throw error
        } finally {
          this.pending.delete(attempt)
        }
      },
      // grpc-js waits for this once it has an address, before it connects to that.
      waitForReady: () => {
        progress.done = 0
        progress.waitingFor = `a TCP connection to ${
          proxy === undefined ? authorityOf(firstHop(this.route)) : proxyName(proxy)
        }`
        return Promise.resolve()
      },
      getCallCredentials: () => Grpc.CallCredentials.createEmpty(),
      destroy: () => {
        this.attempts.delete(progress)
      }
    }
  }
}
