/**
 * The connections that calls travel on: one for each call, or few that calls share.
 *
 * A connection that one call had for itself and has ended in order may be kept for the next call,
 * for a second: tables that take turns in a pool need no new connection for each visit.
 *
 * Servers limit the calls of a connection (SETTINGS_MAX_CONCURRENT_STREAMS), and a call beyond that
 * would wait unseen until another ends. So a shared connection takes as many as its server allows,
 * and the next ones go on a further connection. How many that is shows with the server's settings:
 * until then only the first call is made, and the others wait; or as many are as the connection
 * before took.
 *
 * | a shared connection | then |
 * | --- | --- |
 * | was lost, announced its end, or left a call without any answer | takes no further call, and is closed with its last one |
 * | has no call left while another one is there | is closed |
 * | could not be made | fails all who waited for it; the next one is tried after a pause, for all who ask meanwhile |
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

/**
 * The most of its time that an attempt spends on that pause, so that the rest is enough to connect.
 */
const PAUSE_SHARE = 0.1

/** Milliseconds that a connection is kept for the next call. */
const KEPT = 1_000

/** One connection: a channel of grpc-js that nobody else has. */
export class Connection {
  readonly client: Grpc.Client
  readonly credentials: RouteCredentials
  readonly pings: ConnectionPings | undefined
  /** Set when it was given up: no further call can be made on it. */
  closed = false
  /**
   * Set when a call on it ended without any answer: it may be stuck, so no further call gets it.
   */
  stuck = false
  /**
   * Set when the call that had it for itself has ended in order, and it may be kept for another
   * one.
   */
  spare = false
  private waited: string | undefined

  constructor({ options, pings, route, target }: ChannelSettings) {
    this.credentials = new RouteCredentials(route)
    this.client = new Grpc.Client(target, this.credentials, options)
    this.pings = pings && new ConnectionPings(pings)
  }

  /** A call has begun on it. */
  began(_call: Call): void {}

  /**
   * What keeps it from having reached the server, or has done so when it was closed, as the end of
   * a sentence.
   */
  waitingFor(): string {
    return this.waited ?? this.credentials.waitingFor()
  }

  closeUnsafe(): void {
    this.waited = this.credentials.waitingFor()
    this.closed = true
    this.credentials.abort()
    this.client.close()
    // A closed client still waits for the first word of a server that never says one, and the
    // socket with it.
    if (this.stuck) this.credentials.disconnect()
  }
}

/** A connection that calls share. */
class SharedConnection extends Connection {
  /**
   * Completes when it is known how many calls the server allows, or the first call has shown that
   * it is not.
   */
  readonly settled = new Answer<void>()
  /** Calls that were made on it and are open. */
  calls = 0
  /** How many hold it: for a call, or to make one. */
  holders = 0
  private session: ClientHttp2Session | undefined
  private retired = false
  private first: Call | undefined

  /** Whether further calls may go on it. */
  get isUsable(): boolean {
    return !this.closed && !this.stuck && !this.retired
  }

  /** Whether a call fails at once, for the reason why the connection could not be made. */
  get hasFailed(): boolean {
    const failed = Grpc.connectivityState.TRANSIENT_FAILURE
    return !this.closed && this.client.getChannel().getConnectivityState(false) === failed
  }

  /** How many calls the server allows; undefined where that is not known. */
  get limit(): number | undefined {
    if (this.session === undefined) return undefined
    // None at all would mean another connection for ever.
    return Math.max(1, this.session.remoteSettings?.maxConcurrentStreams ?? Infinity)
  }

  /** Looks for the session of the first call, which shows what the server allows. */
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
      // By the next turn the call has its place in the session.
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
  /** The same as the end of a sentence. */
  readonly waitingFor: () => string
}

/** Gives calls the connections that they travel on, and takes them back. */
export interface Connections {
  /**
   * What an attempt that may take so many milliseconds has to wait for before it takes a
   * connection; undefined when it can take one.
   */
  readonly pause: (limit: number) => Wait | undefined
  /** A connection to hold for a call, and what to wait for before that is made. */
  readonly holdUnsafe: () => { readonly connection: Connection; readonly wait: Wait | undefined }
  /** Whether the call may be made after that wait. */
  readonly admitsUnsafe: (connection: Connection) => boolean
  /** The connection is held no more; `called` when the call was made. */
  readonly giveUnsafe: (connection: Connection, called: boolean) => void
  /** Ends connections that calls share. */
  readonly closeUnsafe: () => void
}

/** A connection for each call: a new one, or one that an ended call has left. */
export class OwnConnections implements Connections {
  private readonly settings: ChannelSettings
  /**
   * Connections without a call, each with the timer of its end; the one that was left last is taken
   * first.
   */
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
  /** How many calls servers allowed that were looked at last; undefined before. */
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
    // What kept the first call from its way is told to all.
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
   * The connection with the fewest calls of those that take one; undefined when another is to be
   * made.
   */
  private find(): SharedConnection | undefined {
    let best: SharedConnection | undefined
    for (const connection of this.connections) {
      if (!connection.isUsable) continue
      const { calls, limit, settled } = connection
      if (limit !== undefined) this.usual = limit
      // Where the limit stays unknown, there is none that could be kept; while it is, those who
      // wait may be many.
      const most = limit ?? (settled.isDone ? Infinity : (this.usual ?? Infinity))
      if (calls < most && (best === undefined || calls < best.calls)) best = connection
    }
    return best
  }
}
