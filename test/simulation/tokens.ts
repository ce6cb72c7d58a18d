/**
 * The credentials of a run: tokens that expire and are revoked, a token service that is slow or
 * fails, and the cache in front of it.
 */
import { Effect } from "effect"
import { type HeadersProviderShape, InvalidToken, Retryable, RetryableReason } from "effect-zerobus"
import type { History } from "./history.ts"
import type { Plan } from "./plan.ts"
import type { SeededRandom } from "./seededRandom.ts"
import type { VirtualTime } from "./virtualTime.ts"

/** The source of credentials for the streams of a run. */
export interface Credentials {
  /** Tokens minted, and connections refused because their token had expired. */
  readonly mints: number
  readonly expiries: number
  /** The number of stored entries. */
  readonly size: number
  /** Whether a header's token has expired. */
  readonly expired: (authorization: string) => boolean
  /** The provider of consecutive streams; `current` names the stream. */
  readonly provider: (
    current: { readonly id: number },
    invalidates: boolean,
    random: SeededRandom
  ) => HeadersProviderShape
  /** The run is over: pending requests are answered. */
  readonly stop: () => void
}

/** Tokens that the provider of each stream mints itself. */
export class Tokens implements Credentials {
  mints = 0
  expiries = 0
  private readonly ends = new Map<string, number>()
  private readonly time: VirtualTime
  private readonly history: History
  private readonly plan: Plan

  constructor(time: VirtualTime, history: History, plan: Plan) {
    this.time = time
    this.history = history
    this.plan = plan
  }

  readonly expired = (authorization: string): boolean => {
    const expired = this.isOver(authorization)
    if (expired) this.expiries++
    return expired
  }

  private isOver(authorization: string): boolean {
    return (this.ends.get(authorization) ?? -1) <= this.time.now
  }

  stop(): void {}

  get size(): number {
    return this.ends.size
  }

  provider(
    current: { readonly id: number },
    invalidates: boolean,
    random: SeededRandom
  ): HeadersProviderShape {
    const { history, plan, time } = this
    let cached: string | undefined
    const calm = () => plan.profile === "calm" || time.now >= plan.horizon
    const getHeaders = Effect.fnUntraced(function* (this: Tokens) {
      const stream = current.id
      const note = (outcome: string) =>
        Effect.sync(() => history.add({ e: "headers", stream, outcome }))
      yield* note("asked")
      if (!calm() && random.chance(0.3)) yield* Effect.sleep(random.pick([1, 100, 1_000, 20_000]))
      if (!calm() && random.chance(plan.tokenFailures)) {
        if (random.chance(0.1)) {
          yield* note("InvalidToken")
          return yield* new InvalidToken({ message: "The simulated token service refused." })
        }
        yield* note("Retryable")
        const retryAfterMillis = random.pick([undefined, 100, 3_000])
        return yield* new Retryable({
          reason: RetryableReason.TokenServiceUnavailable({
            message: "The simulated token service is down.",
            retryAfterMillis
          }),
          attempts: 1
        })
      }
      if (cached === undefined || this.isOver(`Bearer ${cached}`)) {
        cached = `t${this.mints++}`
        this.ends.set(`Bearer ${cached}`, time.now + plan.tokenLife)
      }
      yield* note("ok")
      return { "authorization": `Bearer ${cached}`, "x-sim-stream": String(stream) }
    }).bind(this)
    return {
      getHeaders: () => getHeaders(),
      ...(invalidates
        ? {
            invalidate: (_: string, rejected: Readonly<Record<string, string>>) =>
              Effect.suspend(() => {
                const token = rejected["authorization"] ?? ""
                history.add({ e: "invalidate", stream: current.id, token })
                if (`Bearer ${cached}` === token) cached = undefined
                return !calm() && random.chance(0.1)
                  ? Effect.sleep(random.pick([10, 40_000]))
                  : Effect.void
              })
          }
        : {})
    }
  }
}
