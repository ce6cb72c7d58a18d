/**
 * Heap limits of the worker threads that decode records and write tables.
 */
import type { ResourceLimits } from "node:worker_threads"

/**
 * With an old generation of 2,048 MiB, V8 lets the heap grow to four times the memory in use before
 * it collects; with a lower limit, to twice. The young generation consists of three parts of 8 MiB
 * here; V8's default is 64 MiB each.
 */
export const workerHeap: ResourceLimits = {
  maxOldGenerationSizeMb: 2047,
  maxYoungGenerationSizeMb: 24
}
