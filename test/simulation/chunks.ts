/**
 * A chunk of work and its totals: simulations of seeds, with one lane or several, with crashes of
 * the client, or with Arrow batches; sequences of calls compared with the model; or sequences of
 * replies compared with the reference.
 */
import { firstDifference } from "./model.ts"
import type { Generation } from "./plan.ts"
import { makeCrashPlan } from "./crashes/crashPlan.ts"
import { runArrowSeed } from "./arrow/arrowRun.ts"
import { runCrashSeed } from "./crashes/crashRun.ts"
import { runLaneSeed } from "./lanes/laneRun.ts"
import { runReplies } from "./replies.ts"
import { runSeed, type Statistics } from "./simulation.ts"

/** The kinds of pieces of a run. */
export type Kind = "seeds" | "lanes" | "crashes" | "arrow" | "model" | "replies"

export interface Chunk {
  readonly kind: Kind
  readonly base: string
  readonly generation: Generation
  readonly from: number
  readonly count: number
  /**
   * The chunk ends early once this many have failed. With a broken engine a later piece may never
   * end.
   */
  readonly failures: number
}

/** A seed that broke a rule. */
export interface Failure {
  readonly index: number
  /** Shown in brackets after the seed: the profile, or the difference found. */
  readonly about: string
  readonly hash: string
  readonly violations: ReadonlyArray<string>
  /** Whether the second run gave the same trace. */
  readonly repeats: boolean
}

export type Totals = { -readonly [K in keyof Statistics]: number } & {
  seeds: number
  repeated: number
  replies: number
}

/** The result of a chunk. */
export interface ChunkResult {
  readonly totals: Totals
  readonly failures: ReadonlyArray<Failure>
}

export const emptyTotals = (): Totals => ({
  seeds: 0,
  repeated: 0,
  replies: 0,
  records: 0,
  durable: 0,
  duplicates: 0,
  connections: 0,
  mints: 0,
  expiries: 0,
  virtualMillis: 0
})

/** One seed in this many runs twice, to check that the trace is the same. */
const repeatEvery = 20

/** Runs the seeds `base/from`, `base/from+1`, ... */
export const runChunk = async (chunk: Chunk): Promise<ChunkResult> => {
  const totals = emptyTotals()
  const failures: Array<Failure> = []
  for (let index = chunk.from; index < chunk.from + chunk.count; index++) {
    const failure = await run[chunk.kind](chunk, index, totals)
    totals.seeds++
    if (failure !== undefined && failures.push(failure) >= chunk.failures) break
  }
  return { totals, failures }
}

interface Judged {
  readonly hash: string
  readonly violations: ReadonlyArray<string>
  readonly statistics: Statistics
}

/**
 * Runs a seed, and runs it again if it failed or is due for a repetition: the trace must be the
 * same.
 */
const repeated = async <Result extends Judged>(
  index: number,
  totals: Totals,
  aboutOf: (result: Result) => string,
  once: () => Promise<Result> | Result
): Promise<Failure | undefined> => {
  const result = await once()
  const { hash, statistics, violations } = result
  for (const key of Object.keys(statistics) as Array<keyof Statistics>)
    totals[key] += statistics[key]
  const failed = violations.length > 0
  if (!failed && index % repeatEvery !== 0) return undefined
  const again = (await once()).hash
  const repeats = again === hash
  const about = aboutOf(result)
  if (failed) return { index, about, hash, violations, repeats }
  totals.repeated++
  if (repeats) return undefined
  return {
    index,
    about,
    hash,
    violations: [`I15: the second run gave the trace ${again}`],
    repeats
  }
}

const runSimulation = ({ base, generation }: Chunk, index: number, totals: Totals) =>
  repeated(
    index,
    totals,
    ({ plan }) => plan.profile,
    () => runSeed(`${base}/${index}`, generation)
  )

const runLanes = ({ base }: Chunk, index: number, totals: Totals) =>
  repeated(
    index,
    totals,
    ({ plan }) =>
      `${plan.streams.map(({ settings }) => settings.lanes).join(" and ")} lanes, ${plan.profile}`,
    () => runLaneSeed(`${base}/${index}`)
  )

const runArrow = ({ base }: Chunk, index: number, totals: Totals) =>
  repeated(
    index,
    totals,
    ({ plan }) => `arrow, ${plan.profile}`,
    () => runArrowSeed(`${base}/${index}`)
  )

const runCrashes = ({ base, generation }: Chunk, index: number, totals: Totals) =>
  repeated(
    index,
    totals,
    ({ plan }) => `crashes, ${plan.base.profile}`,
    () => runCrashSeed(`${base}/${index}`, makeCrashPlan(`${base}/${index}`, generation))
  )

const runModel = (_: Chunk, index: number): Failure | undefined => {
  const difference = firstDifference(index, 1)
  if (difference === undefined) return undefined
  const { commands, differences, hash } = difference
  const violations = [...differences.map((text) => `model: ${text}`), JSON.stringify(commands)]
  return {
    index,
    about: "against the model",
    hash,
    violations,
    repeats: firstDifference(index, 1)?.hash === hash
  }
}

const runReplySequence = ({ base }: Chunk, index: number, totals: Totals): Failure | undefined => {
  const seed = `${base}/${index}`
  const { difference, replies } = runReplies(seed)
  totals.replies += replies
  if (difference === undefined) return undefined
  const again = runReplies(seed, true)
  return {
    index,
    about: "against the reference",
    hash: again.hash,
    violations: [`replies: ${difference}`],
    repeats: again.difference === difference
  }
}

type Run = (
  chunk: Chunk,
  index: number,
  totals: Totals
) => Promise<Failure | undefined> | Failure | undefined

const run: Record<Kind, Run> = {
  seeds: runSimulation,
  lanes: runLanes,
  crashes: runCrashes,
  arrow: runArrow,
  model: runModel,
  replies: runReplySequence
}
