/**
 * The transport over gRPC. The only module of the client that touches `@grpc/grpc-js`; its objects do not leave it.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { channelSettings, type ChannelSettings, RouteCredentials } from "./internal/grpc/grpcChannel.ts"
import { toFailure } from "./internal/grpc/grpcFailures.ts"
import { FrameReader } from "./internal/grpc/grpcFrameReader.ts"
import { FrameSender } from "./internal/grpc/grpcFrames.ts"
import { type CallPings, ConnectionPings } from "./internal/grpc/grpcPings.ts"
import { onGoAway, sessionOf } from "./internal/grpc/grpcSession.ts"
import { clientClosed, type Rpc, Transport, type TransportCall, type TransportFailure } from "./Transport.ts"
import type { InvalidArgument, InvalidEndpoint } from "./ZerobusError.ts"
import type { ZerobusOptions } from "./ZerobusOptions.ts"

const SERVICE = "/databricks.zerobus.Zerobus"

const identity = (bytes: Buffer): Buffer => bytes

/**
 * A transport to `serverEndpoint` over gRPC and HTTP/2. Each call has a connection of its own unless `connectionPerStream` is false.
 * Fails with `InvalidEndpoint`, or with `InvalidArgument` for TLS, proxy or application settings that cannot be used.
 */
export const layer = (options: ZerobusOptions<unknown>): Layer.Layer<Transport, InvalidEndpoint | InvalidArgument> =>
  Layer.effect(
    Transport,
    Effect.gen(function* () {
      const settings = yield* channelSettings(options)
      const exclusive = options.connectionPerStream !== false
      const connection = yield* exclusive ? ownConnections(settings) : sharedConnection(settings)
      return {
        open: Effect.fnUntraced(function* (headers, rpc = "EphemeralStream") {
          return yield* openCall(yield* connection, rpc, headers, exclusive)
        })
      }
    })
  )

interface Connection {
  readonly client: Grpc.Client
  readonly credentials: RouteCredentials
  readonly pings: ConnectionPings | undefined
  /** Calls that are open on it. */
  calls: number
  /** Set when it was given up: no further call can be made on it. */
  closed: boolean
  /** Set when a call on it ended without any answer: it may be stuck, so no further call gets it. */
  stuck: boolean
}

const makeConnection = ({ options, pings, route, target }: ChannelSettings): Connection => {
  const credentials = new RouteCredentials(route)
  return {
    credentials,
    client: new Grpc.Client(target, credentials, options),
    pings: pings && new ConnectionPings(pings),
    calls: 0,
    closed: false,
    stuck: false
  }
}

const closeConnection = (connection: Connection): Effect.Effect<void> =>
  Effect.sync(() => {
    const { client, credentials, stuck } = connection
    connection.closed = true
    credentials.abort()
    client.close()
    // A closed client still waits for the first word of a server that never says one, and the socket with it.
    if (stuck) credentials.disconnect()
  })

/** A connection for each call. */
const ownConnections = Effect.fnUntraced(function* (settings: ChannelSettings) {
  let over = false
  yield* Effect.addFinalizer(() => Effect.sync(() => void (over = true)))
  return Effect.acquireRelease(
    Effect.suspend(() => (over ? clientClosed : Effect.succeed(makeConnection(settings)))),
    closeConnection
  )
})

/** One connection for all calls, replaced when a call found it stuck: a channel never gives up an attempt to connect by itself. */
const sharedConnection = Effect.fnUntraced(function* (settings: ChannelSettings) {
  let current: Connection | undefined
  let over = false
  yield* Effect.addFinalizer(() => {
    over = true
    return current === undefined ? Effect.void : closeConnection(current)
  })
  return Effect.acquireRelease(
    // Check and create synchronously: yielding in between could create a second connection that
    // nobody closes.
    Effect.suspend(() => {
      if (over) return clientClosed
      if (current === undefined || current.stuck) current = makeConnection(settings)
      current.calls++
      return Effect.succeed(current)
    }),
    (connection) => {
      connection.calls--
      return connection.stuck && connection.calls === 0 ? closeConnection(connection) : Effect.void
    }
  )
})

/** Responses that may wait to be read before the call is read no further. */
const WAITING_RESPONSES = 1024

/** Bytes handed over and not written yet at which the call counts as full: enough that the socket never waits for the next. */
const HIGH_WATER = 1024 * 1024

const openCall = Effect.fnUntraced(function* (
  connection: Connection,
  rpc: Rpc,
  headers: Readonly<Record<string, string>>,
  exclusive: boolean
) {
  const { client, credentials, pings } = connection
  const metadata = new Grpc.Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  const responses = yield* Queue.bounded<Uint8Array, TransportFailure | Cause.Done>(WAITING_RESPONSES)
  const writable = Latch.makeUnsafe(true)
  let sent = 0
  let onSent: (() => void) | undefined
  let onResponse: ((response: Uint8Array) => void) | undefined
  let unwrittenRequests = 0
  let unwrittenBytes = 0
  /** Whether `writable` is closed for what is not written. */
  let full = false
  let ending = false
  let answered = false
  let isInFlight = () => true
  let callPings: CallPings | undefined
  let ignoreGoAway: (() => void) | undefined
  let onRetiring: (() => void) | undefined
  const { call, reader, sender } = yield* Effect.acquireRelease(
    Effect.gen(function* () {
      if (connection.closed) return yield* clientClosed
      const call = client.makeBidiStreamRequest(`${SERVICE}/${rpc}`, identity, identity, metadata)
      const reader = new FrameReader(call, (response) => onResponse?.(response))
      call.on("data", (bytes: Buffer) => {
        answered = true
        reader.arrived(bytes)
        if (onResponse !== undefined) return onResponse(bytes)
        if (Queue.offerUnsafe(responses, bytes)) return
        call.pause()
        Effect.runFork(
          Effect.andThen(
            Queue.offer(responses, bytes),
            Effect.sync(() => call.resume())
          )
        )
      })
      // With the headers of the response the call has a session, and what that announces later is seen.
      call.once("metadata", () => {
        const session = sessionOf(call)
        if (session !== undefined) ignoreGoAway = onGoAway(session, () => onRetiring?.())
      })
      call.on("status", (status: Grpc.StatusObject) => {
        const failure =
          status.code === Grpc.status.OK
            ? undefined
            : toFailure(status, callPings?.failure() ?? credentials.takeFailure(), credentials.route.proxy)
        answered = answered || failure === undefined || failure._tag === "Status"
        writable.openUnsafe()
        const end = () => {
          if (failure === undefined) Queue.endUnsafe(responses)
          else Queue.failCauseUnsafe(responses, Cause.fail(failure))
        }
        // It overtakes responses that arrived before it, as long as the call is paused.
        if (call.readableLength === 0) end()
        else call.once("end", end)
      })
      // A call emits the status as an error too, also after cancel(); without a listener that would end the process.
      call.on("error", () => {})
      callPings = pings?.add({ session: () => sessionOf(call), isInFlight: () => isInFlight() })
      // Calls that share a connection cannot give it up, so their requests are copied.
      return { call, reader, sender: new FrameSender(call, exclusive) }
    }),
    ({ call, reader, sender }) =>
      Effect.sync(() => {
        if (!answered) connection.stuck = true
        callPings?.end()
        reader.end()
        call.cancel()
        // The socket may still hold frames that lie in the engine's memory, which is stamped anew for the next session.
        if (sender.direct) credentials.disconnect()
        Queue.shutdownUnsafe(responses)
        onSent = onResponse = undefined
        // Headers that still arrive would have a listener added that nobody removes.
        call.removeAllListeners("metadata")
        ignoreGoAway?.()
      })
  )
  const countWritten = (bytes: number): void => {
    unwrittenRequests--
    unwrittenBytes -= bytes
    sent++
    if (ending && unwrittenRequests === 0) call.end()
    onSent?.()
    if (full && unwrittenBytes < HIGH_WATER) {
      full = false
      writable.openUnsafe()
    }
  }
  const written = (bytes: number): void => {
    // Those who wait may end the stream, which must not be done within its own callback.
    if (ending || full || onSent !== undefined) process.nextTick(countWritten, bytes)
    else countWritten(bytes)
  }
  const opened: TransportCall = {
    sendUnsafe: (request, room = 0) => {
      const { length } = request
      unwrittenRequests++
      unwrittenBytes += length
      sender.send(request, room, () => written(length))
      if (unwrittenBytes < HIGH_WATER && !sender.probing) return true
      full = true
      writable.closeUnsafe()
      return false
    },
    writable: writable.await,
    sentUnsafe: () => sent,
    onSentUnsafe: (listener) => {
      onSent = listener
    },
    onResponseUnsafe: (listener) => {
      for (let next = Queue.takeUnsafe(responses); next?._tag === "Success"; next = Queue.takeUnsafe(responses)) {
        listener(next.value)
      }
      onResponse = listener
      reader.watch()
    },
    onRetiringUnsafe: (listener) => {
      onRetiring = listener
    },
    watchInFlightUnsafe: (probe) => {
      isInFlight = probe
    },
    waitingForUnsafe: () => (sessionOf(call) === undefined ? credentials.waitingFor() : undefined),
    // Ending overtakes requests that grpc-js still frames, so it comes after the last of them.
    halfClose: Effect.sync(() => {
      ending = true
      if (unwrittenRequests === 0) call.end()
    }),
    responses: Queue.asDequeue(responses)
  }
  return opened
})
