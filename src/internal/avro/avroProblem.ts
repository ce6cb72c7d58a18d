/**
 * Errors for invalid Avro schemas and data.
 */
import { Refusal } from "../columns/columnRules.ts"

/**
 * Thrown by the readers of this folder. The message describes the problem and contains no value. It
 * carries no stack, so that hostile records stay cheap. `path` names the invalid field, if there is
 * one.
 */
export class AvroProblem extends Refusal {
  path: ReadonlyArray<string> = []
}

/** Throws an {@link AvroProblem}. */
export const refuseAvro = (message: string, path: ReadonlyArray<string> = []): never => {
  const problem = new AvroProblem(message)
  problem.path = path
  throw problem
}
