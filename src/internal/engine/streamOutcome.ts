/**
 * The errors of `withStream` and `sink`. Their caller has no stream to flush again, to read or to
 * recreate. So the error is the one that ended the stream. It states how many records were
 * unacknowledged and where they are.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { StreamClosed, type ZerobusError } from "../../ZerobusError.ts"
import type { ZerobusStream } from "../../ZerobusStream.ts"
import { hasRaised, leftOf } from "./streamCore.ts"
import { type Origin, originOf } from "./streamUnacked.ts"

/**
 * Runs a program around a stream. The program passes the stream to `note` once it is open, and the
 * stream has ended by the end of the program.
 */
export const aroundStream = <B, E, R>(
  program: (note: <A>(stream: ZerobusStream<A>) => ZerobusStream<A>) => Effect.Effect<B, E, R>
): Effect.Effect<B, E, R> =>
  Effect.suspend(() => {
    let origin: Origin | undefined
    return Effect.catchCause(
      program((stream) => {
        origin = originOf(stream)
        return stream
      }),
      (cause) => Effect.failCause(origin === undefined ? cause : explain(origin, cause))
    )
  })

const explain = <E>(origin: Origin, cause: Cause.Cause<E>): Cause.Cause<E> =>
  Cause.map(cause, (error) => {
    const own = ownError(origin, error)
    return own === undefined ? error : (withWhatIsLeft(own, origin) as E)
  })

/**
 * Returns the error when this stream raised it. An error that only reports the end of this stream
 * becomes the failure that ended it. Other errors belong to the program.
 */
const ownError = ({ core }: Origin, error: unknown): ZerobusError | undefined => {
  if (typeof error !== "object" || error === null) return undefined
  const { failure } = core
  // Only the client's own error is replaced by its cause: an error of the program may have the same
  // cause.
  const isEnd = error === failure || (error instanceof StreamClosed && error.cause === failure)
  if (failure !== undefined && isEnd) return failure
  return hasRaised(core, error) ? (error as ZerobusError) : undefined
}

/** Adds to the error how many records the stream left unacknowledged, and where they are. */
const withWhatIsLeft = (error: ZerobusError, origin: Origin): ZerobusError => {
  const { acceptedRecords, refusedRecords } = origin.core.zone
  const unacknowledged = leftOf(origin.core)
  const Same = error.constructor as new (fields: object) => ZerobusError
  const fields = { ...error, unacknowledged }
  // Some errors store their text, others derive it from their fields.
  const text = Object.hasOwn(error, "message") ? error.message : new Same(fields).message
  const stop = /[.!?]$/.test(text) ? "" : "."
  const left =
    unacknowledged > 0
      ? ` ${unacknowledged === 1 ? "One record was" : `${unacknowledged} records were`} not ` +
        `acknowledged when the stream ended. ` +
        whereabouts(origin)
      : acceptedRecords > 0
        ? refusedRecords > 0
          ? " All other records that the stream took are durable, or were refused and given to " +
            "onRefused."
          : " All records that the stream took are durable."
        : ""
  return new Same({ ...fields, message: text + stop + left })
}

const whereabouts = ({ core, handedBack }: Origin): string =>
  core.spooled !== undefined
    ? "Unacknowledged records stay in the spool, and the next stream on it sends them."
    : handedBack === "all"
      ? "Unacknowledged records were read, or taken over by another stream."
      : core.options.onUnacked === undefined
        ? "Set the option onUnacked to get such records; without it only their number is logged."
        : "The option onUnacked received the unacknowledged records."
