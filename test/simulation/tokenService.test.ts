import { assert, describe, it } from "@effect/vitest"
import { makePlan, type Plan } from "./plan.ts"
import { program } from "./program.ts"
import { simulate } from "./simulation.ts"
import { crowdSize, type TokenPlan } from "./wider.ts"

const crowd = Array.from({ length: 1_000 }, (_, index) => makePlan(`crowd/${index}`)).find(
  (plan) => plan.crowd === true
)!

/** Opens all streams of a crowd at the same moment; only the token service decides what happens. */
const openAtOnce = (seed: string, tokens: Partial<TokenPlan>) => {
  const plan: Plan = {
    ...crowd,
    profile: "auth",
    faults: [],
    horizon: 60_000,
    tokens: {
      life: 3_600_000,
      lead: 300_000,
      latency: [5, 400],
      failures: 0,
      hangs: 0,
      down: [0, 0],
      ...tokens
    },
    streams: crowd.streams.map((stream) => ({
      ...stream,
      startAt: 0,
      interrupts: 0,
      settings: {
        ...stream.settings,
        recovery: true,
        recoveryRetries: 4,
        recoveryTimeout: 15_000,
        recoveryBackoff: 2_000
      },
      options: {
        ...stream.options,
        recovery: true,
        recoveryRetries: 4,
        recoveryTimeout: 15_000,
        recoveryBackoff: 2_000
      }
    }))
  }
  const { history, violations } = simulate(seed, plan, program)
  const asked = history.events.filter(
    (event) => event.e === "headers" && event.outcome === "asked"
  ).length
  const opened = history.events.filter(
    (event) => event.e === "response" && event.text.created === true
  ).length
  const requests = history.events.filter(({ e }) => e === "mint").length
  assert.deepStrictEqual(violations, [])
  return { asked, opened, requests }
}

describe("the token cache under a crowd", () => {
  it("mints one token for 100 streams that open at once", () => {
    for (let seed = 0; seed < 5; seed++) {
      const { opened, requests } = openAtOnce(`at once/${seed}`, {})
      assert.deepStrictEqual([opened, requests], [crowdSize, 1])
    }
  })

  it("sends one request at a time to an endpoint that is down, for any number of streams", () => {
    const { asked, opened, requests } = openAtOnce("down", { down: [0, 60_000] })
    assert.strictEqual(opened, 0)
    assert.isAbove(asked, crowdSize * 4)
    // Five rounds of attempts (fewer if the endpoint refuses permanently), spread by jitter over
    // 0.8 seconds, and an answer takes 0.2 seconds on average.
    assert.isAtMost(requests, 40)
  })
})
