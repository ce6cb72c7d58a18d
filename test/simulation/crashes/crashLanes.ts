/**
 * Gives several lanes to half of the plans with crashes, a different number in each process. It
 * uses a separate random source, so plans without lanes do not change.
 */
import { makeRandom } from "../seededRandom.ts"
import type { CrashPlan } from "./crashPlan.ts"

/** The plan, with lanes or unchanged. */
export const withCrashLanes = (seed: string, plan: CrashPlan): CrashPlan => {
  const random = makeRandom(`${seed}/crashLanes`)
  // A persistent stream has one lane.
  if (plan.persistent || !random.chance(0.5)) return plan
  const { settings } = plan.stream
  const keys = random.chance(0.85) ? random.pick([2, 5, 20]) : undefined
  return {
    ...plan,
    lanes: true,
    stream: { ...plan.stream, settings: { ...settings, ...(keys === undefined ? {} : { keys }) } },
    processes: plan.processes.map((process, i) => ({
      ...process,
      lanes: random.fork(`lanes${i}`).pick([1, 2, 2, 3, 4, 8])
    }))
  }
}
