/** All planted bugs: in the engine, lanes, Arrow batches, crashes, and crashes with lanes. */
import { arrowMutations } from "./arrow/arrowMutations.ts"
import { crashLaneMutations } from "./crashes/crashLaneMutations.ts"
import { crashMutations } from "./crashes/crashMutations.ts"
import { laneMutations } from "./lanes/laneMutations.ts"
import { type Mutation, mutations as engineMutations } from "./mutations.ts"

export const mutations: ReadonlyArray<Mutation> = [
  ...engineMutations,
  ...laneMutations,
  ...arrowMutations,
  ...crashMutations,
  ...crashLaneMutations
]
