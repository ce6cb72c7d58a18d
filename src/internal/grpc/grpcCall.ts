/**
 * One duplex call over grpc-js, as the engine uses it.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type { Rpc, TransportCall, TransportFailure } from "../../Transport.ts"
import type { Connection } from "./grpcConnections.ts"
import { toFailure } from "./grpcFailures.ts"
import { FrameReader } from "./grpcFrameReader.ts"
import { FrameSender } from "./grpcFrames.ts"
import type { CallPings } from "./grpcPings.ts"
import { onGoAway, sessionOf } from "./grpcSession.ts"
import { Answer } from "../userCode/answer.ts"

/** The gRPC path of each RPC. */
const paths: Readonly<Record<Rpc, string>> = {
  EphemeralStream: "/databricks.zerobus.Zerobus/EphemeralStream",
  PersistentStream: "/databricks.zerobus.Zerobus/PersistentStream",
  RetireStream: "/databricks.zerobus.Zerobus/RetireStream",
  DoPut: "/arrow.flight.protocol.FlightService/DoPut"
}

const identity = (bytes: Buffer): Buffer => bytes

/** Responses that may wait to be read before the call is paused. */
const WAITING_RESPONSES = 1024

/**
 * Bytes handed over and not yet written from which on the call counts as full. Enough to keep the
 * socket busy.
 */
const HIGH_WATER = 1024 * 1024

/**
 * Begins a call without recording the caller's stack, which grpc-js would keep together with
 * everything that its functions reference.
 */
const beginCall = (
  client: Grpc.Client,
  path: string,
  metadata: Grpc.Metadata
): Grpc.ClientDuplexStream<Buffer, Buffer> => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return client.makeBidiStreamRequest(path, identity, identity, metadata)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

type Responses = Queue.Queue<Uint8Array, TransportFailure | Cause.Done>

/** The parts of a call. */
export interface CallOptions {
  readonly headers: Readonly<Record<string, string>>
  readonly rpc: Rpc
  /** Whether its requests need not be copied, because its connection ends with it. */
  readonly mayShare: boolean
  /** Called when the call had a response and is lost with its connection. */
  readonly onLost: () => void
}

/** A listener that does nothing. */
const nothing = (): void => {}

export class GrpcCall implements TransportCall {
  readonly connection: Connection
  private readonly call: Grpc.ClientDuplexStream<Buffer, Buffer>
  private readonly reader: FrameReader
  private readonly sender: FrameSender
  private readonly pings: CallPings | undefined
  /** Completes when the call is no longer full; undefined while it is not full. */
  private room: Answer<void> | undefined
  private queue: Responses | undefined
  private sent = 0
  private onSent: (() => void) | undefined
  private onResponse: ((response: Uint8Array) => void) | undefined
  private onEnd: ((failure: TransportFailure | undefined) => void) | undefined
  private onRetiring: () => void = nothing
  private ignoreGoAway: () => void = nothing
  private isInFlight: () => boolean = () => true
  private unwrittenRequests = 0
  private unwrittenBytes = 0
  private ending = false
  private keeps = false
  private answered = false
  private ended: { readonly failure: TransportFailure | undefined } | undefined

  private readonly onLost: () => void

  constructor(connection: Connection, { headers, mayShare, onLost, rpc }: CallOptions) {
    const metadata = new Grpc.Metadata()
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
    const call = beginCall(connection.client, paths[rpc], metadata)
    this.connection = connection
    this.onLost = onLost
    this.call = call
    this.reader = new FrameReader(call, (response) => this.onResponse?.(response))
    call.on("data", (bytes: Buffer) => this.arrived(bytes))
    // From the response headers on, the call has a session whose announcements are visible.
    call.once("metadata", () => {
      const session = sessionOf(call)
      if (session !== undefined) this.ignoreGoAway = onGoAway(session, () => this.onRetiring())
    })
    call.on("status", (status: Grpc.StatusObject) => this.statusCame(status))
    // A call emits its status as an error too, even after cancel(). Without a listener that would
    // end the process.
    call.on("error", nothing)
    this.pings = connection.pings?.add({
      session: () => sessionOf(call),
      isInFlight: () => this.isInFlight()
    })
    this.sender = new FrameSender(call, mayShare)
    connection.began(call)
  }

  sendUnsafe(request: Uint8Array, room = 0): boolean {
    const { length } = request
    this.unwrittenRequests++
    this.unwrittenBytes += length
    this.sender.send(request, room, () => this.written(length))
    if ((this.unwrittenBytes < HIGH_WATER && !this.sender.probing) || this.ended !== undefined)
      return true
    this.room ??= new Answer()
    return false
  }

  get writable(): Effect.Effect<void> {
    return Effect.suspend(() => this.room?.await ?? Effect.void)
  }

  sentUnsafe(): number {
    return this.sent
  }

  onSentUnsafe(listener: () => void): void {
    this.onSent = listener
  }

  onResponseUnsafe(listener: (response: Uint8Array) => void): void {
    const { queue } = this
    if (queue !== undefined) {
      for (
        let next = Queue.takeUnsafe(queue);
        next?._tag === "Success";
        next = Queue.takeUnsafe(queue)
      ) {
        listener(next.value)
      }
    }
    this.onResponse = listener
    if (this.answered) this.reader.watch()
  }

  onEndUnsafe(listener: (failure: TransportFailure | undefined) => void): void {
    this.onEnd = listener
    if (this.ended !== undefined) listener(this.ended.failure)
  }

  onRetiringUnsafe(listener: () => void): void {
    this.onRetiring = listener
  }

  watchInFlightUnsafe(probe: () => boolean): void {
    this.isInFlight = probe
  }

  waitingForUnsafe(): string | undefined {
    return sessionOf(this.call) === undefined ? this.connection.waitingFor() : undefined
  }

  keepConnectionUnsafe(): void {
    this.keeps = true
  }

  // `end()` overtakes requests that grpc-js is still framing, so it is called after the last of
  // them.
  get halfClose(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.ending = true
      if (this.unwrittenRequests === 0) this.call.end()
    })
  }

  /** Created on first use. The engine does not need it: it registers a callback for responses. */
  get responses(): Queue.Dequeue<Uint8Array, TransportFailure | Cause.Done> {
    if (this.queue === undefined) {
      this.queue = Effect.runSync(
        Queue.bounded<Uint8Array, TransportFailure | Cause.Done>(WAITING_RESPONSES)
      )
      if (this.ended !== undefined) endQueue(this.queue, this.ended.failure)
    }
    return Queue.asDequeue(this.queue)
  }

  /** Cancels the call, unless it has ended. */
  endUnsafe(): void {
    if (!this.answered) this.connection.stuck = true
    // Both sides have ended it, and nothing is left to be written.
    const spent =
      this.ending && this.unwrittenRequests === 0 && this.ended !== undefined && !this.ended.failure
    this.connection.spare = this.keeps && spent
    this.pings?.end()
    this.reader.end()
    this.call.cancel()
    // The socket may still hold frames in the engine's memory, whose headers are rewritten for the
    // next session.
    if (this.sender.direct && !this.connection.spare) this.connection.credentials.disconnect()
    if (this.queue !== undefined) Queue.shutdownUnsafe(this.queue)
    this.onSent = this.onResponse = this.onEnd = undefined
    // Headers that arrive later would add a listener that is never removed.
    this.call.removeAllListeners("metadata")
    this.ignoreGoAway()
  }

  private arrived(bytes: Buffer): void {
    const first = !this.answered
    this.answered = true
    this.reader.arrived(bytes)
    if (first) this.reader.watch()
    if (this.onResponse !== undefined) return this.onResponse(bytes)
    const queue = this.responses as Responses
    if (Queue.offerUnsafe(queue, bytes)) return
    this.call.pause()
    Effect.runFork(
      Effect.andThen(Queue.offer(queue, bytes), () => Effect.sync(() => this.call.resume()))
    )
  }

  private statusCame(status: Grpc.StatusObject): void {
    const { call, connection } = this
    const { credentials } = connection
    const failure =
      status.code === Grpc.status.OK
        ? undefined
        : toFailure(
            status,
            this.pings?.failure() ?? credentials.latestFailure,
            credentials.route.proxy
          )
    if (this.answered && failure?._tag === "Disconnected") this.onLost()
    this.answered = this.answered || failure === undefined || failure._tag === "Status"
    const end = (): void => {
      this.ended = { failure }
      if (this.queue !== undefined) endQueue(this.queue, failure)
      this.onEnd?.(failure)
    }
    // While the call is paused, the status overtakes responses that arrived before it.
    if (call.readableLength === 0) end()
    else call.once("end", end)
    this.makeRoom()
  }

  private countWritten(bytes: number): void {
    this.unwrittenRequests--
    this.unwrittenBytes -= bytes
    this.sent++
    if (this.ending && this.unwrittenRequests === 0) this.call.end()
    this.onSent?.()
    if (this.unwrittenBytes < HIGH_WATER) this.makeRoom()
  }

  private makeRoom(): void {
    const { room } = this
    this.room = undefined
    room?.doneUnsafe(Exit.void)
  }

  private written(bytes: number): void {
    // Resumed waiters may end the stream, which must not happen within the stream's own callback.
    if (this.ending || this.room !== undefined || this.onSent !== undefined)
      process.nextTick(() => this.countWritten(bytes))
    else this.countWritten(bytes)
  }
}

const endQueue = (queue: Responses, failure: TransportFailure | undefined): void => {
  if (failure === undefined) Queue.endUnsafe(queue)
  else Queue.failCauseUnsafe(queue, Cause.fail(failure))
}
