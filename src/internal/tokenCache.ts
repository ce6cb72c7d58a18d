/**
 * Tokens with a lifetime, one per key, minted once for all who ask at the same time.
 *
 * - A token is renewed ahead of its end: `lead` milliseconds, or half its life when that is shorter. Its life counts from the start
 *   of the request that minted it.
 * - A failed renewal falls back to the token that is still valid, and the next try waits half of what is left, within bounds.
 * - A minting fiber belongs to nobody: who stops waiting does not stop it for the others.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Redacted from "effect/Redacted"
import { Retryable, RetryableReason, type StreamFailure } from "../ZerobusError.ts"

/** A freshly minted token. */
export interface Minted {
  readonly token: Redacted.Redacted<string>
  /** Its life in milliseconds; `undefined` when the issuer did not say, then it is used once and not kept. */
  readonly lifeMillis: number | undefined
}

interface Entry {
  readonly token: Redacted.Redacted<string>
  readonly expiresAt: number
  renewAt: number
}

type Flight = Deferred.Deferred<Redacted.Redacted<string>, StreamFailure>

/** Hands out tokens by key. */
export interface TokenCache {
  readonly get: (key: string) => Effect.Effect<Redacted.Redacted<string>, StreamFailure>
  /** Drops the key's token when `rejected` holds for it; a newer one stays. Never waits for a mint in flight. */
  readonly invalidate: (key: string, rejected: (token: Redacted.Redacted<string>) => boolean) => Effect.Effect<void>
}

/** The longest life believed, in milliseconds: a day. */
const LONGEST_LIFE = 24 * 60 * 60 * 1000
const MAX_ENTRIES = 1000

/** Makes a cache over `mint`. Times in milliseconds; `renewalLimit` caps a renewal while the old token outlasts that. */
export const makeTokenCache = (options: {
  readonly mint: (key: string) => Effect.Effect<Minted, StreamFailure>
  readonly enabled: boolean
  readonly lead: number
  readonly mintLimit: number
  readonly renewalLimit: number
}): TokenCache => {
  const entries = new Map<string, Entry>()
  const flights = new Map<string, Flight>()
  const now = Effect.clockWith((clock) => clock.currentTimeMillis)

  /** Mints one token and keeps it. Fails with a retryable error for one that is dead on arrival. */
  const mintAndKeep = Effect.fnUntraced(function* (key: string) {
    const startedAt = yield* now
    const { lifeMillis, token } = yield* options.mint(key)
    if (lifeMillis === undefined) return token
    const life = Math.min(lifeMillis, LONGEST_LIFE)
    const expiresAt = startedAt + life
    const current = yield* now
    if (expiresAt <= current) {
      const message = "The token was past its end of life when it arrived."
      return yield* new Retryable({ reason: RetryableReason.TokenServiceUnavailable({ message }), attempts: 1 })
    }
    if (!options.enabled) return token
    for (const [other, entry] of entries) if (entry.expiresAt <= current) entries.delete(other)
    if (entries.size >= MAX_ENTRIES) entries.delete(entries.keys().next().value!)
    entries.set(key, { token, expiresAt, renewAt: expiresAt - Math.min(options.lead, life / 2) })
    return token
  })

  /** Joins the key's mint in flight, or starts one. */
  const single = (key: string): Effect.Effect<Redacted.Redacted<string>, StreamFailure> =>
    Effect.suspend(() => {
      const running = flights.get(key)
      if (running !== undefined) return Deferred.await(running)
      const flight: Flight = Deferred.makeUnsafe()
      flights.set(key, flight)
      const mint = mintAndKeep(key).pipe(
        Effect.timeoutOrElse({
          duration: options.mintLimit,
          orElse: () => {
            const message = `The token endpoint did not answer within ${options.mintLimit} ms.`
            return Effect.fail(
              new Retryable({ reason: RetryableReason.TokenServiceUnavailable({ message }), attempts: 1 })
            )
          }
        }),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            flights.delete(key)
            Deferred.doneUnsafe(flight, exit)
          })
        )
      )
      return Effect.andThen(Effect.forkDetach(mint, { startImmediately: true }), Deferred.await(flight))
    })

  const get = Effect.fnUntraced(function* (key: string): Effect.fn.Return<Redacted.Redacted<string>, StreamFailure> {
    const entry = entries.get(key)
    const at = yield* now
    if (!options.enabled || entry === undefined || entry.expiresAt <= at) return yield* single(key)
    if (at < entry.renewAt) return entry.token
    const left = entry.expiresAt - at
    const renewal = single(key)
    const exit = yield* Effect.exit(
      left > options.renewalLimit ? Effect.timeout(renewal, options.renewalLimit) : renewal
    )
    if (Exit.isSuccess(exit)) return exit.value
    const failedAt = yield* now
    // Ended, refused or replaced meanwhile: look again.
    if (entry.expiresAt <= failedAt || entries.get(key) !== entry) return yield* get(key)
    entry.renewAt =
      failedAt + Math.min(Math.max((entry.expiresAt - failedAt) / 2, options.lead / 300), options.lead / 60)
    yield* Effect.logWarning("A token could not be renewed; the one at hand is used until it ends", {
      millisLeft: entry.expiresAt - failedAt
    })
    return entry.token
  })

  return {
    get,
    invalidate: (key, rejected) =>
      Effect.sync(() => {
        const entry = entries.get(key)
        if (entry !== undefined && rejected(entry.token)) entries.delete(key)
      })
  }
}
