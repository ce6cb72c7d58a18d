/**
 * Decides when a command stops waiting for the server: a stream with a spool retries without end.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ZerobusStream } from "../../ZerobusStream.ts"
import { type CommandFailed, exitTryAgain, failed } from "../terminal/CommandFailed.ts"

/** Fails once the retry budget of a stream with a spool is spent. Never succeeds. */
export const unreachable = (stream: ZerobusStream<any>): Effect.Effect<never, CommandFailed> =>
  stream.stateChanges.pipe(
    Stream.filter((state) => state === "waiting"),
    Stream.runHead,
    Effect.flatMap((found) =>
      Option.isNone(found)
        ? Effect.never
        : Effect.fail(
            failed(
              "The server cannot be reached, or refuses for now. Try again later.",
              exitTryAgain
            )
          )
    )
  )
