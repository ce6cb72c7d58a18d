/**
 * The interface between the stream engine and the network: one duplex call, requests out, responses
 * in.
 *
 * The engine depends only on this service, so it runs over gRPC (`GrpcTransport`) and, in tests, in
 * memory on a virtual clock (`MemoryTransport`).
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { InvalidState } from "./ZerobusError.ts"

/**
 * The failure of a call at the network level.
 *
 * @since 0.1.0
 * @category errors
 */
export type TransportFailure = Data.TaggedEnum<{
  /** The server ended the call with a gRPC status other than OK. */
  Status: {
    /** The code of the status. */
    readonly code: number
    /** The status message of the server. */
    readonly message: string
    /** The raw `grpc-status-details-bin`. */
    readonly details?: Uint8Array | undefined
  }
  /** The connection could not be opened or was lost, without a status from the server. */
  Disconnected: {
    /** What happened. */
    readonly message: string
  }
  /** The server sent something that cannot be a response: compressed, or too large. */
  Unreadable: {
    /** What happened. */
    readonly message: string
  }
  /** The TLS handshake failed for a reason that a retry cannot resolve. */
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
 * One open duplex call. It ends when its scope closes; this cancels a call that is still running.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransportCall {
  /**
   * Sends one encoded request. The transport owns the bytes until it counts the request as sent or
   * the call's scope has closed. It may overwrite `room` bytes before the request in the same
   * buffer (default none). Returns `false` when the transport is full: the request is still
   * accepted, but await `writable` before the next one.
   */
  readonly sendUnsafe: (request: Uint8Array, room?: number) => boolean
  /** Completes when the transport accepts requests again, or has ended. */
  readonly writable: Effect.Effect<void>
  /**
   * Number of requests handed to the network. The engine ignores acknowledgements beyond it for
   * now.
   */
  readonly sentUnsafe: () => number
  /** Calls the listener whenever `sentUnsafe` has increased. One listener at most. */
  readonly onSentUnsafe: (listener: () => void) => void
  /**
   * Sets a function that returns whether a sent record is still unacknowledged. A transport that
   * sends pings sends fewer while there is none. Optional; before it is called, the transport
   * assumes that there is one.
   */
  readonly watchInFlightUnsafe?: ((isInFlight: () => boolean) => void) | undefined
  /**
   * What the call is still waiting for before it reaches the server, as the end of a sentence, such
   * as "the TLS handshake with host:443". Undefined once it has reached the server. Optional;
   * without it, a call counts as having reached the server.
   */
  readonly waitingForUnsafe?: (() => string | undefined) | undefined
  /**
   * Calls the listener each time the connection announces its end without an error; the call
   * continues for a while. One listener at most. Optional; a transport that does not receive such
   * announcements never calls it.
   */
  readonly onRetiringUnsafe?: ((listener: () => void) => void) | undefined
  /**
   * Marks the call as ended normally, so that its connection may soon serve another call. Optional;
   * a transport without it opens a new connection, or shares connections anyway.
   */
  readonly keepConnectionUnsafe?: (() => void) | undefined
  /** Half-closes the call: no further request follows. */
  readonly halfClose: Effect.Effect<void>
  /**
   * Calls the listener with each response when it arrives, which may be during a call of
   * `sendUnsafe`. Responses that wait in `responses` are delivered first. After that, `responses`
   * receives no more responses, but still ends. The listener must not throw. One listener at most.
   * Optional; without it, responses are read from `responses`.
   */
  readonly onResponseUnsafe?: ((listener: (response: Uint8Array) => void) => void) | undefined
  /**
   * Calls the listener once when the call has ended, after its last response: with the failure, or
   * with undefined when the server closed with OK. Calls it immediately when the call has already
   * ended. The listener must not throw. One listener at most. Optional; without it, the end is read
   * from `responses`.
   */
  readonly onEndUnsafe?:
    | ((listener: (failure: TransportFailure | undefined) => void) => void)
    | undefined
  /**
   * Encoded responses in order. Ends with `Done` when the server closed with OK, else with the
   * failure.
   */
  readonly responses: Queue.Dequeue<Uint8Array, TransportFailure | Cause.Done>
}

/**
 * The RPC of a call. `PersistentStream` and `RetireStream` are in development at the service; the
 * local server supports them. `RetireStream` takes one request and returns one response or only a
 * status. `DoPut` belongs to the Arrow Flight service at the same endpoint, the others to the
 * Zerobus service.
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
     * Starts a call of an RPC (default `EphemeralStream`) with these headers. Connecting continues
     * in the background; a connection failure ends `responses`. Fails with `InvalidState` when the
     * transport was closed, which ends the stream.
     */
    readonly open: (
      headers: Readonly<Record<string, string>>,
      rpc?: Rpc
    ) => Effect.Effect<TransportCall, InvalidState, Scope.Scope>
  }
>()("effect-zerobus/Transport") {}

/** The failure when a connection or stream is requested from a client whose layer was closed. */
export const clientClosed: Effect.Effect<never, InvalidState> = Effect.suspend(() =>
  Effect.fail(
    new InvalidState({
      message:
        "The client is closed: the scope of its layer has ended. Open streams in a scope that " +
        "ends before the layer's."
    })
  )
)
