/**
 * The core of a stream without a connection, for tests of its parts: they play the session that
 * takes messages and has them acknowledged, and the supervisor that ends the stream when it is
 * asked to.
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

/** What is behind the object of a stream with this core, in a scope of its own. */
export const makeOrigin = (core: StreamCore<any>): Effect.Effect<Origin> =>
  Effect.map(Scope.make(), (scope) => ({
    core,
    scope,
    options: {},
    handedBack: "nothing",
    recreated: false
  }))

/** Hands in records, each without waiting. */
export const offer = (
  core: StreamCore<JsonRecord>,
  records: ReadonlyArray<JsonRecord>
): ReadonlyArray<unknown> => records.map((record) => core.zone.offerUnsafe(record))

/** Takes what is queued, as a session does. */
export const take = (core: StreamCore<any>): ReadonlyArray<Message> => {
  const taken: Array<Message> = []
  for (let next = core.zone.nextUnsafe(); next !== undefined; next = core.zone.nextUnsafe())
    taken.push(next)
  return taken
}

/** Has the oldest messages acknowledged, as a session does. */
export const acknowledge = (core: StreamCore<any>, messages: number): void => {
  core.acks.advanceUnsafe(core.zone.acknowledgeUnsafe(messages))
  core.zone.admitUnsafe()
}

/** Ends the stream once it is asked to, as the supervisor does. */
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
