/**
 * Gives the effects among a stream's options the services of the place where they were given. They
 * run later, in fibers of the engine: on a reconnect, for a refused record, when a scope closes.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { StreamConfigurationOptions } from "../../StreamConfigurationOptions.ts"
import { Opening } from "../userCode/opening.ts"
import { guarded } from "./sessionHeaders.ts"
import { Handling } from "./streamRefused.ts"

/** What an effect takes from the fiber that runs it, not from where it was given. */
const momentary = [
  Opening,
  Handling,
  Tracer.ParentSpan,
  References.CurrentLogAnnotations,
  References.CurrentLogSpans
] as const

/** The context without that: itself where it has none of it, so that streams can share it. */
const lasting = (context: Context.Context<any>): Context.Context<any> =>
  momentary.some(
    (key) => Context.getOrUndefined(context, key as Context.Key<any, unknown>) !== undefined
  )
    ? Context.omit(...momentary)(context)
    : context

/**
 * The options with their effects provided with these services. They must have passed their check.
 */
export const capture = <A, R>(
  options: StreamConfigurationOptions<A, R>,
  context: Context.Context<R>
): StreamConfigurationOptions<A> => {
  const { beforeOpen, headersProvider, onRefused, onUnacked, ...rest } = options
  // Without an effect there is nothing to keep the services for.
  if (!(beforeOpen ?? headersProvider ?? onRefused ?? onUnacked)) return rest
  const services = lasting(context) as Context.Context<R>
  const within = <X, E>(effect: Effect.Effect<X, E, R>): Effect.Effect<X, E> =>
    Effect.provideContext(effect, services)
  return {
    ...rest,
    ...(beforeOpen === undefined ? {} : { beforeOpen: within(beforeOpen) }),
    ...(headersProvider === undefined
      ? {}
      : { headersProvider: guarded(headersProvider, services) }),
    ...(onRefused === undefined ? {} : { onRefused: (refused) => within(onRefused(refused)) }),
    ...(onUnacked === undefined ? {} : { onUnacked: (unacked) => within(onUnacked(unacked)) })
  }
}
