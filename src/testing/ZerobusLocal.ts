/**
 * A local Zerobus server, as layers: in memory for tests, or on disk with real Delta tables.
 *
 * It serves three APIs on loopback: the gRPC service with the protocol's strict checks, the OAuth
 * token endpoint and the Unity Catalog tables API. `Faults` scripts failures, and `audit` reports
 * received, durable and acknowledged records. The server uses real time and real sockets even when
 * a test has a virtual clock. It is made for development, not for production.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { observedStore } from "../local/activity/observedStore.ts"
import { type Listeners, makeListeners } from "../local/activity/listeners.ts"
import { observedStreams, observedTwice } from "../local/activity/observedStreams.ts"
import { makeRequestLog } from "../local/activity/requestLog.ts"
import {
  folderCertificates,
  makeCertificates,
  type ServerCertificates
} from "../local/endpoints/certificates.ts"
import { makeDurableTableStore } from "../local/store/durableTableStore.ts"
import type { ConnectionFault } from "../local/faults/faultySocket.ts"
import { serveGrpc } from "../local/endpoints/grpcService.ts"
import { type HttpFault, type HttpPart, makeHttpScript } from "../local/faults/httpScript.ts"
import { httpService } from "../local/endpoints/httpService.ts"
import type { PortUnavailable } from "../local/endpoints/listener.ts"
import type { ServedHosts } from "../local/endpoints/requestAccess.ts"
import { makeMemoryTableStore } from "../local/store/memoryTableStore.ts"
import { makePrincipals, type Principal } from "../local/auth/principals.ts"
import { makeSubjectTokens } from "../local/auth/subjectTokens.ts"
import { makeServerCounters } from "../local/endpoints/serverCounters.ts"
import {
  folderIdentity,
  newIdentity,
  secretOf,
  type ServerIdentity
} from "../local/auth/serverIdentity.ts"
import type { StorageFailure } from "../local/log/storageErrors.ts"
import { makeStreamHub } from "../local/stream/streamHost.ts"
import type { ObserveStream } from "../local/stream/streamContract.ts"
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
import { clientVariables, secretVariable } from "./clientVariables.ts"
import { serveHttp } from "./serveHttp.ts"
import type { ServerConsole } from "./serverConsole.ts"
import { serverScript, type ZerobusScript } from "./serverScript.ts"

/**
 * The methods of {@link ZerobusLocal}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ZerobusLocalShape extends ZerobusScript {
  /** URL of the gRPC service: `http://host:port`. */
  readonly serverEndpoint: string
  /** URL of the token endpoint and the catalog: `http://host:port`. */
  readonly workspaceUrl: string
  /** The client id of the server's own service principal. */
  readonly clientId: string
  /** Its secret. */
  readonly clientSecret: Redacted.Redacted<string>
  /** All service principals; that of `clientId` comes first. */
  readonly principals: ReadonlyArray<Principal>
  /**
   * The certificate authority (PEM) that clients must trust, and its path. Undefined without TLS.
   */
  readonly tls:
    | {
        /** The certificate of the authority (PEM). */
        readonly ca: string
        /** Its file; undefined for a server in memory. */
        readonly caPath: string | undefined
      }
    | undefined
  /** The link to the console, with its token. Undefined without the option `console`. */
  readonly consoleUrl: Redacted.Redacted<string> | undefined
  /**
   * Injects faults into the next connection to the gRPC service. A second call applies to the
   * connection after that.
   */
  readonly injectConnection: (...faults: ReadonlyArray<ConnectionFault>) => Effect.Effect<void>
  /** Injects faults into the token endpoint and the catalog. */
  readonly injectHttp: (...faults: ReadonlyArray<HttpFault>) => Effect.Effect<void>
  /** Removes the faults of the token endpoint and the catalog. */
  readonly clearHttpFaults: Effect.Effect<void>
  /**
   * Number of requests to the token endpoint or the catalog. For `token`, the number of token
   * requests.
   */
  readonly httpRequests: (part: HttpPart) => Effect.Effect<number>
}

/**
 * How long stopping waits for records in flight to become durable and acknowledged, in
 * milliseconds.
 */
const shutdownMillis = 1000

/** The listeners for server events: the request log, if enabled. */
const listenersOf = Effect.fnUntraced(function* ({
  requestLog
}: ZerobusLocalOptions): Effect.fn.Return<Listeners, never, Scope.Scope> {
  const listeners = makeListeners()
  if (requestLog === true)
    listeners.add(yield* Effect.clockWith((clock) => makeRequestLog(makeTimers(clock))))
  return listeners
})

type Reached = Pick<ZerobusLocalShape, "clientId" | "serverEndpoint" | "tls" | "workspaceUrl">

/** The parts in which a server in memory and one on disk differ. */
interface Parts {
  readonly store: TableStoreShape
  readonly listeners: Listeners
  readonly identity: ServerIdentity
  readonly tls: (ServerCertificates & { readonly caPath?: string }) | undefined
  readonly dataDir: string | undefined
  readonly bounds: { readonly auditBytes: number; readonly traceEvents: number }
}

const start = Effect.fnUntraced(function* (
  { bounds, dataDir, identity, listeners, store: given, tls }: Parts,
  options: ZerobusLocalOptions
): Effect.fn.Return<ZerobusLocalShape, PortUnavailable, Scope.Scope> {
  const { tell } = listeners
  const timers = makeTimers(yield* Clock.Clock)
  const store = observedStore(given, tell)
  const counters = makeServerCounters()
  const trace = makeTrace(bounds.traceEvents, timers.now)
  const { auditBytes } = bounds
  const clientId = options.clientId ?? identity.clientId
  const clientSecret = options.clientSecret ?? identity.clientSecret
  const scheme = tls === undefined ? "http" : "https"
  const startConsole: Effect.Effect<ServerConsole> = Effect.flatMap(
    Effect.promise(() => import("./serverConsole.ts")),
    ({ makeServerConsole }) =>
      makeServerConsole({
        store,
        timers,
        scheme,
        dataDir,
        secret: clientSecret,
        scriptOf: (name) => hub.script(name),
        environment: () => ({ environment: clientVariables(reached()), secretName: secretVariable })
      })
  )
  const ownConsole = options.console === true ? yield* startConsole : undefined
  if (ownConsole !== undefined) listeners.add(ownConsole.feed.tell)
  const counted: ObserveStream = () => counters.observer
  const hub = makeStreamHub({
    store,
    timers,
    limits: limitsOf(options),
    observe: observedStreams(
      tell,
      timers.now,
      ownConsole === undefined ? counted : observedTwice(counted, ownConsole.feed.observe)
    ),
    auditBytes,
    trace: bounds.traceEvents > 0 ? trace : undefined
  })
  const mint = makeTokenMint(identity.tokenKey)
  const further = (options.principals ?? []).map((principal) => ({
    ...principal,
    clientSecret: principal.clientSecret ?? secretOf(identity, principal.clientId)
  }))
  const principals = makePrincipals([
    { clientId, clientSecret, subjects: options.subjects },
    ...further
  ])
  const issuers = options.trustedIssuers ?? []
  const subjects = makeSubjectTokens(
    issuers,
    dataDir === undefined && issuers.length === 0 && isLoopback(options.host ?? "127.0.0.1")
  )
  const auth = options.auth ?? true
  const script = makeHttpScript((part, action) => {
    trace.add({ event: "http", part, ...(action === undefined ? {} : { action }) })
    if (action !== undefined) tell({ _tag: "HttpFaultStruck", part, action: action._tag })
  })
  /** Faults of each future connection, next one first. */
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
      subjects,
      auth,
      tokenLifeMillis: tokenLifeOf(options),
      metrics: counters.prometheus,
      script,
      tell,
      onStored: (tableName, records, bytes) => {
        counters.observer.received(records, bytes)
        ownConsole?.feed.stored(tableName, records, bytes)
      },
      console: ownConsole?.routes,
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
      if (faults.length > 0)
        tell({ _tag: "ConnectionFaultsStruck", actions: faults.map(({ _tag }) => _tag) })
      return faults
    },
    streams: hub,
    auth: auth ? { mint, principals } : undefined
  })
  // Runs before the ports close: stored records are acknowledged, so that clients send fewer
  // records again.
  yield* Effect.addFinalizer(() => hub.shutdown(shutdownMillis))
  // Clients cannot connect to a wildcard address.
  const called =
    host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host
  const reached = (): Reached => ({
    serverEndpoint: `${scheme}://${called}:${grpc.port}`,
    workspaceUrl: `${scheme}://${called}:${http.port}`,
    clientId,
    tls: tls === undefined ? undefined : { ca: tls.ca, caPath: tls.caPath }
  })

  return {
    ...reached(),
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
    clientSecret,
    principals: principals.all,
    consoleUrl:
      ownConsole &&
      Redacted.make(`${reached().workspaceUrl}/${Redacted.value(ownConsole.fragment)}`),
    injectConnection: (...faults) => Effect.sync(() => void connectionFaults.push(faults)),
    injectHttp: (...faults) => Effect.sync(() => faults.forEach(script.inject)),
    clearHttpFaults: Effect.sync(script.clear),
    httpRequests: (part) => Effect.sync(() => script.count(part))
  }
})

/** The names and addresses of a generated certificate. */
const certifiedHosts = ({
  host = "127.0.0.1",
  hostNames = []
}: ZerobusLocalOptions): ReadonlyArray<string> => {
  const own = ["localhost", "127.0.0.1", "::1"]
  const listened = host === "0.0.0.0" || host === "::" ? [] : [host]
  return [...new Set([...own, ...listened, ...hostNames])]
}

/** The names and addresses allowed in the Host header of requests. */
const servedHosts = ({ host = "127.0.0.1", hostNames = [] }: ZerobusLocalOptions): ServedHosts => ({
  names: [host, ...hostNames].map((name) => (name.includes(":") ? `[${name}]` : name)),
  anyAddress: !isLoopback(host)
})

/**
 * The errors that can prevent a server from starting.
 *
 * @since 0.1.0
 * @category errors
 */
export type StartFailure = PortUnavailable | UnsafeServer | InvalidArgument | StorageFailure

/** Sockets and disks use real time, regardless of the test's clock. */
const onRealTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Clock.Clock, Clock.Clock.defaultValue())

/**
 * The local server. Most layers provide it together with a connected {@link Zerobus} client.
 *
 * @example
 * layer(ZerobusLocal.layerMemory, { excludeTestServices: true })("orders", (it) => {
 *   it.effect("arrive", () => Effect.gen(function*() {
 *     const local = yield* ZerobusLocal
 *     yield* local.createTable("main.default.orders(id BIGINT, item STRING)")
 *   }))
 * })
 *
 * @since 0.1.0
 * @category services
 */
export class ZerobusLocal extends Context.Service<ZerobusLocal, ZerobusLocalShape>()(
  "effect-zerobus/ZerobusLocal"
) {
  /** The server alone, on disk. */
  static readonly layerServer = (
    options: ZerobusLocalDiskOptions
  ): Layer.Layer<ZerobusLocal, StartFailure> =>
    Layer.effect(
      this,
      Effect.gen(function* () {
        yield* checkOptions(options)
        const listeners = yield* listenersOf(options)
        const store = yield* makeDurableTableStore({
          folder: options.dataDir,
          readers: options.sharedFiles === true ? "everyone" : "owner",
          flushIntervalMillis: flushIntervalOf(options),
          visibleOnceAcked: options.visibleOnceAcked ?? false,
          committed: (tableName, { rows, version }) =>
            listeners.tell({ _tag: "TableCommitted", tableName, rows, version })
        })
        const identity = yield* folderIdentity(options.dataDir)
        const now = yield* Clock.currentTimeMillis
        const tls =
          options.tls === true
            ? yield* folderCertificates(options.dataDir, certifiedHosts(options), now)
            : options.tls || undefined
        const bounds = boundsOf(options, 0, 0)
        return yield* start(
          { store, listeners, identity, tls, dataDir: options.dataDir, bounds },
          options
        )
      }).pipe(onRealTime)
    )

  /** The server alone, in memory. */
  static readonly layerServerMemory = (
    options: ZerobusLocalOptions = {}
  ): Layer.Layer<ZerobusLocal, StartFailure> =>
    Layer.effect(
      this,
      Effect.gen(function* () {
        yield* checkOptions(options)
        const listeners = yield* listenersOf(options)
        const store = yield* makeMemoryTableStore
        const now = yield* Clock.currentTimeMillis
        const tls =
          options.tls === true
            ? makeCertificates(certifiedHosts(options), now)
            : options.tls || undefined
        const identity = yield* newIdentity
        const bounds = boundsOf(options, 256 * 1024 * 1024, 10_000)
        return yield* start(
          { store, listeners, identity, tls, dataDir: undefined, bounds },
          options
        )
      }).pipe(onRealTime)
    )

  /** A client connected to the provided local server. */
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

  /** Server and client. The server stores real Delta tables below `dataDir`. */
  static readonly layer = (
    options: ZerobusLocalDiskOptions
  ): Layer.Layer<ZerobusLocal | Zerobus, StartFailure> =>
    Layer.provideMerge(Layer.fresh(ZerobusLocal.layerClient), ZerobusLocal.layerServer(options))

  /** Server and client in memory, with options. */
  static readonly layerMemoryWith = (
    options: ZerobusLocalOptions
  ): Layer.Layer<ZerobusLocal | Zerobus, StartFailure> =>
    Layer.provideMerge(
      Layer.fresh(ZerobusLocal.layerClient),
      ZerobusLocal.layerServerMemory(options)
    )

  /** Server and client in memory, on free ports of loopback. */
  static readonly layerMemory: Layer.Layer<ZerobusLocal | Zerobus, StartFailure> =
    ZerobusLocal.layerMemoryWith({})
}
