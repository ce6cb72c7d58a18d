/**
 * The life of one connection: handshake, send loop, acknowledgements, silence timeout, pause,
 * half-close and drain.
 *
 * A session takes messages from the landing zone in order. It numbers them with wire offsets 0, 1,
 * 2, ...; on a persistent stream they continue after the last committed one. Acknowledgements are
 * cumulative and the window is in order. So "wire offset n is durable" means that the oldest
 * messages of the session up to that one are durable. The next session sends the unacknowledged
 * messages again. The supervisor decides whether there is a next one.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { HeadersProviderShape } from "../../HeadersProvider.ts"
import { Transport } from "../../Transport.ts"
import { Retryable, RetryableReason } from "../../ZerobusError.ts"
import type { ServerMessage } from "../protobuf/envelope.ts"
import { type Ending, Flight, type Session, settleUnsafe, shortenUnsafe } from "./flight.ts"
import { Inbox, type InboxReader, Sending } from "./traffic.ts"
import { Opening } from "../userCode/opening.ts"
import { failed, fromTransport, type SessionFailure, violation } from "./sessionFailure.ts"
import { sessionHeaders, withoutCredentials } from "./sessionHeaders.ts"
import { type StreamCore, streamIdOf } from "./streamCore.ts"
import { logPassedOver } from "./streamLogs.ts"
import { Answer, firstOf } from "../userCode/answer.ts"

/** How an open session ended. */
export type SessionEnd =
  | { readonly _tag: "Failed"; readonly cause: SessionFailure }
  | { readonly _tag: "Rotated" }
  | { readonly _tag: "Closed" }

const malformed = () => violation("The server sent a response that is not a protobuf message.")

const nextResponse = (
  core: StreamCore<any>,
  inbox: Inbox
): Effect.Effect<ServerMessage, SessionFailure> =>
  inbox.next.pipe(
    Effect.mapError(({ end }) => fromTransport(core, end)),
    Effect.flatMap((bytes) => {
      const message = core.rpc.decode(bytes)
      return message === undefined ? Effect.fail(malformed()) : Effect.succeed(message)
    })
  )

/**
 * Opens one session: fresh headers, a new call, the create message and its response. The caller
 * bounds its time.
 */
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
  let partial = (): number => 0
  // Runs after the call has ended: until then the connection may still send these bytes.
  yield* Effect.addFinalizer(() => Effect.sync(() => shortenUnsafe(core, partial())))
  const call = yield* Effect.mapError(transport.open(headers.success, rpc.name), (failure) =>
    failed(failure)
  )
  if (opening !== undefined) {
    opening.waitingFor = () =>
      call.waitingForUnsafe?.() ?? "the server's answer to the create request"
  }
  const inbox = yield* Inbox.of(call)
  call.sendUnsafe(rpc.firstRequest())
  const first = yield* nextResponse(core, inbox)
  const answer = rpc.opened(first)
  if (typeof answer === "string") {
    if (!rpc.retriesAnswer) return yield* violation(answer)
    return yield* failed(
      new Retryable({ reason: RetryableReason.ConnectionLost({ message: answer }), attempts: 1 })
    )
  }
  const { committed, streamId } = answer
  core.sessionId = streamId ?? core.sessionId
  core.whole.sessionId = core.sessionId
  core.whole.streamId ??= core.sessionId ?? streamIdOf(core)
  core.telemetry.sessionOpened()
  const settled = committed === undefined ? 0 : settleUnsafe(core, committed)
  if (typeof settled !== "number") return yield* settled
  const firstUnit = committed === undefined ? 0 : committed + 1
  const session: Session = {
    call,
    inbox,
    wire: rpc.wire(firstUnit),
    handed: 0,
    acknowledged: 0,
    progress: settled > 0,
    announced: first.closing
  }
  partial = () => session.wire.partial
  call.watchInFlightUnsafe?.(() => session.handed > session.acknowledged)
  return session
})

/**
 * Runs an open session until it ends. Everything it starts lives in its scope.
 *
 * The first event decides what the session does and how it ends:
 *
 * - The call ends, a protocol violation, silence: it stops at once, and is Failed by that cause.
 * - The server announces a pause, or the end of a connection that made something durable (GOAWAY),
 *   with recovery on: it sends no more. It waits for the grace time, for its last acknowledgement,
 *   or for the close; then it half-closes and drains. It is Rotated, or Failed when a cause other
 *   than the server's orderly end comes first.
 * - The server announces a pause, with recovery off: it sends no more, half-closes and drains. It
 *   is Failed, by that cause or as a lost connection.
 * - The pool takes its slot back, or the table has new columns: as for a pause with recovery on.
 *   The server announced no end, so it waits for its last acknowledgement as long as for any.
 * - The stream is to close: it sends no more, half-closes and drains. It is Closed, or Failed when
 *   the credentials are refused.
 */
export const runSession = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  session: Session
): Effect.fn.Return<SessionEnd, never, Scope.Scope> {
  const ended = new Answer<SessionEnd>()
  const pauseRequested = new Answer<number | undefined>()
  const ending: Ending = {
    fail: (cause) => ended.doneUnsafe(Exit.succeed({ _tag: "Failed", cause })),
    die: (defect) => ended.doneUnsafe(Exit.die(defect))
  }
  const flight = new Flight(core, session, ending)
  const sending = new Sending(core, flight, ending)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      session.inbox.readUnsafe(undefined)
      sending.stop()
      flight.endUnsafe()
    })
  )
  if (core.options.recovery) {
    session.call.onRetiringUnsafe?.(() => {
      // A proxy may announce the end of every connection at its start. So before the connection
      // made anything durable, the announcement is ignored: another connection would be no better,
      // and this one may last.
      if (session.progress)
        pauseRequested.doneUnsafe(Exit.succeed(core.options.serverLackOfAckTimeout))
    })
  }
  if (session.announced !== undefined)
    pauseRequested.doneUnsafe(Exit.succeed(session.announced.afterMillis))
  session.inbox.readUnsafe(receiver(core, flight, pauseRequested, ending))
  sending.start()
  const { drainTimeout, recovery, streamPausedMaxWaitTime } = core.options
  /** Waits for the end of the session, at most `millis` milliseconds. */
  const endWithin = (millis: number) =>
    Effect.raceFirst(ended.await, Effect.as(Effect.sleep(millis), undefined))

  const { closeRequested, followed, slot } = core
  yield* firstOf(
    ended,
    pauseRequested,
    closeRequested,
    ...(slot === undefined ? [] : [slot.dismissed]),
    ...(followed === undefined ? [] : [followed.requested])
  )
  if (ended.exit !== undefined) return yield* ended.exit
  const pause = pauseRequested.exit
  const dismissed = pause === undefined && !closeRequested.isDone
  sending.stop()

  if ((pause !== undefined && recovery) || dismissed) {
    if (!dismissed) core.telemetry.paused()
    core.states.enterUnsafe("paused")
    const grace =
      pause === undefined
        ? core.options.serverLackOfAckTimeout
        : Math.min((yield* pause) ?? 0, streamPausedMaxWaitTime ?? Infinity)
    const during = yield* Effect.raceAllFirst([
      endWithin(grace),
      Effect.as(flight.idle, undefined),
      Effect.as(core.closeRequested.await, undefined)
    ])
    if (during?._tag === "Failed") return during.cause.orderly ? { _tag: "Rotated" } : during
  }
  yield* session.call.halfClose
  // A closing scope bounds the time of the drain.
  const drained = yield* endWithin(
    Math.min(drainTimeout, Math.max(0, core.whole.leaveBy - core.now()))
  )
  if (pause === undefined && !dismissed) {
    return drained?._tag === "Failed" && drained.cause.rejected ? drained : { _tag: "Closed" }
  }
  // A real failure outranks the pause; the server's orderly end does not.
  if (drained?._tag === "Failed" && !drained.cause.orderly) return drained
  // The table that gets the slot opens its session on this connection, unless the server wants a
  // new one.
  if (dismissed && slot?.isDismissed === true && !pauseRequested.isDone)
    session.call.keepConnectionUnsafe?.()
  if (recovery) return { _tag: "Rotated" }
  const message = "The server requested a new connection (stream rotation), and recovery is off."
  return {
    _tag: "Failed",
    cause: failed(
      new Retryable({ reason: RetryableReason.ConnectionLost({ message }), attempts: 1 })
    )
  }
})

/** Reads responses until the call ends or breaks the protocol. */
const receiver = (
  core: StreamCore<any>,
  flight: Flight,
  pauseRequested: Answer<number | undefined>,
  { die, fail }: Ending
): InboxReader => {
  const read = (bytes: Uint8Array): SessionFailure | undefined => {
    const message = core.rpc.decode(bytes)
    if (message === undefined) return malformed()
    const { acknowledged, closing, created, passed, resumed } = message
    if (acknowledged !== undefined) {
      const wrong = flight.acknowledgeUnsafe(acknowledged.upTo)
      if (wrong !== undefined) return wrong
    }
    if (closing !== undefined) pauseRequested.doneUnsafe(Exit.succeed(closing.afterMillis))
    if (created !== undefined)
      return violation("The server answered a create request that was not made.")
    if (resumed !== undefined)
      return violation("The server answered a resume request that was not made.")
    if (passed === "unreadable") core.fork(logPassedOver(core))
    return acknowledged === undefined && closing === undefined && passed === undefined
      ? violation("The server sent a response of an unknown kind.")
      : undefined
  }
  let over = false
  return {
    response: (bytes) => {
      if (over) return
      try {
        const wrong = read(bytes)
        if (wrong === undefined) return
        over = true
        fail(wrong)
      } catch (defect) {
        over = true
        die(defect)
      }
    },
    end: (end) => fail(fromTransport(core, end))
  }
}
