/**
 * Errors for bytes that are not valid Arrow data.
 */
import { Refusal } from "../columns/columnRules.ts"

/**
 * Thrown by the readers of this folder. The message describes the problem and contains no data. It
 * carries no stack, so that hostile messages stay cheap.
 */
export class ArrowProblem extends Refusal {}

/** Throws an {@link ArrowProblem}. */
export const refuseArrow = (message: string): never => {
  throw new ArrowProblem(message)
}
