/**
 * Pings that find dead connections and that servers accept.
 *
 * Servers limit how often a client may ping while no data flows: grpc-go and grpc-java close the
 * connection after a few pings that come less than five minutes apart. grpc-js pings at one
 * interval whether or not anything is awaited. So its keepalive stays off, and the connection is
 * pinged here:
 *
 *   something is in flight    after `interval` without a byte from the server
 *   nothing is in flight      after `idleInterval` without a byte from the server
 *
 * Time is counted in ticks of half an interval. A tick that finds new bytes sends nothing, so a
 * dead connection is found within interval + timeout of the last byte. An unanswered ping destroys
 * the HTTP/2 session. grpc-js does not hand out its session, so it is looked up inside a call;
 * where a version of grpc-js hides it, the operating system's TCP keepalive stands in.
 *
 * A connection that calls share can have several sessions: after a GOAWAY, earlier calls end on the
 * old session and later ones begin on a new one. Each session is pinged by itself. Node sends no
 * ping on a session that received a GOAWAY: there the TCP keepalive and the stream's
 * `serverLackOfAckTimeout` find a dead connection.
 */
import type { ClientHttp2Session } from "node:http2"
import { constants } from "node:http2"
import { ConnectFailure } from "../net/connector.ts"

/** The longest delay of a timer in milliseconds. Node fires a longer one after 1 ms. */
const LONGEST_DELAY = 2 ** 31 - 1

/** The interval in milliseconds beyond which refused pings do not slow down further. */
const SLOWEST = 3_600_000

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

  /** Doubles the interval, up to one hour, because a server refused a ping. */
  slowDown(): void {
    this.interval = Math.max(this.interval, Math.min(this.interval * 2, SLOWEST))
    if (this.refused) return
    this.refused = true
    this.onRefused(this.interval)
  }
}

/** Code of the failure of a connection whose server refused a ping. */
export const TOO_MANY_PINGS = "TOO_MANY_PINGS"

/** A call of a pinged connection. */
export interface PingedCall {
  readonly session: () => ClientHttp2Session | undefined
  /** Whether the client waits for the server. */
  readonly isInFlight: () => boolean
}

/** The pings for one call. */
export interface CallPings {
  /** Why the pings ended the session of the call; undefined while they have not. */
  readonly failure: () => ConnectFailure | undefined
  /** Ends the pings for this call. */
  readonly end: () => void
}

const text = (millis: number): string =>
  millis % 1000 === 0 ? `${millis / 1000} s` : `${millis} ms`

/** The pings of one HTTP/2 session. */
class SessionPings {
  private readonly session: ClientHttp2Session
  private readonly policy: PingPolicy
  private readonly beforeFailure: () => void
  private bytesRead = -1
  /** Milliseconds without a byte from the server, in whole ticks. */
  private quiet = 0
  private unanswered: NodeJS.Timeout | undefined
  failure: ConnectFailure | undefined

  /** `beforeFailure` runs while the session still has the calls that the failure ends. */
  constructor(session: ClientHttp2Session, policy: PingPolicy, beforeFailure: () => void) {
    this.session = session
    this.policy = policy
    this.beforeFailure = beforeFailure
    session.once("goaway", (code: number) => {
      if (code === constants.NGHTTP2_ENHANCE_YOUR_CALM) this.refused()
    })
  }

  /**
   * Pings if the server has been quiet for long enough; `tick` milliseconds passed since the last
   * look.
   */
  look(tick: number, isInFlight: boolean): void {
    if (this.session.destroyed || this.unanswered !== undefined) return
    const { bytesRead } = this.session.socket
    if (bytesRead !== this.bytesRead) {
      this.bytesRead = bytesRead
      this.quiet = 0
      return
    }
    this.quiet += tick
    if (this.quiet >= (isInFlight ? tick : this.policy.idleInterval)) this.ping()
  }

  private ping(): void {
    const { timeout } = this.policy
    this.quiet = 0
    this.unanswered = setTimeout(
      () => {
        this.fail("PING_TIMEOUT", `the server did not answer a ping within ${text(timeout)}`)
        this.session.destroy()
      },
      Math.min(timeout, LONGEST_DELAY)
    ).unref()
    const answered = () => {
      clearTimeout(this.unanswered)
      this.unanswered = undefined
    }
    // Not true, or a throw, for a session that received a GOAWAY or is ending.
    try {
      if (!this.session.ping(answered)) answered()
    } catch {
      answered()
    }
  }

  private refused(): void {
    const before = text(this.policy.interval)
    this.policy.slowDown()
    const now = text(this.policy.interval)
    this.fail(
      TOO_MANY_PINGS,
      `the server refused pings every ${before} (ENHANCE_YOUR_CALM); the interval is now ${now}`
    )
  }

  private fail(code: string, message: string): void {
    this.beforeFailure()
    this.failure = new ConnectFailure({ message, code, tls: false })
  }
}

/** The pings of one connection, which run while it carries calls. */
export class ConnectionPings {
  private readonly policy: PingPolicy
  /** The open calls, each with the pings of its session once that is found. */
  private readonly calls = new Map<PingedCall, SessionPings | undefined>()
  private readonly sessions = new WeakMap<ClientHttp2Session, SessionPings>()
  private timer: NodeJS.Timeout | undefined

  constructor(policy: PingPolicy) {
    this.policy = policy
  }

  /** Pings the session of this call too, until the call is ended. */
  add(call: PingedCall): CallPings {
    this.calls.set(call, undefined)
    this.schedule()
    return {
      failure: () => this.calls.get(call)?.failure,
      end: () => {
        this.calls.delete(call)
        if (this.calls.size > 0) return
        clearTimeout(this.timer)
        this.timer = undefined
      }
    }
  }

  private schedule(): void {
    if (this.timer !== undefined || this.calls.size === 0) return
    const tick = Math.min(Math.max(1, Math.ceil(this.policy.interval / 2)), LONGEST_DELAY)
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.look(tick)
      this.schedule()
    }, tick).unref()
  }

  private look(tick: number): void {
    this.findSessions()
    const sessions = new Map<SessionPings, boolean>()
    for (const [call, pings] of this.calls) {
      if (pings !== undefined)
        sessions.set(pings, sessions.get(pings) === true || call.isInFlight())
    }
    for (const [pings, isInFlight] of sessions) pings.look(tick, isInFlight)
  }

  /** Notes the session of each call. A call that ended has none, so it keeps the last one. */
  private findSessions(): void {
    for (const call of this.calls.keys()) {
      const session = call.session()
      if (session === undefined) continue
      let pings = this.sessions.get(session)
      if (pings === undefined) {
        pings = new SessionPings(session, this.policy, () => this.findSessions())
        this.sessions.set(session, pings)
      }
      this.calls.set(call, pings)
    }
  }
}
