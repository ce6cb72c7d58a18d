/**
 * The token cache on a virtual clock.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Redacted } from "effect"
import { InvalidToken, Retryable, RetryableReason, type StreamFailure } from "effect-zerobus"
import { makeTokenCache, type Minted, type TokenCache } from "../../src/internal/net/tokenCache.ts"
import * as A from "../support/acceptance.ts"

const hour = 3_600_000
const minute = 60_000

/** An issuer of `token-0`, `token-1`, ... that behaves as the test sets it. */
class Issuer {
  mints = 0
  readonly keys: Array<string> = []
  life: number | undefined = hour
  /** Milliseconds that a mint takes. `undefined` for one that ends at its limit of 30 seconds. */
  takes: number | undefined = 0
  failure: StreamFailure | undefined

  readonly mint = (key: string): Effect.Effect<Minted, StreamFailure> =>
    Effect.gen({ self: this }, function* () {
      const number = this.mints++
      this.keys.push(key)
      const { failure, life, takes } = this
      if (takes === undefined) return yield* Effect.delay(Effect.fail(down), 30_000)
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
const refusedForGood = new InvalidToken({ message: "The secret was revoked." })
const get = (cache: TokenCache, key = "a.b.c") => Effect.map(cache.get(key), Redacted.value)
const is = (token: string) => (candidate: Redacted.Redacted<string>) =>
  Redacted.value(candidate) === token

describe("the token cache", () => {
  it.effect(
    "HA-24 HA-25 HA-50 mints once for all callers, and again when the token has expired",
    () =>
      Effect.gen(function* () {
        const issuer = new Issuer()
        const cache = issuer.cache({ lead: 0 })
        assert.deepStrictEqual([yield* get(cache), yield* get(cache)], ["token-0", "token-0"])
        yield* A.advance(hour - 1, hour)
        assert.strictEqual(yield* get(cache), "token-0")
        yield* A.advance(1)
        assert.strictEqual(yield* get(cache), "token-1")
      })
  )

  it.effect("HA-27 uses a token of unknown life once and keeps the good one that it has", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      issuer.life = undefined
      const cache = issuer.cache()
      assert.deepStrictEqual([yield* get(cache), yield* get(cache)], ["token-0", "token-1"])
      issuer.life = hour
      assert.strictEqual(yield* get(cache), "token-2")
      yield* A.advance(56 * minute, hour)
      issuer.life = undefined
      assert.strictEqual(yield* get(cache), "token-3")
      issuer.failure = down
      assert.strictEqual(yield* get(cache), "token-2")
    })
  )

  it.effect("S-11 HA-28 accepts no lifetime longer than a day", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      issuer.life = 2 ** 60
      const cache = issuer.cache()
      yield* get(cache)
      yield* A.advance(24 * hour, 24 * hour)
      assert.strictEqual(yield* get(cache), "token-1")
    })
  )

  it.effect("HA-34 HA-52 HA-53 drops a refused token only, under its own key only", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      const cache = issuer.cache()
      yield* get(cache, "a")
      yield* get(cache, "b")
      yield* cache.invalidate("unknown", () => true)
      yield* cache.invalidate("a", is("token-0"))
      assert.deepStrictEqual(
        [yield* get(cache, "a"), yield* get(cache, "b")],
        ["token-2", "token-1"]
      )
      // A late refusal of the old token leaves the newer one alone.
      yield* cache.invalidate("a", is("token-0"))
      assert.strictEqual(yield* get(cache, "a"), "token-2")
      yield* issuer.cache({ enabled: false }).invalidate("a", () => true)
    })
  )

  it.effect(
    "HA-35 HA-36 renews ahead of the end: by the lead, or by half a life that is shorter",
    () =>
      Effect.gen(function* () {
        for (const [lead, life, renewsAt] of [
          [5 * minute, hour, 55 * minute],
          [20 * minute, hour, 40 * minute],
          [5 * minute, 4 * minute, 2 * minute],
          [5 * hour, hour, 30 * minute]
        ] as const) {
          const issuer = new Issuer()
          issuer.life = life
          const cache = issuer.cache({ lead })
          yield* get(cache)
          yield* A.advance(renewsAt - 1, hour)
          assert.strictEqual(yield* get(cache), "token-0")
          yield* A.advance(1)
          assert.strictEqual(yield* get(cache), "token-1")
        }
      })
  )

  it.effect(
    "HA-37 HA-38 uses the token that is still valid when its renewal fails, for a while or for " +
      "good",
    () =>
      Effect.gen(function* () {
        for (const failure of [down, refusedForGood]) {
          const issuer = new Issuer()
          const cache = issuer.cache()
          yield* get(cache)
          yield* A.advance(56 * minute, hour)
          issuer.failure = failure
          assert.strictEqual(yield* get(cache), "token-0")
          yield* A.advance(4 * minute, hour)
          assert.strictEqual(yield* Effect.flip(get(cache)), failure)
        }
      })
  )

  it.effect(
    "HA-39 does not wait for a hanging renewal beyond its limit while the token at hand " +
      "outlasts that",
    () =>
      Effect.gen(function* () {
        const issuer = new Issuer()
        const cache = issuer.cache()
        yield* get(cache)
        yield* A.advance(56 * minute, hour)
        issuer.takes = undefined
        const asking = yield* A.started(get(cache))
        yield* A.advance(7_499, 500)
        assert.isFalse(asking.done())
        yield* A.advance(1)
        assert.strictEqual(asking.value(), "token-0")
      })
  )

  it.effect(
    "HA-39 uses the caller's limit, and does not make that caller wait for the same renewal again",
    () =>
      Effect.gen(function* () {
        const issuer = new Issuer()
        const cache = issuer.cache()
        yield* get(cache)
        yield* A.advance(56 * minute, hour)
        issuer.takes = undefined
        const asking = yield* A.started(Effect.map(cache.get("a.b.c", 1_000), Redacted.value))
        yield* A.advance(999)
        assert.isFalse(asking.done())
        yield* A.advance(1)
        assert.strictEqual(asking.value(), "token-0")
        assert.strictEqual(issuer.mints, 2)
        // Its caller gave up before that limit: the renewal counts as failed, so the next one waits
        // for a while.
        yield* A.advance(5_000)
        const impatient = yield* A.started(get(cache))
        assert.strictEqual(issuer.mints, 3)
        yield* A.advance(500)
        yield* impatient.interrupt
        assert.strictEqual(yield* get(cache), "token-0")
        assert.strictEqual(issuer.mints, 3)
        yield* A.advance(5_000)
        yield* A.started(get(cache))
        assert.strictEqual(issuer.mints, 4)
      })
  )

  it.effect(
    "S-11 counts a token's life on the monotonic clock, whatever the wall clock is set to",
    () =>
      Effect.gen(function* () {
        const clock = yield* Clock.clockWith(Effect.succeed)
        let skew = 0
        const skewed: Clock.Clock = {
          currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + skew,
          currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() + skew),
          currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(skew) * 1_000_000n,
          currentTimeNanos: Effect.sync(
            () => clock.currentTimeNanosUnsafe() + BigInt(skew) * 1_000_000n
          ),
          monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
          monotonicTimeNanos: clock.monotonicTimeNanos,
          sleep: (duration) => clock.sleep(duration)
        }
        const issuer = new Issuer()
        const cache = issuer.cache({ lead: 0 })
        const ask = Effect.provideService(get(cache), Clock.Clock, skewed)
        yield* ask
        skew = 2 * hour
        assert.strictEqual(yield* ask, "token-0")
        skew = -2 * hour
        yield* A.advance(hour, hour)
        assert.strictEqual(yield* ask, "token-1")
      })
  )

  it.effect("S-13 S-18 ends a mint without waiters, and keeps no token once it is closed", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      let ended = 0
      const mint = (key: string) =>
        Effect.onInterrupt(issuer.mint(key), () => Effect.sync(() => ended++))
      const cache = issuer.cache({ mint })
      issuer.takes = undefined
      const first = yield* A.started(get(cache))
      const second = yield* A.started(get(cache))
      yield* first.interrupt
      assert.strictEqual(ended, 0)
      yield* second.interrupt
      assert.deepStrictEqual([issuer.mints, ended], [1, 1])
      // No caller joins the mint that was ended.
      issuer.takes = 0
      assert.strictEqual(yield* get(cache), "token-1")
      assert.strictEqual(yield* get(cache), "token-1")
      yield* cache.close
      assert.deepStrictEqual([yield* get(cache), yield* get(cache)], ["token-2", "token-3"])
    })
  )

  it.effect(
    "HA-40 counts a token's life from the start of its request: one dead on arrival is an " +
      "error, cache or not",
    () =>
      Effect.gen(function* () {
        for (const enabled of [true, false]) {
          const issuer = new Issuer()
          issuer.life = 1000
          issuer.takes = 2000
          const asking = yield* A.started(get(issuer.cache({ enabled })))
          yield* A.advance(2000)
          assert.strictEqual(
            A.tagged(asking.error(), "Retryable").reason._tag,
            "TokenServiceUnavailable"
          )
        }
        const issuer = new Issuer()
        const cache = issuer.cache()
        yield* get(cache)
        yield* A.advance(56 * minute, hour)
        issuer.life = 1000
        issuer.takes = 2000
        const renewing = yield* A.started(get(cache))
        yield* A.advance(2000)
        assert.strictEqual(renewing.value(), "token-0")
      })
  )

  it.effect("HA-41 waits between failing renewals, less the nearer the end is", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      const cache = issuer.cache()
      yield* get(cache)
      yield* A.advance(56 * minute, hour)
      issuer.failure = down
      for (let n = 0; n < 10; n++) assert.strictEqual(yield* get(cache), "token-0")
      assert.strictEqual(issuer.mints, 2)
      // Half of the remaining time, at most 5 seconds with a lead of 5 minutes.
      yield* A.advance(4_999, 5_000)
      yield* get(cache)
      assert.strictEqual(issuer.mints, 2)
      yield* A.advance(1)
      yield* get(cache)
      assert.strictEqual(issuer.mints, 3)
      // Two seconds before the end it is one second.
      yield* A.advance(4 * minute - 5_000 - 2_000, hour)
      yield* get(cache)
      assert.strictEqual(issuer.mints, 4)
      yield* A.advance(1_000)
      yield* get(cache)
      assert.strictEqual(issuer.mints, 5)
      // It stays one second, however near the end.
      yield* A.advance(600)
      assert.strictEqual(yield* get(cache), "token-0")
      assert.strictEqual(issuer.mints, 5)
    })
  )

  it.effect("HA-42 waits for a renewal without that limit when the token would die first", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      const cache = issuer.cache()
      yield* get(cache)
      yield* A.advance(hour - 5_000, hour)
      issuer.takes = 10_000
      const asking = yield* A.started(get(cache))
      yield* A.advance(10_000, 1_000)
      assert.strictEqual(asking.value(), "token-1")
    })
  )

  it.effect("HA-43 does not fall back to a token that was refused during its failing renewal", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      const cache = issuer.cache()
      yield* get(cache)
      yield* A.advance(56 * minute, hour)
      issuer.failure = down
      issuer.takes = 1000
      const asking = yield* A.started(get(cache))
      yield* cache.invalidate("a.b.c", is("token-0"))
      issuer.failure = undefined
      yield* A.advance(2000)
      assert.strictEqual(asking.value(), "token-2")
    })
  )

  it.effect(
    "S-18 HA-44 HA-45 HA-46 mints once for many at a time, and they share its failure and its " +
      "timeout",
    () =>
      Effect.gen(function* () {
        const together = (issuer: Issuer, count: number, millis: number) =>
          Effect.gen(function* () {
            const cache = issuer.cache()
            const asking = yield* Effect.forEach([...Array(count).keys()], () =>
              A.started(get(cache))
            )
            yield* A.advance(millis)
            assert.strictEqual(issuer.mints, 1)
            return asking
          })
        for (const count of [3, 15, 16]) {
          const issuer = new Issuer()
          issuer.takes = 100
          for (const one of yield* together(issuer, count, 100))
            assert.strictEqual(one.value(), "token-0")
        }
        const failing = new Issuer()
        failing.takes = 100
        failing.failure = refusedForGood
        for (const one of yield* together(failing, 4, 100))
          assert.strictEqual(one.error(), refusedForGood)
        const hanging = new Issuer()
        hanging.takes = undefined
        for (const one of yield* together(hanging, 4, 30_000)) A.tagged(one.error(), "Retryable")
      })
  )

  it.effect("HA-47 HA-48 continues to mint for the other callers when one gives up waiting", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      issuer.takes = 1000
      const cache = issuer.cache()
      const leader = yield* A.started(get(cache))
      const hurried = yield* A.started(Effect.timeout(get(cache), 100))
      const follower = yield* A.started(get(cache))
      yield* leader.interrupt
      yield* A.advance(100)
      assert.strictEqual(hurried.error()._tag, "TimeoutError")
      yield* A.advance(900)
      assert.strictEqual(follower.value(), "token-0")
      assert.strictEqual(issuer.mints, 1)
    })
  )

  it.effect("HA-49 keeps nothing of a mint that failed", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      const cache = issuer.cache()
      issuer.failure = down
      assert.strictEqual(yield* Effect.flip(get(cache)), down)
      issuer.failure = undefined
      assert.strictEqual(yield* get(cache), "token-1")
    })
  )

  it.effect("HA-51 keeps the tokens of tables apart", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      const cache = issuer.cache()
      assert.deepStrictEqual(
        [yield* get(cache, "a"), yield* get(cache, "b"), yield* get(cache, "a")],
        ["token-0", "token-1", "token-0"]
      )
      assert.deepStrictEqual(issuer.keys, ["a", "b"])
    })
  )

  it.effect("HA-54 invalidates without waiting for a mint in flight, whose token is kept", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      issuer.takes = 1000
      const cache = issuer.cache()
      const asking = yield* A.started(get(cache))
      ;(yield* A.started(cache.invalidate("a.b.c", is("an older one")))).value()
      yield* A.advance(1000)
      assert.strictEqual(asking.value(), "token-0")
      assert.strictEqual(yield* get(cache), "token-0")
      assert.strictEqual(issuer.mints, 1)
    })
  )

  it.effect(
    "S-12 HA-55 stays bounded with many tables: it drops the oldest tokens and expired ones",
    () =>
      Effect.gen(function* () {
        const issuer = new Issuer()
        const cache = issuer.cache()
        for (let n = 0; n < 1500; n++) yield* get(cache, `table-${n}`)
        yield* get(cache, "table-1499")
        assert.strictEqual(issuer.mints, 1500)
        yield* get(cache, "table-0")
        assert.strictEqual(issuer.mints, 1501)
      })
  )

  it.effect("HA-56 mints every time when it is off", () =>
    Effect.gen(function* () {
      const issuer = new Issuer()
      const cache = issuer.cache({ enabled: false })
      assert.deepStrictEqual([yield* get(cache), yield* get(cache)], ["token-0", "token-1"])
    })
  )
})
