/**
 * The core of a stream without a connection, for tests of its parts. The tests act as the session,
 * which takes and acknowledges messages, and as the supervisor, which ends the stream on request.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Message } from "../../src/internal/landing/chunk.ts"
import { Turns } from "../../src/internal/landing/turns.ts"
import {
  finishUnsafe,
  makeStreamCore,
  type StreamCore
} from "../../src/internal/engine/streamCore.ts"
import type { Origin } from "../../src/internal/engine/streamUnacked.ts"
import { resolve, type StreamConfigurationOptions } from "../../src/StreamConfigurationOptions.ts"
import type { JsonRecord, TableProperties } from "../../src/TableProperties.ts"
import type { InvalidArgument } from "../../src/ZerobusError.ts"
import * as A from "./acceptance.ts"

/** A core that is not connected. */
export const makeCore = (
  options: StreamConfigurationOptions<JsonRecord> = {},
  table: TableProperties<JsonRecord> = A.table
): Effect.Effect<StreamCore<JsonRecord>, InvalidArgument> =>
  Effect.flatMap(Effect.fromResult(resolve(options)), (resolved) =>
    makeStreamCore(table, resolved, new Turns())
  )

/** Creates the internals of a stream object with this core, in a separate scope. */
export const makeOrigin = (core: StreamCore<any>): Effect.Effect<Origin> =>
  Effect.map(Scope.make(), (scope) => ({
    core,
    scope,
    options: {},
    handedBack: "nothing",
    recreated: false
  }))

/** Ingests records without waiting. */
export const offer = (
  core: StreamCore<JsonRecord>,
  records: ReadonlyArray<JsonRecord>
): ReadonlyArray<unknown> => records.map((record) => core.zone.offerUnsafe(record))

/** Takes the queued messages, like a session. */
export const take = (core: StreamCore<any>): ReadonlyArray<Message> => {
  const taken: Array<Message> = []
  for (let next = core.zone.nextUnsafe(); next !== undefined; next = core.zone.nextUnsafe())
    taken.push(next)
  return taken
}

/** Acknowledges the oldest messages, like a session. */
export const acknowledge = (core: StreamCore<any>, messages: number): void => {
  core.acks.advanceUnsafe(core.zone.acknowledgeUnsafe(messages))
  core.zone.admitUnsafe()
}

/** Ends the stream on request, like the supervisor. */
export const supervised = (core: StreamCore<any>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.forkScoped(
      Effect.andThen(
        core.closeRequested.await,
        Effect.sync(() => finishUnsafe(core, undefined))
      ),
      {
        startImmediately: true
      }
    )
  )
