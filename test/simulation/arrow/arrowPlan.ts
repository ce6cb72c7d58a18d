/**
 * Turns the plan of a seed into one whose streams take Arrow batches. It uses a separate random
 * source, so the plan without Arrow does not change.
 */
import { makeFaults, makePlan, type Plan, type StreamPlan } from "../plan.ts"
import { makeRandom } from "../seededRandom.ts"

/** The plan of a seed, with Arrow batches. */
export const makeArrowPlan = (seed: string): Plan => {
  const plan = makePlan(seed, 1)
  const random = makeRandom(`${seed}/arrow`)
  // Direct tests cover false acknowledgements and refused records.
  const other = plan.profile === "hostile" || plan.profile === "refusing"
  const profile = other ? "mixed" : plan.profile
  return {
    ...plan,
    profile,
    poison: false,
    faults: other ? makeFaults(random.fork("faults"), profile, plan.horizon) : plan.faults,
    maxUndurableBytes: Math.max(plan.maxUndurableBytes, 10_000),
    streams: plan.streams.slice(0, 2).map((stream) => withBatches(stream, random.chance(0.8)))
  }
}

/** Most streams have room for any batch. */
const withBatches = (stream: StreamPlan, roomy: boolean): StreamPlan => {
  const maxInflightBytes = roomy ? 134_217_728 : stream.settings.maxInflightBytes
  const { batching: _, ...options } = stream.options
  return {
    ...stream,
    operations: Math.min(stream.operations, 30),
    options: { ...options, maxInflightBytes },
    settings: { ...stream.settings, maxInflightBytes }
  }
}
