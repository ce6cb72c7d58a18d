/**
 * Latency distributions as data, and seeded samplers: the same seed gives the same latencies,
 * independent of the clock.
 */

/**
 * A distribution of latencies, in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export type Latency =
  /** Always the same. */
  | {
      readonly _tag: "Constant"
      /** The latency. */
      readonly millis: number
    }
  /** Uniformly distributed from `from` to `to`. */
  | {
      readonly _tag: "Uniform"
      /** The shortest latency. */
      readonly from: number
      /** The longest latency. */
      readonly to: number
    }
  /** Exponentially distributed with this mean: mostly short, sometimes long. */
  | {
      readonly _tag: "Exponential"
      /** The mean latency. */
      readonly mean: number
    }
  /**
   * The latency at each quantile from 0 to 1, ascending. Interpolated linearly between two points,
   * and constant outside the first and the last.
   */
  | {
      readonly _tag: "Quantiles"
      /** Quantiles in ascending order, each with its latency. */
      readonly points: ReadonlyArray<readonly [quantile: number, millis: number]>
    }

/** The latency of a distribution at a quantile from 0 (inclusive) to 1 (exclusive). */
export const latencyAt = (latency: Latency, u: number): number => {
  switch (latency._tag) {
    case "Constant":
      return latency.millis
    case "Uniform":
      return latency.from + (latency.to - latency.from) * u
    case "Exponential":
      return -Math.log(1 - u) * latency.mean
    case "Quantiles":
      return interpolate(latency.points, u)
  }
}

const interpolate = (
  points: ReadonlyArray<readonly [quantile: number, millis: number]>,
  u: number
): number => {
  const above = points.findIndex(([quantile]) => quantile > u)
  if (above < 0) return points[points.length - 1]?.[1] ?? 0
  const [highQuantile, high] = points[above]!
  const below = points[above - 1]
  if (below === undefined) return high
  const [lowQuantile, low] = below
  return low + ((high - low) * (u - lowQuantile)) / (highQuantile - lowQuantile)
}

/**
 * Draws latencies. `stream` numbers the independent series of one seed, such as the connections of
 * a table, so that additional draws of one do not change the others.
 */
export const makeSampler = (latency: Latency, seed: number, stream: number): (() => number) => {
  const random = makeRandom(Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b))
  return () => latencyAt(latency, random())
}

/** Pseudo-random numbers from 0 (inclusive) to 1 (exclusive) for a seed (splitmix32). */
const makeRandom = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
}
