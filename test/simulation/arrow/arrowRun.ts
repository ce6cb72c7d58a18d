/**
 * One run with Arrow batches: the world of a seed, users whose records are batches, and a server
 * that acknowledges rows. The rules check the run row by row.
 */
import { type RunResult, simulate } from "../simulation.ts"
import { makeArrowPlan } from "./arrowPlan.ts"
import { arrowProgram } from "./arrowProgram.ts"
import { ArrowRows } from "./arrowRows.ts"
import { checkArrow } from "./arrowRules.ts"

/** Runs one seed. */
export const runArrowSeed = (seed: string): RunResult => {
  const rows = new ArrowRows()
  return simulate(seed, makeArrowPlan(seed), arrowProgram(rows), undefined, checkArrow, rows)
}
