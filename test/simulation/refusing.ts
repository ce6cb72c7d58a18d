/**
 * Decisions of plans since the fourth generation: a store that refuses some records, streams that
 * continue without them, servers that rotate without end, and ingest calls that do not wait for
 * room forever.
 *
 * It uses a separate random source, so plans of earlier generations do not change.
 */
import type { Plan, StreamPlan } from "./plan.ts"
import { makeRandom, type SeededRandom } from "./seededRandom.ts"

/** Settings of one stream since the fourth generation. */
export interface Refusing {
  /** Whether refused records go to `onRefused`. Otherwise they end the stream. */
  readonly handles: boolean
}

/** Turns a plan of the third generation into one of the fourth. */
export const refuse = (plan: Plan, seed: string): Plan => {
  const random = makeRandom(`${seed}/refusing`)
  const rotates = plan.profile !== "calm" && random.chance(0.1)
  return {
    ...plan,
    generation: 4,
    poison: plan.profile !== "calm" && random.chance(0.35),
    ...(rotates
      ? {
          streamLife: random.pick([5, 40]),
          closeGrace: 0,
          fsync: [0, random.pick([10, 2_000])] as const
        }
      : {}),
    streams: plan.streams.map((stream, i) => refuseStream(stream, random.fork(`stream${i}`)))
  }
}

const refuseStream = (stream: StreamPlan, random: SeededRandom): StreamPlan => {
  const ingestTimeout = random.pick([undefined, undefined, 50, 5_000])
  return {
    ...stream,
    options: {
      ...stream.options,
      maxRefusals: random.pick([2, 100, 100]),
      ...(ingestTimeout === undefined ? {} : { ingestTimeout })
    },
    settings: { ...stream.settings, ...(ingestTimeout === undefined ? {} : { ingestTimeout }) },
    refusing: { handles: random.chance(0.8) }
  }
}
