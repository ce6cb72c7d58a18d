/**
 * The limits of the token cache: the last millisecond of a life, the room for the last entry, and
 * its messages on failure.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { InvalidToken, Retryable, RetryableReason, type StreamFailure } from "effect-zerobus"
import { TestClock } from "effect/testing"
import {
  makeTokenCache,
  type Minted,
  type TokenCache
} from "../../../src/internal/net/tokenCache.ts"
import * as A from "../../support/acceptance.ts"
import { reporting } from "../../support/reports.ts"

const minute = 60_000
const hour = 60 * minute

/**
 * Issues `token-0`, `token-1`, ... The test sets how long a request takes, how long the token
 * lives, or how it fails.
 */
class Issuer {
  mints = 0
  life: number | undefined = hour
  takes = 0
  failure: StreamFailure | undefined
  readonly mint = (_key: string): Effect.Effect<Minted, StreamFailure> =>
    Effect.gen({ self: this }, function* () {
      const number = this.mints++
      const { failure, life, takes } = this
      if (takes > 0) yield* Effect.sleep(takes)
      if (failure !== undefined) return yield* failure
      return { token: Redacted.make(`token-${number}`), lifeMillis: life }
    })

  cache(options: Partial<Parameters<typeof makeTokenCache>[0]> = {}): TokenCache {
    return makeTokenCache({
      mint: this.mint,
      enabled: true,
      lead: 5 * minute,
      renewalLimit: 7_500,
      ...options
    })
  }
}

const down = new Retryable({
  reason: RetryableReason.TokenServiceUnavailable({ message: "The token endpoint is down." }),
  attempts: 1
})
const get = (cache: TokenCache, key = "a.b.c") => Effect.map(cache.get(key), Redacted.value)
const reason = (error: StreamFailure) => {
  const retryable = A.tagged(error, "Retryable")
  return [retryable.reason._tag, retryable.message, retryable.attempts]
}

describe("a token's life", () => {
  it.effect("is over at its last millisecond: one that ends as it arrives is dead", () =>
    Effect.gen(function* () {
      for (const [takes, ok] of [
        [999, true],
        [1_000, false],
        [1_001, false]
      ] as const) {
        const issuer = new Issuer()
        issuer.life = 1_000
        issuer.takes = takes
        const asking = yield* A.started(get(issuer.cache()))
        yield* A.advance(takes, takes)
        if (ok) assert.strictEqual(asking.value(), "token-0")
        else {
          assert.deepStrictEqual(reason(asking.error()), [
            "TokenServiceUnavailable",
            "The token had expired when it arrived.",
            1
          ])
        }
      }
    })
  )

  it.effect("of exactly a day is believed, and not a millisecond more", () =>
    Effect.gen(function* () {
      for (const life of [24 * hour, 24 * hour + 1]) {
        const issuer = new Issuer()
        issuer.life = life
        const cache = issuer.cache({ lead: 0 })
        yield* get(cache)
        yield* TestClock.adjust(24 * hour - 1)
        assert.strictEqual(yield* get(cache), "token-0")
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* get(cache), "token-1")
      }
    })
  )

  it.effect(
    "that has ended during a failing renewal is no reason to go on using it: it is minted anew",
    () =>
      Effect.gen(function* () {
        for (const left of [1_000, 999]) {
          const issuer = new Issuer()
          const cache = issuer.cache()
          yield* get(cache)
          yield* TestClock.adjust(hour - 1_000)
          issuer.failure = down
          issuer.takes = left
          const asking = yield* A.started(get(cache))
          issuer.failure = undefined
          issuer.takes = 0
          yield* A.advance(left, left)
          // At its end it is gone; a millisecond before, it is still used.
          assert.strictEqual(asking.value(), left === 1_000 ? "token-2" : "token-0")
        }
      })
  )
})

describe("a mint", () => {
  it.effect("has begun when its caller has to wait", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      issuer.takes = 100
      const fiber = yield* Effect.forkChild(get(issuer.cache()), { startImmediately: true })
      assert.strictEqual(issuer.mints, 1)
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(fiber), "token-0")
    })
  )
})

describe("a renewal", () => {
  it.effect(
    "is waited for at most its limit while the token outlasts that, and without it when it does " +
      "not",
    () =>
      Effect.gen(function* () {
        for (const [left, patient] of [
          [7_501, false],
          [7_500, true],
          [7_499, true]
        ] as const) {
          const issuer = new Issuer()
          const cache = issuer.cache()
          yield* get(cache)
          yield* TestClock.adjust(hour - left)
          issuer.takes = 20_000
          const asking = yield* A.started(get(cache))
          yield* A.advance(7_500, 7_500)
          assert.strictEqual(asking.done(), !patient, `${left} ms left`)
          yield* A.advance(12_500, 2_500)
          assert.strictEqual(asking.value(), patient ? "token-1" : "token-0")
        }
      })
  )

  it.effect(
    "that fails is tried again after half of what is left, from a second to five with a lead of " +
      "five minutes",
    () =>
      Effect.gen(function* () {
        for (const [left, wait] of [
          [4 * minute, 5_000],
          [10_001, 5_000],
          [10_000, 5_000],
          [9_000, 4_500],
          [3_000, 1_500],
          [2_000, 1_000],
          [1_500, 1_000]
        ] as const) {
          const issuer = new Issuer()
          const cache = issuer.cache()
          yield* get(cache)
          yield* TestClock.adjust(hour - left)
          issuer.failure = down
          yield* get(cache)
          assert.strictEqual(issuer.mints, 2)
          yield* TestClock.adjust(wait - 1)
          yield* get(cache)
          assert.strictEqual(issuer.mints, 2, `${left} ms left`)
          yield* TestClock.adjust(1)
          yield* get(cache)
          assert.strictEqual(issuer.mints, 3, `${left} ms left`)
        }
      })
  )

  it.effect(
    "that fails says in the log how long the token at hand still lasts, and not which it is",
    () =>
      reporting((reports) =>
        Effect.gen(function* () {
          const issuer = new Issuer()
          const cache = issuer.cache()
          yield* get(cache)
          yield* TestClock.adjust(57 * minute)
          issuer.failure = new InvalidToken({ message: "no" })
          yield* get(cache)
          assert.deepStrictEqual(
            reports.lines.map(({ details, level, text }) => [level, text, details]),
            [
              [
                "Warn",
                "A token could not be renewed; the current one is used until it expires",
                { millisLeft: 3 * minute }
              ]
            ]
          )
        })
      )
  )
})

describe("a thousand entries", () => {
  it.effect("fit, and the next one takes the place of the oldest", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      const cache = issuer.cache()
      for (let n = 0; n < 1000; n++) yield* get(cache, `t${n}`)
      assert.strictEqual(yield* get(cache, "t0"), "token-0")
      yield* get(cache, "t1000")
      assert.strictEqual(yield* get(cache, "t1"), "token-1")
      assert.strictEqual(issuer.mints, 1001)
      assert.strictEqual(yield* get(cache, "t0"), "token-1001")
    })
  )

  it.effect(
    "make room by those that have ended first, at their last millisecond, so that none that is " +
      "valid has to go",
    () =>
      Effect.gen(function* () {
        const issuer = new Issuer()
        const cache = issuer.cache({ lead: 0 })
        yield* get(cache, "oldest and valid")
        issuer.life = minute
        for (let n = 0; n < 999; n++) yield* get(cache, `t${n}`)
        yield* TestClock.adjust(minute)
        for (let n = 0; n < 999; n++) yield* get(cache, `u${n}`)
        const mints = issuer.mints
        assert.strictEqual(yield* get(cache, "oldest and valid"), "token-0")
        assert.strictEqual(issuer.mints, mints)
      })
  )
})

describe("a cache that is off", () => {
  it.effect(
    "keeps nothing, not even for when it would be asked again at once, and still mints once for " +
      "many at a time",
    () =>
      Effect.gen(function* () {
        const issuer = new Issuer()
        issuer.takes = 10
        const cache = issuer.cache({ enabled: false })
        const asking = yield* Effect.forEach([1, 2, 3], () => A.started(get(cache)))
        yield* A.advance(10, 10)
        assert.deepStrictEqual(
          asking.map((one) => one.value()),
          ["token-0", "token-0", "token-0"]
        )
        const later = yield* A.started(get(cache))
        yield* A.advance(10, 10)
        assert.strictEqual(later.value(), "token-1")
      })
  )
})
