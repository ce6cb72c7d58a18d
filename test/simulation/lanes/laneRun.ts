/**
 * One run with lanes: the world of a seed and its users, whose streams have several lanes, checked
 * by the rules for lanes.
 */
import { program } from "../program.ts"
import { type RunResult, simulate } from "../simulation.ts"
import { makeLanePlan } from "./lanePlan.ts"
import { checkLanes } from "./laneRules.ts"
import { isAuto, loaded, loadedProgram } from "./loadedLife.ts"

/**
 * Runs one seed. If the number of lanes of the plan's first stream follows the load, the run has
 * that stream alone.
 */
export const runLaneSeed = (seed: string): RunResult => {
  const plan = makeLanePlan(seed)
  return isAuto(plan.streams[0]!)
    ? simulate(seed, loaded(plan), loadedProgram, undefined, checkLanes)
    : simulate(seed, plan, program, undefined, checkLanes)
}
