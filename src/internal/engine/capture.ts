/**
 * Provides the effects among a stream's options with the services of the place where they were
 * given. They run later, in fibers of the engine: on a reconnect, for a refused record, when a
 * scope closes.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { StreamConfigurationOptions } from "../../StreamConfigurationOptions.ts"
import { Opening } from "../userCode/opening.ts"
import { guarded } from "./sessionHeaders.ts"
import { Handling } from "./streamRefused.ts"

/**
 * Services that an effect takes from the fiber that runs it, not from the place where it was given.
 */
const momentary = [
  Opening,
  Handling,
  Tracer.ParentSpan,
  References.CurrentLogAnnotations,
  References.CurrentLogSpans
] as const

/**
 * The context without those services. Returns the same object if it holds none, so that streams can
 * share it.
 */
const lasting = (context: Context.Context<any>): Context.Context<any> =>
  momentary.some(
    (key) => Context.getOrUndefined(context, key as Context.Key<any, unknown>) !== undefined
  )
    ? Context.omit(...momentary)(context)
    : context

/**
 * Returns the options with these services provided to their effects. The options must have been
 * checked.
 */
export const capture = <A, R>(
  options: StreamConfigurationOptions<A, R>,
  context: Context.Context<R>
): StreamConfigurationOptions<A> => {
  const { beforeOpen, headersProvider, onRefused, onUnacked, ...rest } = options
  // Without an effect, the services need not be kept.
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
