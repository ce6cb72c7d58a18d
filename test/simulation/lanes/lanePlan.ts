/**
 * Turns the plan of a seed into one whose streams have several lanes. It uses a separate random
 * source, so the plan without lanes does not change.
 */
import { makePlan, type Plan, type StreamPlan } from "../plan.ts"
import { makeRandom, type SeededRandom } from "../seededRandom.ts"

/** The plan of a seed, with lanes. */
export const makeLanePlan = (seed: string): Plan => {
  const plan = makePlan(seed)
  const random = makeRandom(`${seed}/lanes`)
  return {
    ...plan,
    // A hundred streams with lanes would prove no more than a few.
    crowd: false,
    streams: plan.streams
      .slice(0, 2)
      .map((stream, i) => withLanes(stream, random.fork(`stream${i}`)))
  }
}

const withLanes = (stream: StreamPlan, random: SeededRandom): StreamPlan => {
  if (stream.settings.recovery && random.fork("auto").chance(0.3))
    return withAutoLanes(stream, random.fork("load"))
  const lanes = random.pick([2, 2, 3, 4, 8])
  const keyed = random.chance(0.8)
  return {
    ...stream,
    options: { ...stream.options, lanes },
    settings: { ...stream.settings, lanes, ...(keyed ? { keys: random.pick([2, 5, 20]) } : {}) }
  }
}

/**
 * Lanes whose number follows the load, and bounds so narrow that callers wait: adding a lane takes
 * a second of waiting.
 */
const withAutoLanes = (stream: StreamPlan, random: SeededRandom): StreamPlan => {
  const bounds = {
    maxInflightRecords: random.pick([1, 2, 5, 20]),
    scopeCloseTimeout: random.pick([1, 1_000])
  }
  return {
    ...stream,
    workers: random.pick([4, 8]),
    options: { ...stream.options, ...bounds, lanes: "auto" },
    settings: { ...stream.settings, ...bounds, lanes: mostLanes }
  }
}

/** The maximum number of lanes of a stream. */
const mostLanes = 64
