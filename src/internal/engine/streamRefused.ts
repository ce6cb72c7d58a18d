/**
 * Handles a record that the server refuses: the record is found, passed to the program, and
 * settled.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { Offset } from "../../Offset.ts"
import { InvalidArgument, InvalidState, type StreamFailure } from "../../ZerobusError.ts"
import type { Message } from "../landing/chunk.ts"
import { narrowUnsafe } from "./isolation.ts"
import { type StreamCore, type StreamFace, streamIdOf } from "./streamCore.ts"
import { logRefused, logRefusedHandler, logSearch } from "./streamLogs.ts"
import { readBack } from "./streamUnacked.ts"
import { apart } from "../userCode/apart.ts"

/**
 * How long an `onRefused` handler may take, in milliseconds: normally, and once its stream or scope
 * is closing.
 */
const HANDLER_LIMIT = 30_000
const CLOSING_HANDLER_LIMIT = 5_000

/** Log lines about refused records per minute. Further refusals are only counted. */
const LINES_PER_MINUTE = 10

/** The stream whose `onRefused` handler an effect runs in; `undefined` outside of one. */
export const Handling: Context.Reference<StreamFace<any> | undefined> = Context.Reference<
  StreamFace<any> | undefined
>("effect-zerobus/internal/Handling", { defaultValue: () => undefined })

/** Whether the fiber runs in the `onRefused` handler of this stream. */
export const handles = (
  { whole }: StreamFace<any>,
  fiber: Fiber.Fiber<unknown, unknown>
): boolean => fiber.getRef(Handling) === whole

/**
 * Fails with `InvalidState` inside the stream's `onRefused` handler, which the stream waits for.
 */
export const outsideHandler = <A, E>(
  core: StreamFace<any>,
  operation: string,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E | InvalidState> =>
  Effect.withFiber((fiber): Effect.Effect<A, E | InvalidState> =>
    handles(core, fiber) ? insideHandler(operation) : effect
  )

/** The error of an operation that is not allowed inside the handler. */
export const insideHandler = (operation: string): Effect.Effect<never, InvalidState> => {
  const message =
    `${operation} was called inside the onRefused handler of the same stream, ` +
    `which would wait for itself.`
  return Effect.fail(new InvalidState({ message: `${message} Call it outside of the handler.` }))
}

/**
 * Narrows the search after a session was refused with `inFlight` messages in flight, at a time in
 * milliseconds. A record that is refused for certain goes to `onRefused` and is settled. Returns
 * the failure that ends the stream, if any. Only while no session is open.
 */
export const isolate = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  inFlight: number,
  at: number,
  failure: StreamFailure
): Effect.fn.Return<StreamFailure | undefined> {
  core.zone.rewindUnsafe()
  const refused = narrowUnsafe(core, inFlight, at)
  if (refused === undefined) {
    yield* logSearch(core, inFlight)
    return undefined
  }
  const { records } = refused
  const offset = core.acks.givenOffset(refused.offset)
  const cause = new InvalidArgument({
    message: `The server refused the record at offset ${offset}. ${reasonIn(failure.message)}`,
    path: [],
    offset
  })
  const ending = failure._tag === "InvalidArgument" ? cause : failure
  const { maxRefusals, onRefused } = core.options
  if (onRefused === undefined || !(yield* handled(core, refused, cause))) return ending
  core.zone.refuseOldestUnsafe()
  core.telemetry.refused(records)
  core.refusalsInRow++
  // The record is settled. The silence about the next one starts when that is sent.
  core.silence = 0
  core.acks.refuseUnsafe(refused.offset, cause)
  core.zone.admitUnsafe()
  yield* report(core, cause)
  return core.refusalsInRow >= maxRefusals ? ending : undefined
})

/** Runs the handler. Returns true when it took the record. */
const handled = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  message: Message,
  cause: InvalidArgument
) {
  const offset = core.acks.givenOffset(message.offset)
  const tableName = core.table.tableName
  const refused = {
    tableName,
    streamId: streamIdOf(core),
    offset: Offset(offset),
    records: readBack(core, [message]).records,
    payloads: message.payloads(),
    cause
  }
  const leaving = Effect.suspend(() =>
    Effect.sleep(Math.max(0, Math.min(CLOSING_HANDLER_LIMIT, core.whole.leaveBy - core.now())))
  )
  const limit = Effect.raceAllFirst([
    Effect.sleep(HANDLER_LIMIT),
    Effect.andThen(core.leaving.await, leaving),
    Effect.andThen(core.closeRequested.await, Effect.sleep(CLOSING_HANDLER_LIMIT))
  ])
  const handler = Effect.suspend(() => core.options.onRefused!(refused)).pipe(
    Effect.provideService(Handling, core.whole)
  )
  const exit = yield* Effect.raceFirst(Effect.exit(apart(handler)), Effect.as(limit, undefined))
  if (exit !== undefined && Exit.isSuccess(exit)) return true
  const why =
    exit === undefined
      ? "took too long"
      : Cause.hasDies(exit.cause)
        ? "threw an error that it does not declare"
        : "failed"
  yield* logRefusedHandler(core, offset, why)
  return false
})

/** Logs the refused record, unless many were logged within the last minute. */
const report = (core: StreamCore<any>, cause: InvalidArgument): Effect.Effect<void> =>
  Effect.suspend(() => {
    const lines = core.refusalLines
    if (core.now() - lines.since >= 60_000) {
      lines.since = core.now()
      lines.count = 0
    }
    if (lines.count >= LINES_PER_MINUTE) {
      lines.unlogged++
      return Effect.void
    }
    lines.count++
    const { unlogged } = lines
    lines.unlogged = 0
    return logRefused(core, cause, unlogged)
  })

/**
 * The server's reason alone: without the sentence about the whole stream and the offset within the
 * session, and without quoted text, which may be a value of the record.
 */
const reasonIn = (message: string): string =>
  message
    .replace(/^The stream to \S+ was refused\. /, "")
    .replace(/: At offset \d+: /, ": ")
    .replace(/"[^"]*"|'[^']*'|`[^`]*`/g, "(value)")
