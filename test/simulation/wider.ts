/**
 * Decisions of plans since the second generation: every way to open and feed a stream, typed
 * records, recovery policies of the user, readers, plain callbacks, tokens from the real cache, and
 * shared connections.
 *
 * It uses a separate random source, so plans of the first generation, to which the past failures
 * refer, do not change.
 */
import type { Plan, StreamPlan, TimedFault } from "./plan.ts"
import { makePolicy, type PolicyPlan, scheduleOf, settingsOf } from "./policies.ts"
import { makeRandom, type SeededRandom } from "./seededRandom.ts"

/** Additional settings of one stream. */
export interface Wider {
  /** How the stream is opened: by `createStream`, by `withStream`, or by `sink`. */
  readonly face: "createStream" | "withStream" | "sink"
  readonly policy: PolicyPlan | undefined
  /**
   * Readers of durable offsets and states, in addition to the one that always reads: late, slow, or
   * stopping early.
   */
  readonly readers: number
  /** Records offered from plain callbacks. */
  readonly callbacks: number
  /** The probability of a step that only these plans have. */
  readonly steps: number
  /** Probability that the user's code fails, in `use` and in the source of a sink. */
  readonly fails: number
}

/** The source of a run's tokens; milliseconds. */
export interface TokenPlan {
  readonly life: number
  readonly lead: number
  readonly latency: readonly [number, number]
  /** The probability that a request to the endpoint fails, and that it is never answered. */
  readonly failures: number
  readonly hangs: number
  /** From when to when the endpoint always fails. */
  readonly down: readonly [number, number]
}

/** The number of streams that a crowd opens at once. */
export const crowdSize = 100

/** Widens a plan of the first generation. */
export const widen = (plan: Plan, seed: string): Plan => {
  const random = makeRandom(`${seed}/wider`)
  const crowd = random.chance(1 / 40)
  const tokens = crowd || random.chance(0.5) ? makeTokens(random.fork("tokens"), plan) : undefined
  const shared = random.chance(0.25)
  const streams = crowd
    ? Array.from({ length: crowdSize }, (_, i) =>
        inCrowd(plan.streams[0]!, random.fork(`crowd${i}`), tokens!)
      )
    : [...plan.streams, ...(shared && plan.streams.length === 1 ? plan.streams : [])].map(
        (stream, i) => widenStream(stream, random.fork(`stream${i}`))
      )
  return {
    ...plan,
    generation: 2,
    crowd,
    shared,
    tokens,
    // Streams of a crowd must interfere with each other.
    schedule: crowd ? { ...plan.schedule, yields: 0.3 } : plan.schedule,
    faults: [...plan.faults, ...clockJumps(random.fork("clock"), plan)],
    tokenLife: tokens === undefined ? plan.tokenLife : tokens.life,
    streams
  }
}

/** The wall clock is set now and then, in addition to other faults. */
const clockJumps = (random: SeededRandom, { horizon, profile }: Plan): ReadonlyArray<TimedFault> =>
  Array.from(
    { length: profile === "calm" || random.chance(0.85) ? 0 : random.between(1, 3) },
    () => ({
      kind: "clockJump",
      at: random.int(Math.min(horizon, random.pick([300, horizon]))),
      millis: random.pick([-3_600_000, -5_000, 5_000, 120_000, 3_600_000])
    })
  )

const makeTokens = (random: SeededRandom, plan: Plan): TokenPlan => {
  const calm = plan.profile === "calm"
  const slow = random.pick([0, 5, 400, calm ? 5 : 20_000])
  const from = random.int(plan.horizon)
  const flaky = !calm && random.chance(0.4)
  return {
    life: calm ? 3_600_000 : random.pick([300, 4_000, 4_000, 60_000, 3_600_000]),
    lead: random.pick([0, 1_000, 300_000, 300_000]),
    latency: [0, slow],
    failures: flaky ? random.pick([0.1, 0.5]) : 0,
    hangs: flaky ? random.pick([0, 0.1]) : 0,
    down: calm || random.chance(0.7) ? [0, 0] : [from, from + random.pick([1_000, 20_000])]
  }
}

const widenStream = (stream: StreamPlan, random: SeededRandom): StreamPlan => {
  const policy = random.chance(0.3) ? makePolicy(random.fork("policy")) : undefined
  // Streams whose room can be counted at the end.
  const countable = stream.leave === "flushAndClose" && random.chance(0.6)
  const bounds = countable ? { maxInflightBytes: 134_217_728 } : {}
  const wider: Wider = {
    face: random.pick(["createStream", "createStream", "withStream", "sink"]),
    policy,
    readers: random.pick([0, 0, 1, 3]),
    callbacks: countable ? 0 : random.pick([0, 0, 5, 20]),
    steps: random.pick([0, 0.2, 0.5]),
    fails: random.pick([0, 0, 0.3])
  }
  return {
    ...stream,
    format: random.pick([stream.format, stream.format, "typed", "schema"]),
    settings: {
      ...stream.settings,
      ...bounds,
      ...(policy === undefined ? {} : { policy: settingsOf(policy) })
    },
    options: {
      ...stream.options,
      ...bounds,
      ...(policy === undefined ? {} : { recoverySchedule: scheduleOf(policy) })
    },
    wider
  }
}

/**
 * One of many streams that open at the same moment, or nearly, and do little; the second half open
 * when the token is due for renewal.
 */
const inCrowd = (stream: StreamPlan, random: SeededRandom, { life }: TokenPlan): StreamPlan => ({
  ...stream,
  startAt: random.pick([0, 0, random.int(50), Math.min(life, 100_000) * 0.7 + random.int(50)]),
  workers: 1,
  operations: random.between(1, 2),
  pace: 0,
  leave: "close",
  recreates: 0,
  wider: { face: "createStream", policy: undefined, readers: 0, callbacks: 0, steps: 0, fails: 0 }
})
