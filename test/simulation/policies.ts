/**
 * Recovery policies that a plan may give a stream instead of backoff and retries: Effect schedules,
 * each with the pauses it must cause. The pauses are written down without running the schedule.
 */
import { Effect, Schedule } from "effect"
import type { Retryable } from "effect-zerobus"
import type { SeededRandom } from "./seededRandom.ts"

/** A schedule as data, in milliseconds. */
export interface PolicyPlan {
  readonly kind: "exponential" | "fibonacci" | "patient" | "immediate" | "picky"
  readonly base: number
  readonly times: number
  readonly jittered: boolean
}

/** The settings of a policy that the rules need. */
export interface PolicySettings {
  /**
   * The pause before the second attempt, before the third, and so on; after the last one the stream
   * gives up.
   */
  readonly pauses: ReadonlyArray<number>
  readonly jittered: boolean
  /** The failure reason after which it gives up at once. */
  readonly stopsAt: string | undefined
}

/** Picks a policy. */
export const makePolicy = (random: SeededRandom): PolicyPlan => ({
  kind: random.pick(["exponential", "fibonacci", "patient", "immediate", "picky"]),
  base: random.pick([5, 40, 700]),
  times: random.between(1, 6),
  jittered: random.chance(0.3)
})

/** The settings that the rules need. */
export const settingsOf = ({ base, jittered, kind, times }: PolicyPlan): PolicySettings => {
  const each = (pause: (n: number) => number) => Array.from({ length: times }, (_, n) => pause(n))
  const fibonacci = (n: number): number => (n < 2 ? base : fibonacci(n - 1) + fibonacci(n - 2))
  const pauses = {
    exponential: () => each((n) => base * 2 ** n),
    fibonacci: () => each(fibonacci),
    patient: () => [base, base, ...each(() => base * 10)],
    immediate: () => each(() => 0),
    picky: () => each(() => base)
  }[kind]()
  return { pauses, jittered, stopsAt: kind === "picky" ? "ServerUnavailable" : undefined }
}

/** The schedule itself. */
export const scheduleOf = ({
  base,
  jittered,
  kind,
  times
}: PolicyPlan): Schedule.Schedule<unknown, Retryable> => {
  const limited = Schedule.upTo({ times })
  const schedule: Schedule.Schedule<unknown, Retryable> = {
    exponential: () => limited(Schedule.exponential(base)),
    fibonacci: () => limited(Schedule.fibonacci(base)),
    patient: () =>
      Schedule.concat(
        Schedule.spaced(base).pipe(Schedule.upTo({ times: 2 })),
        limited(Schedule.spaced(base * 10))
      ),
    immediate: () => Schedule.recurs(times),
    // The schedule decides by its input, the failure of the attempt.
    picky: () =>
      limited(Schedule.spaced(base)).pipe(
        Schedule.setInputType<Retryable>(),
        Schedule.while(({ input }) => Effect.succeed(input.reason._tag !== "ServerUnavailable"))
      )
  }[kind]()
  return jittered ? Schedule.jittered(schedule) : schedule
}
