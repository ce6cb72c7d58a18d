/**
 * One principal's tokens for all streams of a run: the real token cache over a simulated token
 * endpoint that is slow, refuses, fails, is down for a while, or never answers.
 */
import { Effect, Exit, Redacted } from "effect"
import {
  type HeadersProviderShape,
  InvalidToken,
  Retryable,
  RetryableReason,
  type StreamFailure
} from "effect-zerobus"
import { makeTokenCache, type Minted, type TokenCache } from "../../src/internal/net/tokenCache.ts"
import type { History } from "./history.ts"
import type { Plan } from "./plan.ts"
import type { SeededRandom } from "./seededRandom.ts"
import type { Credentials } from "./tokens.ts"
import type { VirtualTime } from "./virtualTime.ts"
import type { TokenPlan } from "./wider.ts"

/** The limits of one request and of a renewal, as the client sets them, in milliseconds. */
const requestLimit = 30_000
const renewalLimit = 7_500

/** The tokens of one run. */
export class TokenService implements Credentials {
  mints = 0
  expiries = 0
  private requests = 0
  private readonly ends = new Map<string, number>()
  /** Requests that the endpoint has not answered yet. */
  private readonly pending = new Set<() => void>()
  private readonly cache: TokenCache
  private readonly time: VirtualTime
  private readonly history: History
  private readonly plan: Plan
  private readonly tokens: TokenPlan
  private readonly random: SeededRandom

  constructor(options: {
    readonly time: VirtualTime
    readonly history: History
    readonly plan: Plan
    readonly tokens: TokenPlan
    readonly random: SeededRandom
  }) {
    this.time = options.time
    this.history = options.history
    this.plan = options.plan
    this.tokens = options.tokens
    this.random = options.random
    this.cache = makeTokenCache({
      mint: () => this.mint(),
      enabled: true,
      lead: options.tokens.lead,
      renewalLimit
    })
  }

  readonly expired = (authorization: string): boolean => {
    const expired = (this.ends.get(authorization) ?? -1) <= this.time.now
    if (expired) this.expiries++
    return expired
  }

  /** Pending requests are answered now: the run is over. */
  stop(): void {
    for (const answer of this.pending) answer()
  }

  /** How many tokens and requests are stored. */
  get size(): number {
    return this.ends.size + this.pending.size
  }

  provider(
    current: { readonly id: number },
    invalidates: boolean,
    random: SeededRandom
  ): HeadersProviderShape {
    const { cache, history } = this
    const bearer = (token: Redacted.Redacted<string>) => `Bearer ${Redacted.value(token)}`
    return {
      getHeaders: (table) =>
        Effect.suspend(() => {
          // Another stream may be created like this one before the answer arrives.
          const stream = current.id
          const note = (outcome: string) => history.add({ e: "headers", stream, outcome })
          note("asked")
          return Effect.map(
            Effect.tapError(cache.get(table), (error) => Effect.sync(() => note(error._tag))),
            (token) => {
              note("ok")
              return { "authorization": bearer(token), "x-sim-stream": String(stream) }
            }
          )
        }),
      ...(invalidates
        ? {
            invalidate: (table: string, rejected: Readonly<Record<string, string>>) =>
              Effect.suspend(() => {
                history.add({
                  e: "invalidate",
                  stream: current.id,
                  token: rejected["authorization"] ?? ""
                })
                const dropped = cache.invalidate(
                  table,
                  (token) => bearer(token) === rejected["authorization"]
                )
                return this.isCalm() || !random.chance(0.1)
                  ? dropped
                  : Effect.andThen(dropped, Effect.sleep(40_000))
              })
          }
        : {})
    }
  }

  private isCalm(): boolean {
    return this.plan.profile === "calm" || this.time.now >= this.plan.horizon
  }

  /** One request to the endpoint. */
  private mint(): Effect.Effect<Minted, StreamFailure> {
    return Effect.suspend(() => {
      const { history, random, time, tokens } = this
      const request = this.requests++
      history.add({ e: "mint", request, lead: tokens.lead })
      const calm = this.isCalm()
      const latency = random.between(
        tokens.latency[0],
        calm ? Math.min(tokens.latency[1], 50) : tokens.latency[1]
      )
      const down = !calm && time.now >= tokens.down[0] && time.now < tokens.down[1]
      const fails = down || (!calm && random.chance(tokens.failures))
      const hangs = !calm && random.chance(tokens.hangs)
      // The token's life begins while the request is in progress.
      const life = { begins: time.now + random.int(latency + 1), millis: tokens.life }
      const answer = Effect.callback<Minted, StreamFailure>((resume) => {
        const finish = () => {
          this.pending.delete(finish)
          resume(fails ? Effect.fail(this.failure()) : Effect.succeed(this.make(life)))
        }
        this.pending.add(finish)
        const takeBack = hangs ? () => {} : time.after(latency, finish)
        return Effect.sync(() => {
          this.pending.delete(finish)
          takeBack()
        })
      })
      const limited = Effect.timeoutOrElse(answer, {
        duration: requestLimit,
        orElse: () => Effect.fail(this.unavailable("The simulated token service did not answer."))
      })
      return Effect.onExit(limited, (exit) =>
        Effect.sync(() => {
          const token = Exit.isSuccess(exit)
            ? `Bearer ${Redacted.value(exit.value.token)}`
            : undefined
          const end = life.begins + life.millis
          history.add({ e: "minted", request, token, life: tokens.life, end })
        })
      )
    })
  }

  private make(life: { readonly begins: number; readonly millis: number }): Minted {
    for (const [token, end] of this.ends) if (end + 60_000 < this.time.now) this.ends.delete(token)
    const token = `m${this.mints++}`
    this.ends.set(`Bearer ${token}`, life.begins + life.millis)
    return { token: Redacted.make(token), lifeMillis: life.millis }
  }

  private failure(): StreamFailure {
    const { random } = this
    if (random.chance(0.1))
      return new InvalidToken({ message: "The simulated token service refused." })
    return this.unavailable(
      "The simulated token service is down.",
      random.pick([undefined, 100, 3_000])
    )
  }

  private unavailable(message: string, retryAfterMillis?: number): StreamFailure {
    return new Retryable({
      reason: RetryableReason.TokenServiceUnavailable({ message, retryAfterMillis }),
      attempts: 1
    })
  }
}
