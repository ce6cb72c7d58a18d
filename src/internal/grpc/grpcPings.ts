/**
 * Pings that find dead connections and that servers accept.
 *
 * Servers limit how often a client may ping while no data flows: grpc-go and grpc-java close the
 * connection after a few pings that come less than five minutes apart. grpc-js pings at one interval
 * whether or not anything is awaited. So its keepalive stays off, and the connection is pinged here:
 *
 *   something is in flight    after `interval` without a byte from the server
 *   nothing is in flight      after `idleInterval` without a byte from the server
 *
 * Time is counted in ticks of half an interval. A tick that finds new bytes sends nothing, so a dead
 * connection is found within interval + timeout of the last byte. An unanswered ping destroys the
 * HTTP/2 session. grpc-js does not hand out its session, so it is looked up inside a call; where a
 * version of grpc-js hides it, the operating system's TCP keepalive stands in.
 */
import type * as Grpc from "@grpc/grpc-js"
import type { ClientHttp2Session } from "node:http2"
import { constants } from "node:http2"
import { ConnectFailure } from "../net/connector.ts"

/** Times of pings to one endpoint, in milliseconds. They hold for later connections too. */
export class PingPolicy {
  interval: number
  readonly timeout: number
  readonly idleInterval: number
  private readonly onRefused: (interval: number) => void
  private refused = false

  /** `onRefused` is called with the new interval when a server refuses pings for the first time. */
  constructor(
    times: { readonly interval: number; readonly timeout: number; readonly idleInterval: number },
    onRefused: (interval: number) => void
  ) {
    this.interval = times.interval
    this.timeout = times.timeout
    this.idleInterval = times.idleInterval
    this.onRefused = onRefused
  }

  /** Doubles the interval because a server refused a ping. */
  slowDown(): void {
    this.interval *= 2
    if (this.refused) return
    this.refused = true
    this.onRefused(this.interval)
  }
}

/** Code of the failure of a connection whose server refused a ping. */
export const TOO_MANY_PINGS = "TOO_MANY_PINGS"

/** The inside of grpc-js's calls, as far as it is followed. Everything may be missing. */
interface Inside {
  readonly call?: Inside | null
  readonly child?: Inside | null
  readonly underlyingCalls?: ReadonlyArray<{ readonly call?: Inside }>
  readonly http2Stream?: { readonly session?: ClientHttp2Session }
}

/** The HTTP/2 session that carries a call; undefined before it is connected or where it is not found. */
export const sessionOf = (call: Grpc.ClientDuplexStream<Buffer, Buffer>): ClientHttp2Session | undefined => {
  let layer = call.call as Inside | null | undefined
  for (let depth = 0; layer !== undefined && layer !== null && depth < 8; depth++) {
    const session = layer.http2Stream?.session
    if (session !== undefined) return typeof session.ping === "function" ? session : undefined
    layer = layer.underlyingCalls?.[0]?.call ?? layer.child ?? layer.call
  }
  return undefined
}

/** A call of a pinged connection. */
export interface PingedCall {
  readonly session: () => ClientHttp2Session | undefined
  /** Whether the client waits for the server. */
  readonly isInFlight: () => boolean
}

const text = (millis: number): string => (millis % 1000 === 0 ? `${millis / 1000} s` : `${millis} ms`)

/** The pings of one connection, which run while it carries calls. */
export class ConnectionPings {
  private readonly policy: PingPolicy
  private readonly calls = new Set<PingedCall>()
  private timer: NodeJS.Timeout | undefined
  private session: ClientHttp2Session | undefined
  private bytesRead = -1
  /** Milliseconds without a byte from the server, in whole ticks. */
  private quiet = 0
  private unanswered: NodeJS.Timeout | undefined
  /** Why the pings ended the connection; undefined while they have not. */
  failure: ConnectFailure | undefined

  constructor(policy: PingPolicy) {
    this.policy = policy
  }

  /** Pings for this call too. Returns what ends that. */
  add(call: PingedCall): () => void {
    this.calls.add(call)
    this.schedule()
    return () => {
      this.calls.delete(call)
      if (this.calls.size > 0) return
      clearTimeout(this.timer)
      this.timer = undefined
    }
  }

  private get tick(): number {
    return Math.max(1, Math.ceil(this.policy.interval / 2))
  }

  private schedule(): void {
    if (this.timer !== undefined || this.calls.size === 0) return
    const { tick } = this
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.look(tick)
      this.schedule()
    }, tick).unref()
  }

  private look(tick: number): void {
    const session = this.findSession()
    if (session === undefined || session.destroyed || this.unanswered !== undefined) return
    const { bytesRead } = session.socket
    if (bytesRead !== this.bytesRead) {
      this.bytesRead = bytesRead
      this.quiet = 0
      return
    }
    this.quiet += tick
    const isInFlight = [...this.calls].some((call) => call.isInFlight())
    if (this.quiet >= (isInFlight ? tick : this.policy.idleInterval)) this.ping(session)
  }

  private findSession(): ClientHttp2Session | undefined {
    for (const call of this.calls) {
      const session = call.session()
      if (session === undefined) continue
      if (session !== this.session) {
        this.session = session
        this.bytesRead = -1
        this.failure = undefined
        this.answered()
        session.once("goaway", (code: number) => {
          if (code === constants.NGHTTP2_ENHANCE_YOUR_CALM) this.refused()
        })
      }
      return session
    }
    return undefined
  }

  private ping(session: ClientHttp2Session): void {
    const { timeout } = this.policy
    this.quiet = 0
    this.unanswered = setTimeout(() => {
      const message = `the server did not answer a ping within ${text(timeout)}`
      this.failure = new ConnectFailure({ message, code: "PING_TIMEOUT", tls: false })
      session.destroy()
    }, timeout).unref()
    const answered = () => this.answered()
    // False, or a throw, for a session that is ending: its calls end without the pings.
    try {
      if (!session.ping(answered)) answered()
    } catch {
      answered()
    }
  }

  private answered(): void {
    clearTimeout(this.unanswered)
    this.unanswered = undefined
  }

  private refused(): void {
    const before = text(this.policy.interval)
    this.policy.slowDown()
    const message = `the server refused pings every ${before} (ENHANCE_YOUR_CALM); the interval is now ${text(this.policy.interval)}`
    this.failure = new ConnectFailure({ message, code: TOO_MANY_PINGS, tls: false })
  }
}
