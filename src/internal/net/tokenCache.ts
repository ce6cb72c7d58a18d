/**
 * Tokens with a lifetime, one per key, requested once for all concurrent callers.
 *
 * - A token is renewed before it expires: by `lead` milliseconds, or half its life if that is
 *   shorter. Its life counts from the start of its request, on the monotonic clock: setting the
 *   wall clock neither expires a token nor revives one.
 * - A failed renewal returns the token that is still valid, and the next attempt waits half of the
 *   remaining life, within bounds. A renewal whose caller was interrupted counts as failed, so that
 *   the caller's next attempt does not wait for the same again.
 * - A request belongs to all its waiters: an interrupted waiter does not stop it for the others,
 *   and the last one interrupts it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Redacted from "effect/Redacted"
import { Retryable, RetryableReason, type StreamFailure } from "../../ZerobusError.ts"
import { Answer } from "../userCode/answer.ts"
import { shielded } from "../userCode/shield.ts"

/** A new token. */
export interface Minted {
  readonly token: Redacted.Redacted<string>
  /**
   * Its life in milliseconds; `undefined` when the issuer did not state it. Then the token is used
   * once and not kept.
   */
  readonly lifeMillis: number | undefined
}

interface Entry {
  readonly token: Redacted.Redacted<string>
  readonly expiresAt: number
  renewAt: number
}

/** A pending token request. */
interface Flight {
  readonly done: Answer<Redacted.Redacted<string>, StreamFailure>
  waiting: number
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

/** Provides tokens by key. */
export interface TokenCache {
  /** The key's token. `renewalLimit` overrides that of the cache for this call. */
  readonly get: (
    key: string,
    renewalLimit?: number
  ) => Effect.Effect<Redacted.Redacted<string>, StreamFailure>
  /**
   * Drops the key's token when `rejected` holds for it; a newer one stays. Never waits for a
   * pending request.
   */
  readonly invalidate: (
    key: string,
    rejected: (token: Redacted.Redacted<string>) => boolean
  ) => Effect.Effect<void>
  /** Drops all tokens. From then on callers still get tokens, and none is kept. */
  readonly close: Effect.Effect<void>
}

/** The longest life that is accepted, in milliseconds: a day. */
const LONGEST_LIFE = 24 * 60 * 60 * 1000
const MAX_ENTRIES = 1000

/**
 * Makes a cache over `mint`, which must end within its own limit. Times are in milliseconds.
 * `renewalLimit` bounds a renewal while the old token lasts longer than that.
 */
export const makeTokenCache = (options: {
  readonly mint: (key: string) => Effect.Effect<Minted, StreamFailure>
  readonly enabled: boolean
  readonly lead: number
  readonly renewalLimit: number
}): TokenCache => {
  const entries = new Map<string, Entry>()
  const flights = new Map<string, Flight>()
  let keeping = options.enabled
  const now = Effect.clockWith((clock) =>
    Effect.sync(() => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n))
  )

  /**
   * Requests one token and keeps it. Fails with a retryable error for a token that has expired on
   * arrival.
   */
  const mintAndKeep = Effect.fnUntraced(function* (key: string) {
    const startedAt = yield* now
    const { lifeMillis, token } = yield* options.mint(key)
    if (lifeMillis === undefined) return token
    const life = Math.min(lifeMillis, LONGEST_LIFE)
    const expiresAt = startedAt + life
    const current = yield* now
    if (expiresAt <= current) {
      const message = "The token had expired when it arrived."
      return yield* new Retryable({
        reason: RetryableReason.TokenServiceUnavailable({ message }),
        attempts: 1
      })
    }
    if (!keeping) return token
    for (const [other, entry] of entries) if (entry.expiresAt <= current) entries.delete(other)
    if (entries.size >= MAX_ENTRIES) entries.delete(entries.keys().next().value!)
    entries.set(key, { token, expiresAt, renewAt: expiresAt - Math.min(options.lead, life / 2) })
    return token
  })

  /**
   * Starts a request with one waiter. Synchronous from the check for a pending request up to here:
   * no other fiber runs in between.
   */
  const start = (key: string): Effect.Effect<Flight> => {
    const flight: Flight = { done: new Answer(), waiting: 1, fiber: undefined }
    flights.set(key, flight)
    const mint = mintAndKeep(key).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          forget(key, flight)
          flight.done.doneUnsafe(exit)
        })
      )
    )
    // Shielded: other callers may wait for it too, and the loggers and tracer of the first one must
    // not fail them.
    return Effect.map(shielded(Effect.forkDetach(mint, { startImmediately: true })), (fiber) => {
      flight.fiber = fiber
      return flight
    })
  }

  const forget = (key: string, flight: Flight): void => {
    if (flights.get(key) === flight) flights.delete(key)
  }

  /** Joins the key's pending request, or starts one. */
  const join = (key: string): Effect.Effect<Flight> =>
    Effect.suspend(() => {
      const running = flights.get(key)
      if (running === undefined) return start(key)
      running.waiting++
      return Effect.succeed(running)
    })

  /**
   * Leaves a request. A request without waiters would keep a socket and the process alive until its
   * limit.
   */
  const leave = (key: string, flight: Flight): Effect.Effect<void> =>
    Effect.sync(() => {
      flight.waiting--
      if (flight.waiting > 0 || flight.done.isDone) return
      forget(key, flight)
      flight.fiber?.interruptUnsafe()
    })

  const single = (key: string): Effect.Effect<Redacted.Redacted<string>, StreamFailure> =>
    Effect.acquireUseRelease(
      join(key),
      (flight) => flight.done.await,
      (flight) => leave(key, flight)
    )

  /** Delays the next renewal by half of the remaining life, within bounds. */
  const postpone = (entry: Entry, at: number): void => {
    entry.renewAt =
      at + Math.min(Math.max((entry.expiresAt - at) / 2, options.lead / 300), options.lead / 60)
  }

  const get = Effect.fnUntraced(function* (
    key: string,
    renewalLimit: number = options.renewalLimit
  ): Effect.fn.Return<Redacted.Redacted<string>, StreamFailure> {
    const entry = entries.get(key)
    const at = yield* now
    if (entry === undefined || entry.expiresAt <= at) return yield* single(key)
    if (at < entry.renewAt) return entry.token
    const exit = yield* (
      entry.expiresAt - at > renewalLimit ? Effect.timeout(single(key), renewalLimit) : single(key)
    ).pipe(
      Effect.onInterrupt(() => Effect.map(now, (givenUpAt) => postpone(entry, givenUpAt))),
      Effect.exit
    )
    if (Exit.isSuccess(exit)) return exit.value
    const failedAt = yield* now
    // Expired, refused or replaced in the meantime: check again.
    if (entry.expiresAt <= failedAt || entries.get(key) !== entry)
      return yield* get(key, renewalLimit)
    postpone(entry, failedAt)
    const line = "A token could not be renewed; the current one is used until it expires"
    yield* shielded(Effect.logWarning(line, { millisLeft: entry.expiresAt - failedAt }))
    return entry.token
  })

  return {
    get,
    invalidate: (key, rejected) =>
      Effect.sync(() => {
        const entry = entries.get(key)
        if (entry !== undefined && rejected(entry.token)) entries.delete(key)
      }),
    close: Effect.sync(() => {
      keeping = false
      entries.clear()
    })
  }
}
