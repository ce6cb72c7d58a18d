/**
 * One connection's life: handshake, send loop, acknowledgements, silence timeout, pause, half-close and drain.
 *
 * A session takes messages from the landing zone in order and gives them wire offsets 0, 1, 2, ...,
 * or on a persistent stream those that follow the last committed one. Since acknowledgements are
 * cumulative and the window is in order, "wire offset n is durable" means that the oldest messages
 * of the session up to that one are. What is left when it ends is the next session's to send again.
 * Whether there is a next one is the supervisor's decision.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { HeadersProviderShape } from "../../HeadersProvider.ts"
import { Transport, type TransportCall } from "../../Transport.ts"
import { Retryable, RetryableReason } from "../../ZerobusError.ts"
import { FREE_ROOM, type ServerMessage } from "../protobuf/envelope.ts"
import type { Message } from "../landing/chunk.ts"
import { sendSuspects } from "./isolation.ts"
import { type Flight, makeFlight, type Session, settleUnsafe, watchSilence } from "./flight.ts"
import { Opening } from "./opening.ts"
import { failed, fromTransport, type SessionFailure, violation } from "./sessionFailure.ts"
import { sessionHeaders, withoutCredentials } from "./sessionHeaders.ts"
import { type StreamCore, streamIdOf } from "./streamCore.ts"

/** How an open session ended. */
export type SessionEnd =
  | { readonly _tag: "Failed"; readonly cause: SessionFailure }
  | { readonly _tag: "Rotated" }
  | { readonly _tag: "Closed" }

const malformed = () => violation("The server sent a response that is not a protobuf message.")

const nextBytes = (core: StreamCore<any>, call: TransportCall): Effect.Effect<Uint8Array, SessionFailure> =>
  Effect.mapError(Queue.take(call.responses), (error) => fromTransport(core, error))

const nextResponse = (core: StreamCore<any>, call: TransportCall): Effect.Effect<ServerMessage, SessionFailure> =>
  Effect.flatMap(nextBytes(core, call), (bytes) => {
    const message = core.rpc.decode(bytes)
    return message === undefined ? Effect.fail(malformed()) : Effect.succeed(message)
  })

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
  const { rpc } = core
  const call = yield* Effect.mapError(transport.open(headers.success, rpc.name), (failure) => failed(failure))
  if (opening !== undefined) {
    opening.waitingFor = () => call.waitingForUnsafe?.() ?? "the server's answer to the create request"
  }
  call.sendUnsafe(rpc.firstRequest())
  const answer = rpc.opened(yield* nextResponse(core, call))
  if (typeof answer === "string") return yield* violation(answer)
  const { committed, streamId } = answer
  core.sessionId = streamId ?? core.sessionId
  core.whole.sessionId = core.sessionId
  core.whole.streamId ??= core.sessionId ?? streamIdOf(core)
  core.telemetry.sessionOpened()
  const settled = committed === undefined ? 0 : settleUnsafe(core, committed)
  if (typeof settled !== "number") return yield* settled
  const first = committed === undefined ? 0 : committed + 1
  const session: Session = { call, first, handed: first, acknowledged: first, progress: settled > 0 }
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
 * | the pool asks for its slot | as above, without an end announced by the server: waits for its last acknowledgement as long as for any | Rotated; Failed as above |
 * | close requested | sends no more; half-closes and drains | Closed; Failed when the credentials are refused |
 */
export const runSession = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  session: Session
): Effect.fn.Return<SessionEnd, never, Scope.Scope> {
  const ended = Deferred.makeUnsafe<SessionEnd>()
  const flight = makeFlight(core, session, (defect) => Deferred.doneUnsafe(ended, Exit.die(defect)))
  const pauseRequested = Deferred.makeUnsafe<number | undefined>()
  const end = (cause: SessionFailure) => Deferred.doneUnsafe(ended, Exit.succeed({ _tag: "Failed", cause } as const))

  yield* Effect.addFinalizer(() => Effect.sync(() => flight.endUnsafe()))
  if (core.options.recovery) {
    session.call.onRetiringUnsafe?.(() => {
      // Before it made anything durable the connection may be one of a proxy that announces the end of
      // every connection at its start: another one would be no better, and this one may last.
      if (session.progress) Deferred.doneUnsafe(pauseRequested, Exit.succeed(core.options.serverLackOfAckTimeout))
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
  yield* part(receive(core, session, flight, pauseRequested, (exit) => Deferred.doneUnsafe(ended, exit)))
  yield* part(watchSilence(core, flight))
  const sender = yield* part(send(core, session, flight))
  const { drainTimeout, recovery, streamPausedMaxWaitTime } = core.options
  /** Waits for the session's end, at most so many milliseconds. */
  const endWithin = (millis: number) =>
    Effect.raceFirst(Deferred.await(ended), Effect.as(Effect.sleep(millis), undefined))

  const first = yield* Effect.raceAllFirst([
    Deferred.await(ended),
    Effect.map(Deferred.await(pauseRequested), (afterMillis) => ({ _tag: "Pause", afterMillis }) as const),
    Effect.as(Deferred.await(core.closeRequested), { _tag: "Close" } as const),
    ...(core.slot === undefined ? [] : [Effect.as(core.slot.dismissed, { _tag: "Dismissed" } as const)])
  ])
  if (first._tag === "Failed" || first._tag === "Rotated" || first._tag === "Closed") return first
  yield* Fiber.interrupt(sender)

  if ((first._tag === "Pause" && recovery) || first._tag === "Dismissed") {
    if (first._tag === "Pause") core.telemetry.paused()
    core.states.enterUnsafe("paused")
    const grace =
      first._tag === "Dismissed"
        ? core.options.serverLackOfAckTimeout
        : Math.min(first.afterMillis ?? 0, streamPausedMaxWaitTime ?? Infinity)
    const during = yield* Effect.raceAllFirst([
      endWithin(grace),
      Effect.as(flight.idle, undefined),
      Effect.as(Deferred.await(core.closeRequested), undefined)
    ])
    if (during?._tag === "Failed") return during.cause.orderly ? { _tag: "Rotated" } : during
  }
  yield* session.call.halfClose
  // A scope that closes has an end to its time.
  const drained = yield* endWithin(Math.min(drainTimeout, Math.max(0, core.whole.leaveBy - core.now())))
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

/**
 * Sends what the landing zone has, as long as the transport takes it. What is queued leaves in the next turn of the event loop, without
 * this fiber, which waits until the transport is full, and then until it is not. Parks by being interrupted.
 */
const send = Effect.fnUntraced(function* <A>(core: StreamCore<A>, session: Session, flight: Flight) {
  const { rpc, table, zone } = core
  const { tagShift } = rpc
  const hand = (message: Message): boolean => {
    const now = core.now()
    message.sends++
    message.handedAt = now
    core.telemetry.sent(message)
    const request = message.request(session.handed, table.recordType, tagShift)
    // A transport may answer within the call.
    flight.handedUnsafe(now)
    return session.call.sendUnsafe(request, FREE_ROOM)
  }
  if (core.isolation !== undefined) yield* sendSuspects(core, flight.idle, hand, session.call.writable)
  let replaying = zone.window.toReplay > 0
  let listening = false
  let handing = false
  /** Hands over what there is; false when the transport is full. What is queued meanwhile follows in its order. */
  const handAll = (): boolean => {
    // Metrics of the program, or who is answered, may queue a message, and the scheduler run its turn at once.
    if (handing) return true
    handing = true
    try {
      while (listening) {
        const message = zone.nextUnsafe()
        if (message === undefined) return true
        const more = hand(message)
        if (replaying && zone.window.toReplay === 0) {
          replaying = false
          core.states.enterUnsafe("open")
        }
        if (!more) return false
      }
      // The session parked or ended within a call, so that what is left is not this one's to send.
      return true
    } finally {
      handing = false
    }
  }
  const untilFull = Effect.callback<void>((resume) => {
    const serve = (): void => {
      try {
        if (handAll()) return
        stop()
        resume(Effect.void)
      } catch (defect) {
        stop()
        resume(Effect.die(defect))
      }
    }
    const unlisten = zone.listenUnsafe(serve)
    const stop = (): void => {
      listening = false
      unlisten()
    }
    listening = true
    serve()
    return Effect.sync(stop)
  })
  for (;;) {
    yield* untilFull
    yield* session.call.writable
  }
})

/**
 * Reads responses until the call ends or breaks the protocol. A transport that hands over a response when it arrives has it read at
 * once; this fiber then waits for the end of the call.
 */
const receive = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  session: Session,
  flight: Flight,
  pauseRequested: Deferred.Deferred<number | undefined>,
  end: (exit: Exit.Exit<SessionEnd>) => void
): Effect.fn.Return<never, SessionFailure> {
  const read = (bytes: Uint8Array): SessionFailure | undefined => {
    const message = core.rpc.decode(bytes)
    if (message === undefined) return malformed()
    const { acknowledged, closing, created, resumed } = message
    if (acknowledged !== undefined) {
      const wrong = flight.acknowledgeUnsafe(acknowledged.upTo)
      if (wrong !== undefined) return wrong
    }
    if (closing !== undefined) Deferred.doneUnsafe(pauseRequested, Exit.succeed(closing.afterMillis))
    if (created !== undefined) return violation("The server answered a create request that was not made.")
    if (resumed !== undefined) return violation("The server answered a resume request that was not made.")
    return acknowledged === undefined && closing === undefined
      ? violation("The server sent a response of an unknown kind.")
      : undefined
  }
  let over = false
  session.call.onResponseUnsafe?.((bytes) => {
    if (over) return
    try {
      const wrong = read(bytes)
      if (wrong === undefined) return
      over = true
      end(Exit.succeed({ _tag: "Failed", cause: wrong }))
    } catch (defect) {
      // The transport calls: a defect must end the session, not what called.
      over = true
      end(Exit.die(defect))
    }
  })
  const readQueued = Effect.flatMap(nextBytes(core, session.call), (bytes) => {
    const wrong = read(bytes)
    return wrong === undefined ? Effect.void : Effect.fail(wrong)
  })
  return yield* Effect.ensuring(
    Effect.forever(readQueued),
    Effect.sync(() => (over = true))
  )
})
