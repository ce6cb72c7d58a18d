/**
 * Why a schema or bytes are refused that should be Avro's.
 */
import { Refusal } from "../columns/columnRules.ts"

/**
 * Thrown by the readers of this folder: the message says what is wrong and holds no value. Carries
 * no stack: hostile records must stay cheap. `path` names the field, where one is at fault.
 */
export class AvroProblem extends Refusal {
  path: ReadonlyArray<string> = []
}

/** Leaves a reader with an {@link AvroProblem}. */
export const refuseAvro = (message: string, path: ReadonlyArray<string> = []): never => {
  const problem = new AvroProblem(message)
  problem.path = path
  throw problem
}
