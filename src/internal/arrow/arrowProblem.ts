/**
 * Why bytes are refused that should be Arrow's.
 */
import { Refusal } from "../columns/columnRules.ts"

/**
 * Thrown by the readers of this folder: the message says what is wrong with the bytes and holds
 * none of them. Carries no stack: hostile messages must stay cheap.
 */
export class ArrowProblem extends Refusal {}

/** Leaves a reader with an {@link ArrowProblem}. */
export const refuseArrow = (message: string): never => {
  throw new ArrowProblem(message)
}
