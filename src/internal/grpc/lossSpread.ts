/**
 * Spreads the calls that follow lost ones. Calls that are lost together would return together, and
 * a server that has just started might lose them again.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Wait } from "./grpcConnections.ts"

/** How long losses count, and the longest wait of a call, in milliseconds. */
const WINDOW = 1000

export class LossSpread {
  private lost = 0
  private latest = -Infinity
  private readonly now: () => number

  /** `now` gives monotonic milliseconds. */
  constructor(now: () => number) {
    this.now = now
  }

  /** Notes that a call was lost with its connection. */
  note(): void {
    const now = this.now()
    if (now - this.latest > WINDOW) this.lost = 0
    this.latest = now
    this.lost++
  }

  /**
   * The wait of a call made now, if needed: a random time, up to a millisecond for each other
   * recently lost call.
   */
  turn(): Wait | undefined {
    const others = this.now() - this.latest > WINDOW ? 0 : this.lost - 1
    if (others <= 0) return undefined
    return {
      until: Effect.flatMap(Random.next, (share) => Effect.sleep(share * Math.min(others, WINDOW))),
      waitingFor: () => `its turn among ${others + 1} streams that lost their connection`
    }
  }
}
