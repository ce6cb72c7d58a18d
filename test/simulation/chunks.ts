/**
 * A stretch of seeds, run one after another, and their sums.
 */
import { runSeed, type Statistics } from "./simulation.ts"

export interface Chunk {
  readonly base: string
  readonly from: number
  readonly count: number
}

/** A seed that broke a rule. */
export interface Failure {
  readonly index: number
  readonly profile: string
  readonly hash: string
  readonly violations: ReadonlyArray<string>
  /** Whether the second run gave the same trace. */
  readonly repeats: boolean
}

export type Totals = { -readonly [K in keyof Statistics]: number } & { seeds: number; repeated: number }

export const emptyTotals = (): Totals => ({
  seeds: 0,
  repeated: 0,
  records: 0,
  durable: 0,
  duplicates: 0,
  connections: 0,
  virtualMillis: 0
})

/** Every so many seeds are run twice, to see that the trace is the same. */
const repeatEvery = 20

/** Runs the seeds `base/from`, `base/from+1`, ... */
export const runChunk = ({
  base,
  count,
  from
}: Chunk): { readonly totals: Totals; readonly failures: ReadonlyArray<Failure> } => {
  const totals = emptyTotals()
  const failures: Array<Failure> = []
  for (let index = from; index < from + count; index++) {
    const seed = `${base}/${index}`
    const { hash, plan, statistics, violations } = runSeed(seed)
    totals.seeds++
    for (const key of Object.keys(statistics) as Array<keyof Statistics>) totals[key] += statistics[key]
    if (violations.length > 0) {
      failures.push({ index, profile: plan.profile, hash, violations, repeats: runSeed(seed).hash === hash })
    } else if (index % repeatEvery === 0) {
      totals.repeated++
      const again = runSeed(seed)
      if (again.hash !== hash) {
        failures.push({
          index,
          profile: plan.profile,
          hash,
          violations: [`I15: the second run gave the trace ${again.hash}`],
          repeats: false
        })
      }
    }
  }
  return { totals, failures }
}
