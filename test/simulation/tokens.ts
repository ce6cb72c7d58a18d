/**
 * The credentials of a run: tokens that expire and are revoked, a token service that is slow or fails, and the cache in front of it.
 */
import { Effect } from "effect"
import { type HeadersProviderShape, InvalidToken, Retryable, RetryableReason } from "effect-zerobus"
import type { History } from "./history.ts"
import type { Plan } from "./plan.ts"
import type { SeededRandom } from "./seededRandom.ts"
import type { VirtualTime } from "./virtualTime.ts"

/** The tokens of one run. */
export class Tokens {
  private readonly expiries = new Map<string, number>()
  private minted = 0
  private readonly time: VirtualTime
  private readonly history: History
  private readonly plan: Plan

  constructor(time: VirtualTime, history: History, plan: Plan) {
    this.time = time
    this.history = history
    this.plan = plan
  }

  /** Whether a header's token has expired. */
  readonly expired = (authorization: string): boolean => {
    const expiry = this.expiries.get(authorization)
    return expiry === undefined || expiry <= this.time.now
  }

  /** The provider of one stream after another; `current` names the stream. */
  provider(current: { readonly id: number }, invalidates: boolean, random: SeededRandom): HeadersProviderShape {
    const { history, plan, time } = this
    let cached: string | undefined
    const calm = () => plan.profile === "calm" || time.now >= plan.horizon
    const getHeaders = Effect.fnUntraced(function* (this: Tokens) {
      const stream = current.id
      const note = (outcome: string) => Effect.sync(() => history.add({ e: "headers", stream, outcome }))
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
      if (cached === undefined || this.expired(`Bearer ${cached}`)) {
        cached = `t${this.minted++}`
        this.expiries.set(`Bearer ${cached}`, time.now + plan.tokenLife)
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
                return !calm() && random.chance(0.1) ? Effect.sleep(random.pick([10, 40_000])) : Effect.void
              })
          }
        : {})
    }
  }
}
