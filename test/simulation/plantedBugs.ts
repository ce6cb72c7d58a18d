/**
 * All planted bugs: of the engine, of lanes, of crashes, and of crashes with lanes.
 */
import { crashLaneMutations } from "./crashes/crashLaneMutations.ts"
import { crashMutations } from "./crashes/crashMutations.ts"
import { laneMutations } from "./lanes/laneMutations.ts"
import { type Mutation, mutations as engineMutations } from "./mutations.ts"

export const mutations: ReadonlyArray<Mutation> = [
  ...engineMutations,
  ...laneMutations,
  ...crashMutations,
  ...crashLaneMutations
]
