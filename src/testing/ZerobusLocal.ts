/**
 * A Zerobus server on the own machine, as layers: for tests in memory, and on disk with real Delta tables.
 *
 * Three faces on loopback: the gRPC service with the protocol's strict checks, the OAuth token endpoint and the Unity Catalog tables
 * API. Faults are scripted with `Faults`, and `audit` tells what was received, durable and acknowledged. The server runs on real time
 * and real sockets also where a test has a virtual clock. It is made for development, not for production.
 *
 * @example
 * layer(ZerobusLocal.layerMemory, { excludeTestServices: true })("orders", (it) => {
 *   it.effect("arrive", () => Effect.gen(function*() {
 *     const local = yield* ZerobusLocal
 *     yield* local.createTable("main.default.orders(id BIGINT, item STRING)")
 *   }))
 * })
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { observedStore } from "../local/activity/observedStore.ts"
import { observedStreams } from "../local/activity/observedStreams.ts"
import { makeRequestLog } from "../local/activity/requestLog.ts"
import type { Tell } from "../local/activity/serverEvent.ts"
import { folderCertificates, makeCertificates, type ServerCertificates } from "../local/endpoints/certificates.ts"
import { makeDurableTableStore } from "../local/store/durableTableStore.ts"
import type { ConnectionFault } from "../local/faults/faultySocket.ts"
import { serveGrpc } from "../local/endpoints/grpcService.ts"
import { type HttpFault, type HttpPart, makeHttpScript } from "../local/faults/httpScript.ts"
import { httpService } from "../local/endpoints/httpService.ts"
import type { PortUnavailable } from "../local/endpoints/listener.ts"
import type { ServedHosts } from "../local/endpoints/requestAccess.ts"
import { makeMemoryTableStore } from "../local/store/memoryTableStore.ts"
import { makePrincipals, type Principal } from "../local/auth/principals.ts"
import { makeServerCounters } from "../local/endpoints/serverCounters.ts"
import { folderIdentity, newIdentity, secretOf, type ServerIdentity } from "../local/auth/serverIdentity.ts"
import type { StorageFailure } from "../local/log/storageErrors.ts"
import { makeStreamHub } from "../local/stream/streamHost.ts"
import type { TableStoreShape } from "../local/store/tableStore.ts"
import { makeTimers } from "../local/timers.ts"
import { makeTokenMint } from "../local/auth/tokens.ts"
import { makeTrace } from "../local/faults/trace.ts"
import { Zerobus } from "../Zerobus.ts"
import type { InvalidArgument } from "../ZerobusError.ts"
import {
  boundsOf,
  checkOptions,
  flushIntervalOf,
  isLoopback,
  limitsOf,
  tokenLifeOf,
  type UnsafeServer,
  type ZerobusLocalDiskOptions,
  type ZerobusLocalOptions
} from "./localOptions.ts"
import { serveHttp } from "./serveHttp.ts"
import { serverScript, type ZerobusScript } from "./serverScript.ts"

/** What {@link ZerobusLocal} offers. */
export interface ZerobusLocalShape extends ZerobusScript {
  /** `http://host:port` of the gRPC face. */
  readonly serverEndpoint: string
  /** `http://host:port` of the token endpoint and the catalog. */
  readonly workspaceUrl: string
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted<string>
  /** All service principals, that of `clientId` first. */
  readonly principals: ReadonlyArray<Principal>
  /** The authority (PEM) that clients must trust, and where it lies; undefined without TLS. */
  readonly tls: { readonly ca: string; readonly caPath: string | undefined } | undefined
  /** Gives the next connection to the gRPC face these faults; called again, the one after that. */
  readonly injectConnection: (...faults: ReadonlyArray<ConnectionFault>) => Effect.Effect<void>
  /** Adds faults to the script of the token endpoint and the catalog. */
  readonly injectHttp: (...faults: ReadonlyArray<HttpFault>) => Effect.Effect<void>
  /** Removes the faults of the token endpoint and the catalog. */
  readonly clearHttpFaults: Effect.Effect<void>
  /** How many requests a part of the HTTP face got; for `token` that is how often tokens were asked for. */
  readonly httpRequests: (part: HttpPart) => Effect.Effect<number>
}

/** How long stopping waits for records under way to become durable and acknowledged. */
const shutdownMillis = 1000

/** The request log, or nothing. */
const requestLogOf = ({ requestLog }: ZerobusLocalOptions): Effect.Effect<Tell, never, Scope.Scope> =>
  requestLog === true ? Effect.clockWith((clock) => makeRequestLog(makeTimers(clock))) : Effect.succeed(() => {})

const start = Effect.fnUntraced(function* (
  given: TableStoreShape,
  tell: Tell,
  identity: ServerIdentity,
  tls: (ServerCertificates & { readonly caPath?: string }) | undefined,
  options: ZerobusLocalOptions,
  bounds: { readonly auditBytes: number; readonly traceEvents: number }
): Effect.fn.Return<ZerobusLocalShape, PortUnavailable, Scope.Scope> {
  const timers = makeTimers(yield* Clock.Clock)
  const store = observedStore(given, tell)
  const counters = makeServerCounters()
  const trace = makeTrace(bounds.traceEvents, timers.now)
  const { auditBytes } = bounds
  const hub = makeStreamHub({
    store,
    timers,
    limits: limitsOf(options),
    observe: observedStreams(tell, timers.now, () => counters.observer),
    auditBytes,
    trace: bounds.traceEvents > 0 ? trace : undefined
  })
  const mint = makeTokenMint(identity.tokenKey)
  const clientId = options.clientId ?? identity.clientId
  const clientSecret = options.clientSecret ?? identity.clientSecret
  const further = (options.principals ?? []).map((principal) => ({
    ...principal,
    clientSecret: principal.clientSecret ?? secretOf(identity, principal.clientId)
  }))
  const principals = makePrincipals([{ clientId, clientSecret }, ...further])
  const auth = options.auth ?? true
  const script = makeHttpScript((part, action) =>
    trace.add({ event: "http", part, ...(action === undefined ? {} : { action }) })
  )
  /** Per connection to come, oldest first. */
  const connectionFaults: Array<ReadonlyArray<ConnectionFault>> = []
  const host = options.host ?? "127.0.0.1"

  const http = yield* serveHttp({
    host,
    port: options.httpPort ?? 0,
    tls,
    app: httpService({
      store,
      timers,
      mint,
      principals,
      auth,
      tokenLifeMillis: tokenLifeOf(options),
      metrics: counters.prometheus,
      script,
      tell,
      onStored: counters.observer.received,
      hosts: servedHosts(options)
    })
  })
  const grpc = yield* serveGrpc({
    host,
    port: options.port ?? 0,
    tls,
    connectionFaults: () => {
      const faults = connectionFaults.shift() ?? []
      trace.add({ event: "socket", faults })
      return faults
    },
    streams: hub,
    auth: auth ? { mint, principals } : undefined
  })
  // Before the ports close: what is stored is acknowledged, so that clients send as little as possible again.
  yield* Effect.addFinalizer(() => hub.shutdown(shutdownMillis))
  // A wildcard address is for listening, not for calling.
  const called = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host

  const scheme = tls === undefined ? "http" : "https"

  return {
    ...serverScript({
      store,
      hub,
      counters,
      trace,
      onReplay: ({ connections, http }) => {
        connectionFaults.push(...connections)
        http.forEach(script.inject)
      }
    }),
    serverEndpoint: `${scheme}://${called}:${grpc.port}`,
    workspaceUrl: `${scheme}://${called}:${http.port}`,
    clientId,
    clientSecret,
    principals: principals.all,
    tls: tls === undefined ? undefined : { ca: tls.ca, caPath: tls.caPath },
    injectConnection: (...faults) => Effect.sync(() => void connectionFaults.push(faults)),
    injectHttp: (...faults) => Effect.sync(() => faults.forEach(script.inject)),
    clearHttpFaults: Effect.sync(script.clear),
    httpRequests: (part) => Effect.sync(() => script.count(part))
  }
})

/** The names and addresses a made certificate is for. */
const certifiedHosts = ({ host = "127.0.0.1", hostNames = [] }: ZerobusLocalOptions): ReadonlyArray<string> => {
  const own = ["localhost", "127.0.0.1", "::1"]
  const listened = host === "0.0.0.0" || host === "::" ? [] : [host]
  return [...new Set([...own, ...listened, ...hostNames])]
}

/** The names and addresses under which requests may ask for the server. */
const servedHosts = ({ host = "127.0.0.1", hostNames = [] }: ZerobusLocalOptions): ServedHosts => ({
  names: [host, ...hostNames].map((name) => (name.includes(":") ? `[${name}]` : name)),
  anyAddress: !isLoopback(host)
})

/** What can keep a server from starting. */
export type StartFailure = PortUnavailable | UnsafeServer | InvalidArgument | StorageFailure

/** Sockets and disks run on real time, whatever clock a test has. */
const onRealTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Clock.Clock, Clock.Clock.defaultValue())

/** The local server. Its layers provide it together with a {@link Zerobus} client that is connected to it. */
export class ZerobusLocal extends Context.Service<ZerobusLocal, ZerobusLocalShape>()("effect-zerobus/ZerobusLocal") {
  /** Only the server, on disk. */
  static readonly layerServer = (options: ZerobusLocalDiskOptions): Layer.Layer<ZerobusLocal, StartFailure> =>
    Layer.effect(
      this,
      Effect.gen(function* () {
        yield* checkOptions(options)
        const tell = yield* requestLogOf(options)
        const store = yield* makeDurableTableStore({
          folder: options.dataDir,
          readers: options.sharedFiles === true ? "everyone" : "owner",
          flushIntervalMillis: flushIntervalOf(options),
          visibleOnceAcked: options.visibleOnceAcked ?? false,
          committed: (tableName, { rows, version }) => tell({ _tag: "TableCommitted", tableName, rows, version })
        })
        const identity = yield* folderIdentity(options.dataDir)
        const now = yield* Clock.currentTimeMillis
        const tls =
          options.tls === true
            ? yield* folderCertificates(options.dataDir, certifiedHosts(options), now)
            : options.tls || undefined
        return yield* start(store, tell, identity, tls, options, boundsOf(options, 0, 0))
      }).pipe(onRealTime)
    )

  /** Only the server, in memory. */
  static readonly layerServerMemory = (options: ZerobusLocalOptions = {}): Layer.Layer<ZerobusLocal, StartFailure> =>
    Layer.effect(
      this,
      Effect.gen(function* () {
        yield* checkOptions(options)
        const tell = yield* requestLogOf(options)
        const store = yield* makeMemoryTableStore
        const now = yield* Clock.currentTimeMillis
        const tls = options.tls === true ? makeCertificates(certifiedHosts(options), now) : options.tls || undefined
        return yield* start(store, tell, yield* newIdentity, tls, options, boundsOf(options, 256 * 1024 * 1024, 10_000))
      }).pipe(onRealTime)
    )

  /** The client of whatever local server there is. */
  static readonly layerClient: Layer.Layer<Zerobus, never, ZerobusLocal> = Layer.unwrap(
    Effect.map(ZerobusLocal, ({ clientId, clientSecret, serverEndpoint, tls, workspaceUrl }) =>
      Layer.orDie(
        Zerobus.layer({
          serverEndpoint,
          workspaceUrl,
          clientId,
          clientSecret,
          proxy: false,
          ...(tls === undefined ? {} : { tls: { ca: tls.ca } })
        })
      )
    )
  )

  /** Server and client; the server keeps real Delta tables below `dataDir`. */
  static readonly layer = (options: ZerobusLocalDiskOptions): Layer.Layer<ZerobusLocal | Zerobus, StartFailure> =>
    Layer.provideMerge(Layer.fresh(ZerobusLocal.layerClient), ZerobusLocal.layerServer(options))

  /** Server and client in memory, with options. */
  static readonly layerMemoryWith = (options: ZerobusLocalOptions): Layer.Layer<ZerobusLocal | Zerobus, StartFailure> =>
    Layer.provideMerge(Layer.fresh(ZerobusLocal.layerClient), ZerobusLocal.layerServerMemory(options))

  /** Server and client in memory, on free ports of loopback. */
  static readonly layerMemory: Layer.Layer<ZerobusLocal | Zerobus, StartFailure> = ZerobusLocal.layerMemoryWith({})
}
