/**
 * Latency distributions for `Faults.ackLatency` and `ZerobusVirtual`: constant, uniform,
 * exponential, or from quantiles.
 *
 * They are plain data. A seed determines the values drawn.
 *
 * @packageDocumentation
 *
 * @example
 * Latency.quantiles({ 0: "1 millis", 0.5: "4 millis", 0.99: "80 millis", 1: "2 seconds" })
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { Latency } from "../local/faults/latency.ts"

export type { Latency } from "../local/faults/latency.ts"

const millis = (input: Duration.Input, what: string): number => {
  const value = Duration.toMillis(Duration.fromInputUnsafe(input))
  if (value >= 0 && value < Infinity) return value
  throw new RangeError(
    `A latency's ${what} must be a finite duration that is not negative, such as "5 millis".`
  )
}

/**
 * Always the same latency. Throws a `RangeError` for a duration that is negative or infinite, like
 * the other constructors.
 *
 * @since 0.1.0
 * @category constructors
 */
export const constant = (duration: Duration.Input): Latency => ({
  _tag: "Constant",
  millis: millis(duration, "duration")
})

/**
 * A uniform distribution from `from` to `to`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const uniform = (from: Duration.Input, to: Duration.Input): Latency => {
  const latency = {
    _tag: "Uniform",
    from: millis(from, "lower bound"),
    to: millis(to, "upper bound")
  } as const
  if (latency.from <= latency.to) return latency
  throw new RangeError("A latency's lower bound must not be above its upper bound.")
}

/**
 * An exponential distribution with this mean: 5 % of the latencies are more than three times as
 * long.
 *
 * @since 0.1.0
 * @category constructors
 */
export const exponential = (mean: Duration.Input): Latency => ({
  _tag: "Exponential",
  mean: millis(mean, "mean")
})

/**
 * A distribution from measured quantiles, with linear interpolation between them. Below the lowest
 * and above the highest quantile, their values apply. The keys are numbers from 0 to 1, and
 * durations must not decrease with them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const quantiles = (points: Readonly<Record<number, Duration.Input>>): Latency => {
  const sorted = Object.entries(points)
    .map(
      ([quantile, duration]) =>
        [Number(quantile), millis(duration, `quantile ${quantile}`)] as const
    )
    .sort(([one], [other]) => one - other)
  const fits = sorted.every(
    ([quantile, value], index) =>
      quantile >= 0 && quantile <= 1 && value >= (sorted[index - 1]?.[1] ?? 0)
  )
  if (sorted.length > 0 && fits) return { _tag: "Quantiles", points: sorted }
  throw new RangeError(
    "Quantiles need at least one key, keys from 0 to 1, and durations that grow with them."
  )
}
