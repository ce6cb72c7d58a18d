/**
 * The connections that calls travel on: one per call, or a few that calls share.
 *
 * A connection that served one call and ended in order may be kept for the next call, for a second.
 * So tables that take turns in a pool need no new connection for each visit.
 *
 * Servers limit the calls of a connection (SETTINGS_MAX_CONCURRENT_STREAMS). A call beyond that
 * would wait unnoticed until another ends. So a shared connection takes as many calls as its server
 * allows, and further calls use another connection. The limit is known once the server's settings
 * have arrived. Until then only the first call is made and the others wait; or as many are made as
 * the previous connection took.
 *
 * - A shared connection that was lost, announced its end, or left a call without any response takes
 *   no further call. It is closed with its last one.
 * - A shared connection without calls is closed if there is another one.
 * - A shared connection that could not be made fails all calls that wait for it. The next one is
 *   tried after a pause, for all calls made in the meantime.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ClientHttp2Session } from "node:http2"
import { Answer } from "../userCode/answer.ts"
import { type ChannelSettings, RouteCredentials } from "./grpcChannel.ts"
import { ConnectionPings } from "./grpcPings.ts"
import { sessionOf } from "./grpcSession.ts"

type Call = Grpc.ClientDuplexStream<Buffer, Buffer>

/** Milliseconds between attempts to make a shared connection, after one that failed. */
const CONNECT_PAUSE = 100

/** The largest part of an attempt's time for that pause, so that enough is left to connect. */
const PAUSE_SHARE = 0.1

/** Milliseconds that a connection is kept for the next call. */
const KEPT = 1_000

/** One connection: a separate channel of grpc-js. */
export class Connection {
  readonly client: Grpc.Client
  readonly credentials: RouteCredentials
  readonly pings: ConnectionPings | undefined
  /** Set when the connection was closed: no further call can be made on it. */
  closed = false
  /**
   * Set when a call on it ended without any response: it may be stuck, so it gets no further call.
   */
  stuck = false
  /** Set when its only call has ended in order, so that it may be kept for another one. */
  spare = false
  private waited: string | undefined

  constructor({ options, pings, route, target }: ChannelSettings) {
    this.credentials = new RouteCredentials(route)
    this.client = new Grpc.Client(target, this.credentials, options)
    this.pings = pings && new ConnectionPings(pings)
  }

  /** A call has begun on it. */
  began(_call: Call): void {}

  /** What the connection waits for, or waited for when it was closed, as the end of a sentence. */
  waitingFor(): string {
    return this.waited ?? this.credentials.waitingFor()
  }

  closeUnsafe(): void {
    this.waited = this.credentials.waitingFor()
    this.closed = true
    this.credentials.abort()
    this.client.close()
    // A closed client still waits for the first data of a server that sends none, and keeps the
    // socket open.
    if (this.stuck) this.credentials.disconnect()
  }
}

/** A connection that calls share. */
class SharedConnection extends Connection {
  /** Completes when the server's limit is known, or the first call has shown that it is not. */
  readonly settled = new Answer<void>()
  /** Open calls on it. */
  calls = 0
  /** Holders of the connection: open calls, and attempts to make one. */
  holders = 0
  private session: ClientHttp2Session | undefined
  private retired = false
  private first: Call | undefined

  /** Whether further calls may go on it. */
  get isUsable(): boolean {
    return !this.closed && !this.stuck && !this.retired
  }

  /** Whether calls fail at once because the connection could not be made. */
  get hasFailed(): boolean {
    const failed = Grpc.connectivityState.TRANSIENT_FAILURE
    return !this.closed && this.client.getChannel().getConnectivityState(false) === failed
  }

  /** How many calls the server allows; undefined while that is unknown. */
  get limit(): number | undefined {
    if (this.session === undefined) return undefined
    // A limit of 0 would cause new connections forever.
    return Math.max(1, this.session.remoteSettings?.maxConcurrentStreams ?? Infinity)
  }

  /** Finds the session of the first call, which holds the server's limit. */
  override began(call: Call): void {
    if (this.first !== undefined) return
    this.first = call
    const look = (): void => {
      if (this.session === undefined) this.noteSession(sessionOf(call))
    }
    const settle = (): void => {
      look()
      this.settled.doneUnsafe(Exit.void)
    }
    call.once("metadata", settle)
    call.once("status", settle)
    const channel = this.client.getChannel()
    const watch = (): void => {
      if (this.settled.isDone || this.closed) return
      const state = channel.getConnectivityState(false)
      if (state !== Grpc.connectivityState.READY)
        return channel.watchConnectivityState(state, Infinity, watch)
      // By the next turn the call has its stream in the session.
      setImmediate(() => {
        look()
        if (this.session !== undefined) settle()
      })
    }
    watch()
  }

  private noteSession(session: ClientHttp2Session | undefined): void {
    if (session === undefined) return
    this.session = session
    const retire = (): void => void (this.retired = true)
    session.once("goaway", retire)
    session.once("close", retire)
  }
}

/** What a call has to wait for before it is made. */
export interface Wait {
  readonly until: Effect.Effect<void>
  /** What the wait is for, as the end of a sentence. */
  readonly waitingFor: () => string
}

/** Provides connections for calls, and takes them back. */
export interface Connections {
  /**
   * What an attempt of at most `limit` milliseconds has to wait for before it takes a connection;
   * undefined when it can take one.
   */
  readonly pause: (limit: number) => Wait | undefined
  /** Returns a connection for a call, and what to wait for before the call is made. */
  readonly holdUnsafe: () => { readonly connection: Connection; readonly wait: Wait | undefined }
  /** Whether the call may be made after that wait. */
  readonly admitsUnsafe: (connection: Connection) => boolean
  /** Returns the connection; `called` when the call was made. */
  readonly giveUnsafe: (connection: Connection, called: boolean) => void
  /** Closes connections that calls share. */
  readonly closeUnsafe: () => void
}

/** A connection per call: a new one, or one that an ended call has returned. */
export class OwnConnections implements Connections {
  private readonly settings: ChannelSettings
  /** Connections without a call, each with its closing timer. The latest one is reused first. */
  private readonly kept = new Map<Connection, NodeJS.Timeout>()
  private over = false

  constructor(settings: ChannelSettings) {
    this.settings = settings
  }

  pause(): undefined {}

  holdUnsafe(): { readonly connection: Connection; readonly wait: undefined } {
    return { connection: this.takeKept() ?? new Connection(this.settings), wait: undefined }
  }

  admitsUnsafe(): boolean {
    return true
  }

  giveUnsafe(connection: Connection): void {
    if (this.over || !connection.spare) return connection.closeUnsafe()
    this.kept.set(connection, setTimeout(() => this.endKept(connection), KEPT).unref())
  }

  closeUnsafe(): void {
    this.over = true
    for (const connection of this.kept.keys()) this.endKept(connection)
  }

  private takeKept(): Connection | undefined {
    for (const connection of [...this.kept.keys()].reverse()) {
      this.forget(connection)
      if (
        connection.client.getChannel().getConnectivityState(false) === Grpc.connectivityState.READY
      ) {
        connection.spare = false
        return connection
      }
      connection.closeUnsafe()
    }
    return undefined
  }

  private endKept(connection: Connection): void {
    this.forget(connection)
    connection.closeUnsafe()
  }

  private forget(connection: Connection): void {
    clearTimeout(this.kept.get(connection))
    this.kept.delete(connection)
  }
}

/** Connections that calls share. */
export class SharedConnections implements Connections {
  private readonly settings: ChannelSettings
  private readonly now: () => number
  private readonly connections = new Set<SharedConnection>()
  /** The call limit that was read last; undefined before. */
  private usual: number | undefined
  /** The latest connection that could not be made, and when that was, in milliseconds. */
  private failed: { readonly at: number; readonly connection: Connection } | undefined

  /** `now` gives monotonic milliseconds. */
  constructor(settings: ChannelSettings, now: () => number) {
    this.settings = settings
    this.now = now
  }

  pause(limit: number): Wait | undefined {
    const { failed } = this
    if (failed === undefined || this.find() !== undefined) return undefined
    const millis = failed.at + Math.min(CONNECT_PAUSE, limit * PAUSE_SHARE) - this.now()
    return millis > 0
      ? { until: Effect.sleep(millis), waitingFor: () => failed.connection.waitingFor() }
      : undefined
  }

  holdUnsafe(): { readonly connection: Connection; readonly wait: Wait | undefined } {
    const found = this.find()
    const connection = found ?? new SharedConnection(this.settings)
    this.connections.add(connection)
    const waits = found !== undefined && !found.settled.isDone && this.usual === undefined
    connection.holders++
    if (!waits) connection.calls++
    const wait = { until: connection.settled.await, waitingFor: () => connection.waitingFor() }
    return { connection, wait: waits ? wait : undefined }
  }

  admitsUnsafe(connection: Connection): boolean {
    const shared = connection as SharedConnection
    // All calls must fail with the reason that failed the first one.
    const admits =
      shared.hasFailed || (shared.isUsable && shared.calls < (shared.limit ?? Infinity))
    if (admits) shared.calls++
    return admits
  }

  giveUnsafe(connection: Connection, called: boolean): void {
    const shared = connection as SharedConnection
    shared.holders--
    if (called) shared.calls--
    if (called && shared.stuck && shared.limit === undefined)
      this.failed = { at: this.now(), connection }
    if (shared.holders > 0) return
    const spare = [...this.connections].some((other) => other !== shared && other.isUsable)
    if (shared.isUsable && !spare) return
    this.connections.delete(shared)
    connection.closeUnsafe()
  }

  closeUnsafe(): void {
    for (const connection of this.connections) connection.closeUnsafe()
  }

  /**
   * The connection with the fewest calls among those with room; undefined when a new one is needed.
   */
  private find(): SharedConnection | undefined {
    let best: SharedConnection | undefined
    for (const connection of this.connections) {
      if (!connection.isUsable) continue
      const { calls, limit, settled } = connection
      if (limit !== undefined) this.usual = limit
      // If the limit stays unknown, there is none to observe. While it may still become known, many
      // calls may be waiting for it.
      const most = limit ?? (settled.isDone ? Infinity : (this.usual ?? Infinity))
      if (calls < most && (best === undefined || calls < best.calls)) best = connection
    }
    return best
  }
}
