/** Garbage collection on request, for tests of memory use. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collectOnce = runInNewContext("gc") as () => void

/**
 * Runs two garbage collections: V8 frees array buffers concurrently after a collection and counts
 * them until then; the next collection waits for that.
 */
export const collect = (): void => {
  collectOnce()
  collectOnce()
}
