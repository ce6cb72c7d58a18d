/** Garbage collection on request, for tests of what is held. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collectOnce = runInNewContext("gc") as () => void

/**
 * Collects what nobody holds. Twice, because V8 frees array buffers beside the program after a
 * collection, and counts them until then; the next collection waits for that.
 */
export const collect = (): void => {
  collectOnce()
  collectOnce()
}
