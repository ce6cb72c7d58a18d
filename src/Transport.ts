/**
 * The seam between the stream engine and the network: one duplex call, requests out, responses in.
 *
 * The engine knows nothing below this service, so the same engine runs over gRPC (`GrpcTransport`)
 * and, in tests, in memory on a virtual clock (`MemoryTransport`).
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { InvalidState } from "./ZerobusError.ts"

/**
 * How a call failed, in the network's terms.
 *
 * @since 0.1.0
 * @category errors
 */
export type TransportFailure = Data.TaggedEnum<{
  /** The server ended the call with a gRPC status other than OK. */
  Status: {
    /** The number of the status. */
    readonly code: number
    /** The status message of the server. */
    readonly message: string
    /** The raw `grpc-status-details-bin`. */
    readonly details?: Uint8Array | undefined
  }
  /** The connection could not be made or was lost; no status came from the server. */
  Disconnected: {
    /** What happened. */
    readonly message: string
  }
  /** The server sent something that is not read as a response: compressed, or too large. */
  Unreadable: {
    /** What happened. */
    readonly message: string
  }
  /** The TLS handshake failed for a reason that trying again does not cure. */
  TlsRefused: {
    /** What happened. */
    readonly message: string
    /** The code of Node or OpenSSL. */
    readonly code: string
  }
}>

/**
 * Constructors of {@link TransportFailure}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const TransportFailure = Data.taggedEnum<TransportFailure>()

/**
 * One open duplex call. It ends when its scope closes; closing the scope cancels a call that is
 * still running.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransportCall {
  /**
   * Hands over one encoded request. The bytes belong to the transport until it counts the request
   * as sent, or the call's scope has closed. `room` bytes in front of it in the same buffer, none
   * by default, are the transport's to overwrite. Returns `false` when the transport is full: the
   * request is still taken, but await `writable` before the next one.
   */
  readonly sendUnsafe: (request: Uint8Array, room?: number) => boolean
  /** Completes when the transport takes requests again, or has ended. */
  readonly writable: Effect.Effect<void>
  /**
   * How many requests have left for the network. An acknowledgement beyond that is not believed
   * yet.
   */
  readonly sentUnsafe: () => number
  /** Called whenever `sentUnsafe` has grown. One listener at most. */
  readonly onSentUnsafe: (listener: () => void) => void
  /**
   * Gives the transport a function that returns whether something sent is still unacknowledged. A
   * transport that pings pings less often while nothing is. Optional; before it is called, the
   * transport assumes that an answer is awaited.
   */
  readonly watchInFlightUnsafe?: ((isInFlight: () => boolean) => void) | undefined
  /**
   * What keeps the call from having reached the server, as the end of a sentence, such as "the TLS
   * handshake with host:443"; undefined once it has. Optional; without it, a call counts as having
   * reached the server.
   */
  readonly waitingForUnsafe?: (() => string | undefined) | undefined
  /**
   * Calls the listener each time that the connection announces its end without an error, which the
   * call outlives for a while. One listener at most. Optional; a transport that does not see such
   * announcements calls nobody.
   */
  readonly onRetiringUnsafe?: ((listener: () => void) => void) | undefined
  /**
   * Says that the call has ended in order and that its connection may serve another call, made
   * soon. Optional; a transport without it makes a connection for that, or shares one anyway.
   */
  readonly keepConnectionUnsafe?: (() => void) | undefined
  /** Says that no further request follows. */
  readonly halfClose: Effect.Effect<void>
  /**
   * Calls the listener with each response when it arrives, which may be within a call of
   * `sendUnsafe`, and before with those that wait in `responses`. That then gets none any more and
   * ends as it would. The listener does not throw. One listener at most. Optional; without it,
   * responses are taken from `responses`.
   */
  readonly onResponseUnsafe?: ((listener: (response: Uint8Array) => void) => void) | undefined
  /**
   * Calls the listener once when the call has ended, behind its last response: with the failure, or
   * with nothing when the server closed with OK. At once when it has ended already. The listener
   * does not throw. One listener at most. Optional; without it, the end is taken from `responses`.
   */
  readonly onEndUnsafe?:
    | ((listener: (failure: TransportFailure | undefined) => void) => void)
    | undefined
  /**
   * Encoded responses in order; ends with `Done` when the server closed with OK, else with the
   * failure.
   */
  readonly responses: Queue.Dequeue<Uint8Array, TransportFailure | Cause.Done>
}

/**
 * The RPCs that a call can be. `PersistentStream` and `RetireStream` are in development at the
 * service; the local server has them. `RetireStream` takes one request, and answers with one
 * response or with its status alone. `DoPut` is the one of Arrow Flight's service, at the same
 * endpoint; the others are the Zerobus service's.
 */
export type Rpc = "EphemeralStream" | "PersistentStream" | "RetireStream" | "DoPut"

/**
 * Opens duplex calls of the Zerobus service.
 *
 * @since 0.1.0
 * @category services
 */
export class Transport extends Context.Service<
  Transport,
  {
    /**
     * Starts one call of an RPC (default `EphemeralStream`) with these headers. Connecting goes on
     * in the background; a failure to connect ends `responses`. Fails with `InvalidState` when the
     * transport was closed, which ends the stream.
     */
    readonly open: (
      headers: Readonly<Record<string, string>>,
      rpc?: Rpc
    ) => Effect.Effect<TransportCall, InvalidState, Scope.Scope>
  }
>()("effect-zerobus/Transport") {}

/**
 * The failure of a connection, or of a stream, that is wanted of a client whose layer was closed.
 */
export const clientClosed: Effect.Effect<never, InvalidState> = Effect.suspend(() =>
  Effect.fail(
    new InvalidState({
      message:
        "The client is closed: the scope of its layer has ended. Open streams in a scope that " +
        "ends before the layer's."
    })
  )
)
