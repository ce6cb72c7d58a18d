/**
 * One run with lanes: the world of a seed and its users, whose streams have several lanes, judged by the rules of lanes.
 */
import { program } from "../program.ts"
import { type RunResult, simulate } from "../simulation.ts"
import { makeLanePlan } from "./lanePlan.ts"
import { checkLanes } from "./laneRules.ts"

/** Runs one seed. */
export const runLaneSeed = (seed: string): RunResult =>
  simulate(seed, makeLanePlan(seed), program, undefined, checkLanes)
