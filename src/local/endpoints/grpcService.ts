/**
 * The gRPC endpoint of the local server: accepts calls on a port, checks their headers and tokens,
 * and passes each to `serverStream.ts`.
 *
 * Messages are passed on as raw bytes, read by `requestReader.ts`; `serverStream.ts` interprets
 * them. The port is opened here and its connections are passed to grpc-js, so that a scripted fault
 * can cut the socket of a call.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { tableNameProblem } from "../../internal/columns/columnNames.ts"
import { DO_PUT_PATH } from "../../internal/flight/flightData.ts"
import type { ServerCertificates } from "./certificates.ts"
import { type ConnectionFault, faultySocket } from "../faults/faultySocket.ts"
import { listen, type PortUnavailable } from "./listener.ts"
import { RequestReader } from "./requestReader.ts"
import { type Authority, refuseIngest } from "../auth/ingestTokens.ts"
import {
  invalidArgument,
  permissionDenied,
  printable,
  type ServerStatus,
  unauthenticated
} from "../stream/serverStatus.ts"
import { type RpcName, rpcs, type StartCall } from "../stream/rpcs.ts"
import type { Peer, StreamHost } from "../stream/streamContract.ts"

/** Options of the gRPC endpoint. */
export interface GrpcServiceOptions {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly streams: StreamHost
  /** Checks tokens and privileges; undefined accepts every call. */
  readonly auth: Authority | undefined
  /**
   * Milliseconds after which a connection is pinged, and how long it may take to reply; 60,000 and
   * 20,000 by default. A connection that does not reply is closed, even if it never sent anything.
   */
  readonly keepalive?: { readonly time: number; readonly timeout: number } | undefined
  /** Called once for each new connection; returns its faults. */
  readonly connectionFaults: () => ReadonlyArray<ConnectionFault>
  /** Key and certificate, both PEM; plaintext when left out. */
  readonly tls?: ServerCertificates | undefined
}

/** The most revoked tokens kept; the oldest are dropped first. */
const maxRevoked = 1000

/**
 * The largest gRPC message: the service's limit of 10 MiB of records, and room for their framing.
 * grpc-js refuses larger messages.
 */
const maxMessageBytes = 16 * 1024 * 1024
/** The most concurrent calls of one connection. */
const maxConcurrentCalls = 1000
const drainMillis = 500

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

/** The path of each RPC. */
const paths: Readonly<Record<RpcName, string>> = {
  EphemeralStream: "/databricks.zerobus.Zerobus/EphemeralStream",
  PersistentStream: "/databricks.zerobus.Zerobus/PersistentStream",
  RetireStream: "/databricks.zerobus.Zerobus/RetireStream",
  DoPut: DO_PUT_PATH
}

/** Serves streams until the scope closes; returns the port. Fails with `PortUnavailable`. */
export const serveGrpc = Effect.fnUntraced(function* (
  options: GrpcServiceOptions
): Effect.fn.Return<{ readonly port: number }, PortUnavailable, Scope.Scope> {
  const server = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new Grpc.Server({
          "grpc.max_receive_message_length": maxMessageBytes,
          "grpc.max_send_message_length": maxMessageBytes,
          "grpc.max_concurrent_streams": maxConcurrentCalls,
          "grpc.keepalive_time_ms": options.keepalive?.time ?? 60_000,
          "grpc.keepalive_timeout_ms": options.keepalive?.timeout ?? 20_000
        })
    ),
    (server) => Effect.sync(() => server.forceShutdown())
  )
  const credentials =
    options.tls === undefined
      ? Grpc.ServerCredentials.createInsecure()
      : Grpc.ServerCredentials.createSsl(null, [
          {
            private_key: Buffer.from(Redacted.value(options.tls.key)),
            cert_chain: Buffer.from(options.tls.cert)
          }
        ])
  const revoked = new Set<string>()
  const injector = server.createConnectionInjector(credentials)
  const listener = yield* listen({
    host: options.host,
    port: options.port,
    accept: (socket) => {
      const faults = options.connectionFaults()
      injector.injectConnection(
        faults.length === 0 ? socket : faultySocket(socket, faults, options.streams.timers)
      )
    }
  })
  // The last responses must still be sent: connections close once their calls have ended, and the
  // others are cut after a time limit.
  yield* Effect.addFinalizer(() => {
    injector.destroy()
    return listener.drained(drainMillis)
  })
  for (const name of Object.keys(rpcs) as ReadonlyArray<RpcName>) {
    server.register(
      paths[name],
      (call: Grpc.ServerDuplexStream<Uint8Array, Uint8Array>) =>
        serveCall(call, rpcs[name], options, revoked, (how) => {
          const socket = listener.socketOf(call.getPeer())
          if (how === "reset") socket?.resetAndDestroy()
          else socket?.destroy()
        }),
      asBuffer,
      (bytes) => bytes,
      "bidi"
    )
  }
  return { port: listener.port }
})

const serveCall = (
  call: Grpc.ServerDuplexStream<Uint8Array, Uint8Array>,
  start: StartCall,
  options: GrpcServiceOptions,
  revoked: Set<string>,
  cut: (how: "reset" | "fin") => void
): void => {
  let over = false
  const requests = new RequestReader(call, maxMessageBytes)
  const end = () => {
    over = true
    requests.end()
  }
  call.on("error", () => {})
  const peer: Peer = {
    write: (response) => {
      if (!over) call.write(response)
    },
    finish: (status) => {
      if (over) return
      end()
      if (status === undefined) call.end()
      else call.emit("error", asError(status))
    },
    cut: (how) => {
      end()
      cut(how)
    },
    pause: () => requests.pause(),
    resume: () => requests.resume(),
    release: (view) => requests.release(view),
    revoke: () => {
      const authorization = authorizationOf(call.metadata)
      if (authorization === undefined) return
      revoked.add(authorization)
      if (revoked.size > maxRevoked) revoked.delete(revoked.values().next().value!)
    },
    address: call.getPeer()
  }
  const tableName = call.metadata.get(tableHeader)[0]?.toString()
  const refusal = refusalOf(call.metadata, tableName, options, revoked)
  if (refusal !== undefined || tableName === undefined) {
    options.streams
      .observe({ id: undefined, tableName: printable(tableName ?? ""), address: peer.address })
      .refused(undefined, refusal)
    return peer.finish(refusal)
  }
  const stream = start(options.streams, peer, tableName)
  // Clients built on tonic send nothing before they receive the response headers. A call that was
  // already refused has trailers only.
  if (!over) call.sendMetadata(new Grpc.Metadata())
  requests.start(stream.receive)
  call.on("end", () => afterTurns(turnsUntilCancelled, () => over || stream.halfClosed()))
  call.on("cancelled", () => {
    end()
    stream.cancelled()
  })
}

const tableHeader = "x-databricks-zerobus-table-name"

/** Why the call is refused; undefined when it is not. */
const refusalOf = (
  metadata: Grpc.Metadata,
  tableName: string | undefined,
  { auth, streams }: GrpcServiceOptions,
  revoked: ReadonlySet<string>
): ServerStatus | undefined => {
  if (tableName === undefined) return invalidArgument(`The header ${tableHeader} is missing`, 4010)
  const problem = tableNameProblem(tableName)
  if (problem !== undefined) return invalidArgument(problem, 4010, 2)
  const authorization = authorizationOf(metadata)
  if (authorization !== undefined && revoked.has(authorization)) {
    return unauthenticated("The token has expired, fetch a new one")
  }
  if (auth === undefined) return undefined
  const refusal = refuseIngest(auth, authorization, tableName, streams.timers.now())
  if (refusal === undefined) return undefined
  return refusal._tag === "Unauthenticated"
    ? unauthenticated(refusal.message)
    : permissionDenied(refusal.message)
}

/** A cancelled call looks like a half-closed one for this many turns of the event loop. */
const turnsUntilCancelled = 3

const afterTurns = (turns: number, then: () => void): void => {
  if (turns === 0) then()
  else setImmediate(afterTurns, turns - 1, then)
}

const authorizationOf = (metadata: Grpc.Metadata): string | undefined =>
  metadata.get("authorization")[0]?.toString()

const asError = (status: ServerStatus): Partial<Grpc.StatusObject> => {
  const metadata = new Grpc.Metadata()
  if (status.details !== undefined)
    metadata.set("grpc-status-details-bin", Buffer.from(status.details))
  return { code: status.code, details: status.message, metadata }
}
