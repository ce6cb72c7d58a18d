/**
 * One connection's life: handshake, send loop, acknowledgements, silence timeout, pause, half-close and drain.
 *
 * A session takes messages from the landing zone in order and gives them wire offsets 0, 1, 2, ... Since acknowledgements are
 * cumulative and the window is in order, "wire offset n is durable" means that the n + 1 oldest messages of the session are. What is
 * left when it ends is the next session's to send again. Whether there is a next one is the supervisor's decision.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { HeadersProviderShape } from "../../HeadersProvider.ts"
import { Transport, type TransportCall, type TransportFailure } from "../../Transport.ts"
import { ProtocolViolation, Retryable, RetryableReason, type StreamFailure } from "../../ZerobusError.ts"
import { decodeResponse, encodeCreate, FREE_ROOM, type ServerMessage } from "../protobuf/envelope.ts"
import { classify } from "../grpc/grpcStatus.ts"
import type { Message } from "../landing/chunk.ts"
import { sendSuspects } from "./isolation.ts"
import { regrowUnsafe } from "./messageSize.ts"
import { Opening } from "./opening.ts"
import { secretsIn, sessionHeaders, withoutCredentials } from "./sessionHeaders.ts"
import { type StreamCore, streamIdOf } from "./streamCore.ts"

/** Why a session could not be opened, or ended. */
export class SessionFailure extends Data.TaggedError("SessionFailure")<{
  readonly failure: StreamFailure
  /** True when the server refused the credentials, so that other ones may help. */
  readonly rejected: boolean
  /** True when the server ended the call with OK, which only means something during a pause or a close. */
  readonly orderly: boolean
  /** True when the status may mean a record in flight: INVALID_ARGUMENT, OUT_OF_RANGE or a schema that does not fit. */
  readonly refusal: boolean
}> {}

/** How an open session ended. */
export type SessionEnd =
  | { readonly _tag: "Failed"; readonly cause: SessionFailure }
  | { readonly _tag: "Rotated" }
  | { readonly _tag: "Closed" }

/** An open session. */
export interface Session {
  readonly call: TransportCall
  /** Messages handed to the transport, which is the next wire offset. */
  handed: number
  /** Messages acknowledged; `acknowledged - 1` is the highest acknowledged wire offset. */
  acknowledged: number
}

const failed = (
  failure: StreamFailure,
  options: Partial<Record<"rejected" | "orderly" | "refusal", boolean>> = {}
): SessionFailure => new SessionFailure({ failure, rejected: false, orderly: false, refusal: false, ...options })

/** INVALID_ARGUMENT and OUT_OF_RANGE. */
const REFUSALS: ReadonlySet<number> = new Set([3, 11])

const violation = (message: string) => failed(new ProtocolViolation({ message }))

const fromTransport = (core: StreamCore<any>, error: TransportFailure | Cause.Done): SessionFailure => {
  if (error._tag === "Done") {
    const message = "The server ended the stream."
    return failed(new Retryable({ reason: RetryableReason.ConnectionLost({ message }), attempts: 1 }), {
      orderly: true
    })
  }
  const failure = classify(error, core.table.tableName, secretsIn(Redacted.value(core.headers)))
  return failed(failure, {
    rejected: failure._tag === "InvalidToken" || failure._tag === "PermissionDenied",
    refusal: error._tag === "Status" && (REFUSALS.has(error.code) || failure._tag === "SchemaMismatch")
  })
}

const nextResponse = (core: StreamCore<any>, call: TransportCall): Effect.Effect<ServerMessage, SessionFailure> =>
  Queue.take(call.responses).pipe(
    Effect.mapError((error) => fromTransport(core, error)),
    Effect.flatMap((bytes) => {
      const message = decodeResponse(bytes)
      return message === undefined
        ? Effect.fail(violation("The server sent a response that is not a protobuf message."))
        : Effect.succeed(message)
    })
  )

/** Opens one session: fresh headers, a new call, the create message and its answer. The caller bounds it in time. */
export const openSession = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  provider: HeadersProviderShape
): Effect.fn.Return<Session, SessionFailure, Transport | Scope.Scope> {
  const transport = yield* Transport
  const opening = yield* Opening
  if (opening !== undefined) opening.waitingFor = () => "the headers provider"
  const given = yield* Effect.mapError(provider.getHeaders(core.table.tableName), (failure) =>
    failed(withoutCredentials(failure, Redacted.value(core.headers)))
  )
  const headers = sessionHeaders(given, core.table.tableName)
  if (Result.isFailure(headers)) return yield* failed(headers.failure)
  core.headers = Redacted.make(headers.success)
  const call = yield* Effect.mapError(transport.open(headers.success), (failure) => failed(failure))
  if (opening !== undefined) {
    opening.waitingFor = () => call.waitingForUnsafe?.() ?? "the server's answer to the create request"
  }
  call.sendUnsafe(encodeCreate(core.table))
  const answer = yield* nextResponse(core, call)
  if (answer.created === undefined) {
    return yield* violation("The server's first response does not answer the create request.")
  }
  core.sessionId = answer.created.streamId ?? core.sessionId
  core.streamId ??= core.sessionId ?? streamIdOf(core)
  core.telemetry.sessionOpened()
  const session: Session = { call, handed: 0, acknowledged: 0 }
  call.watchInFlightUnsafe?.(() => session.handed > session.acknowledged)
  return session
})

/**
 * Runs an open session until it ends. Everything it starts lives in its scope.
 *
 * | first event | the session then | ends as |
 * | --- | --- | --- |
 * | the call ends, a protocol violation, silence | stops at once | Failed, by that cause |
 * | pause announced, or the end of a connection that made something durable (GOAWAY), recovery on | sends no more; waits for the grace time, for its last acknowledgement, or for the close; half-closes and drains | Rotated; Failed when a cause other than the server's orderly end comes first |
 * | pause announced, recovery off | sends no more; half-closes and drains | Failed, by that cause or as a lost connection |
 * | close requested | sends no more; half-closes and drains | Closed; Failed when the credentials are refused |
 */
export const runSession = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  session: Session
): Effect.fn.Return<SessionEnd, never, Scope.Scope> {
  const flight = makeFlight(core, session)
  const ended = Deferred.makeUnsafe<SessionEnd>()
  const pauseRequested = Deferred.makeUnsafe<number | undefined>()
  const end = (cause: SessionFailure) => Deferred.doneUnsafe(ended, Exit.succeed({ _tag: "Failed", cause } as const))

  yield* Effect.addFinalizer(() => Effect.sync(() => flight.endUnsafe()))
  session.call.onSentUnsafe(() => {
    try {
      flight.acknowledgeHeldUnsafe()
    } catch (error) {
      // The transport calls: a defect must end the session, not what called.
      Deferred.doneUnsafe(ended, Exit.die(error))
    }
  })
  if (core.options.recovery) {
    session.call.onRetiringUnsafe?.(() => {
      // Before it made anything durable the connection may be one of a proxy that announces the end of
      // every connection at its start: another one would be no better, and this one may last.
      if (session.acknowledged > 0)
        Deferred.doneUnsafe(pauseRequested, Exit.succeed(core.options.serverLackOfAckTimeout))
    })
  }
  /** Runs a part of the session; its failure ends the session, and a defect in it must not go unnoticed. */
  const part = (effect: Effect.Effect<never, SessionFailure>) =>
    effect.pipe(
      Effect.catch((cause) => Effect.sync(() => end(cause))),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(cause)
          : Effect.sync(() => Deferred.doneUnsafe(ended, Exit.failCause(cause)))
      ),
      Effect.forkScoped({ startImmediately: true })
    )
  yield* part(receive(core, session, flight, pauseRequested))
  yield* part(watchSilence(core, flight))
  const sender = yield* part(send(core, session, flight))
  const { drainTimeout, recovery, streamPausedMaxWaitTime } = core.options
  /** Waits for the session's end, at most so many milliseconds. */
  const endWithin = (millis: number) =>
    Effect.raceFirst(Deferred.await(ended), Effect.as(Effect.sleep(millis), undefined))

  const first = yield* Effect.raceAllFirst([
    Deferred.await(ended),
    Effect.map(Deferred.await(pauseRequested), (afterMillis) => ({ _tag: "Pause", afterMillis }) as const),
    Effect.as(Deferred.await(core.closeRequested), { _tag: "Close" } as const)
  ])
  if (first._tag === "Failed" || first._tag === "Rotated" || first._tag === "Closed") return first
  yield* Fiber.interrupt(sender)

  if (first._tag === "Pause" && recovery) {
    core.telemetry.paused()
    core.states.enterUnsafe("paused")
    const grace = Math.min(first.afterMillis ?? 0, streamPausedMaxWaitTime ?? Infinity)
    const during = yield* Effect.raceAllFirst([
      endWithin(grace),
      Effect.as(flight.idle.await, undefined),
      Effect.as(Deferred.await(core.closeRequested), undefined)
    ])
    if (during?._tag === "Failed") return during.cause.orderly ? { _tag: "Rotated" } : during
  }
  yield* session.call.halfClose
  // A scope that closes has an end to its time.
  const drained = yield* endWithin(Math.min(drainTimeout, Math.max(0, core.leaveBy - core.now())))
  if (first._tag === "Close") return drained?._tag === "Failed" && drained.cause.rejected ? drained : { _tag: "Closed" }
  // A real failure outranks the pause; the server's orderly end does not.
  if (drained?._tag === "Failed" && !drained.cause.orderly) return drained
  if (recovery) return { _tag: "Rotated" }
  const message = "The server asked for a new connection (stream rotation), and recovery is off."
  return {
    _tag: "Failed",
    cause: failed(new Retryable({ reason: RetryableReason.ConnectionLost({ message }), attempts: 1 }))
  }
})

/** The bookkeeping of what this session has in flight. */
interface Flight {
  /** Open while something is in flight. */
  readonly busy: Latch.Latch
  /** Open while nothing is in flight. */
  readonly idle: Latch.Latch
  /** When the silence began that the lack-of-ack timer measures, in milliseconds; that of earlier sessions counts. */
  silentSince: number
  /** Keeps the silence for the next session. */
  readonly endUnsafe: () => void
  readonly handedUnsafe: () => void
  /** Applies "durable up to this wire offset"; says what is wrong with it when it cannot be true. */
  readonly acknowledgeUnsafe: (upTo: number | undefined) => SessionFailure | undefined
  /** Applies an acknowledgement that was held because its request had not left yet. */
  readonly acknowledgeHeldUnsafe: () => void
}

const makeFlight = <A>(core: StreamCore<A>, session: Session): Flight => {
  const { acks, zone } = core
  const busy = Latch.makeUnsafe(false)
  const idle = Latch.makeUnsafe(true)
  let held = -1
  const apply = (): void => {
    // The create message is the first request that leaves, so it is not counted.
    const upTo = Math.min(held, session.call.sentUnsafe() - 2)
    const count = upTo + 1 - session.acknowledged
    if (count <= 0) return
    session.acknowledged += count
    core.silence = 0
    core.durableSinceRefusal = true
    core.refusalsInRow = 0
    flight.silentSince = core.now()
    const acceptedAt = zone.window.at(0).acceptedAt
    const recordsBefore = zone.acknowledgedRecords
    const bytesBefore = zone.usedBytes
    const watermark = zone.acknowledgeUnsafe(count)
    core.telemetry.acknowledged(
      zone.acknowledgedRecords - recordsBefore,
      bytesBefore - zone.usedBytes,
      flight.silentSince - acceptedAt
    )
    const nowIdle = session.acknowledged === session.handed
    if (zone.coalesceBytes < core.options.coalesceBytes) regrowUnsafe(core, count)
    if (nowIdle) busy.closeUnsafe()
    acks.advanceUnsafe(watermark)
    zone.admitUnsafe()
    if (nowIdle && session.acknowledged === session.handed) idle.openUnsafe()
  }
  const flight: Flight = {
    busy,
    idle,
    silentSince: 0,
    handedUnsafe: () => {
      if (session.handed++ !== session.acknowledged) return
      flight.silentSince = core.now() - core.silence
      idle.closeUnsafe()
      busy.openUnsafe()
    },
    endUnsafe: () => {
      if (session.handed > session.acknowledged) core.silence = core.now() - flight.silentSince
    },
    acknowledgeUnsafe: (upTo) => {
      if (upTo === undefined) return violation("The server sent an acknowledgement without an offset.")
      if (upTo < 0) return violation("The server acknowledged a negative offset.")
      if (upTo >= session.handed) {
        return violation(
          `The server acknowledged offset ${upTo}, but only ${session.handed} messages were sent on this connection.`
        )
      }
      // A repeated or lower one changes nothing and does not feed the silence timer.
      if (upTo <= held) {
        core.telemetry.staleAcknowledgement()
        return undefined
      }
      held = upTo
      apply()
      return undefined
    },
    acknowledgeHeldUnsafe: () => {
      if (held >= session.acknowledged) apply()
    }
  }
  return flight
}

/** Sends what the landing zone has, as long as the transport takes it. Parks by being interrupted. */
const send = Effect.fnUntraced(function* <A>(core: StreamCore<A>, session: Session, flight: Flight) {
  const { table, zone } = core
  const hand = (message: Message): boolean => {
    message.sends++
    message.handedAt = core.now()
    core.telemetry.sent(message)
    const more = session.call.sendUnsafe(message.request(session.handed, table.recordType), FREE_ROOM)
    flight.handedUnsafe()
    return more
  }
  if (core.isolation !== undefined) yield* sendSuspects(core, flight.idle.await, hand, session.call.writable)
  let replaying = zone.window.toReplay > 0
  for (;;) {
    yield* zone.awaitNext
    for (let message = zone.nextUnsafe(); message !== undefined; message = zone.nextUnsafe()) {
      const more = hand(message)
      if (replaying && zone.window.toReplay === 0) {
        replaying = false
        core.states.enterUnsafe("open")
      }
      if (!more) yield* session.call.writable
    }
  }
})

/** Reads responses until the call ends or breaks the protocol. */
const receive = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  session: Session,
  flight: Flight,
  pauseRequested: Deferred.Deferred<number | undefined>
): Effect.fn.Return<never, SessionFailure> {
  for (;;) {
    const { acknowledged, closing, created } = yield* nextResponse(core, session.call)
    if (acknowledged !== undefined) {
      const wrong = flight.acknowledgeUnsafe(acknowledged.upTo)
      if (wrong !== undefined) return yield* wrong
    }
    if (closing !== undefined) Deferred.doneUnsafe(pauseRequested, Exit.succeed(closing.afterMillis))
    if (created !== undefined) return yield* violation("The server answered a create request that was not made.")
    if (acknowledged === undefined && closing === undefined) {
      return yield* violation("The server sent a response of an unknown kind.")
    }
  }
})

/**
 * Fails when records were in flight for too long, over all sessions, and none became durable. Not running while nothing is in flight.
 */
const watchSilence = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  flight: Flight
): Effect.fn.Return<never, SessionFailure> {
  const limit = core.options.serverLackOfAckTimeout
  for (;;) {
    yield* flight.busy.await
    const left = flight.silentSince + limit - core.now()
    if (left > 0) yield* Effect.sleep(left)
    else {
      // The next session has the whole time again.
      flight.silentSince = core.now()
      const message = `No record became durable for ${limit} ms although ${core.zone.window.inFlight} messages are in flight.`
      return yield* failed(new Retryable({ reason: RetryableReason.AckTimeout({ message }), attempts: 1 }))
    }
  }
})
